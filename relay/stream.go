package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxFlush bounds what one client is given at once, in bytes.
const maxFlush = 64 << 10

// patience is how long a client waits at the door for Kafka to answer.
const patience = 5 * time.Second

// What ends a stream with a farewell: the browser is to come back.
var (
	errDraining = errors.New("shutting down")
	errAged     = errors.New("old enough")
	errSlow     = errors.New("too slow for the ring")
)

// serveStream answers one browser for as long as it stays.
func (s *Service) serveStream(w http.ResponseWriter, r *http.Request) {
	from, err := askedPosition(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodHead {
		streamHeader(w.Header())
		return
	}
	who, refused := s.clients.admit(remoteIP(r))
	if refused != "" {
		s.refuse(w, r, refused)
		return
	}
	defer s.clients.leave(who)
	e, done, refused := s.enter(r.Context(), from)
	if refused != "" {
		s.refuse(w, r, refused)
		return
	}
	defer done()
	s.metrics.resumes.WithLabelValues(e.resume).Inc()
	err = s.stream(r.Context(), s.newWire(w, askedFilter(r.URL.Query())), who, e, done)
	s.metrics.disconnects.WithLabelValues(disconnectReason(err)).Inc()
}

// asked is where a client wants to begin.
type asked struct {
	at       cursor
	resumes  bool // at its cursor
	earliest bool // where the log begins
}

// askedPosition reads where a client wants to begin. The header comes first: a
// browser that reconnects sends the latest id there, while the address still has
// the one of its first connection.
func askedPosition(r *http.Request) (asked, error) {
	query := r.URL.Query()
	text := cmp.Or(r.Header.Get("Last-Event-ID"), query.Get("last_event_id"), query.Get("lastEventId"))
	switch text {
	case "", "latest":
		return asked{}, nil
	case "earliest":
		return asked{earliest: true}, nil
	}
	at, err := parseCursor(text)
	return asked{at: at, resumes: true}, err
}

// enter finds where a client begins. If it has to read from the log first, it
// holds one of the few readers until done is called. refused says why it has to
// come back later.
func (s *Service) enter(ctx context.Context, from asked) (e entry, done func(), refused string) {
	done = func() {}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if e, refused = s.locate(ctx, from); refused != "" || len(e.behind) == 0 {
		return e, done, refused
	}
	reader, refused := s.reserve()
	if refused != "" {
		return e, done, refused
	}
	if err := s.skipRetention(ctx, &e); err != nil {
		reader()
		return e, done, "kafka"
	}
	return e, reader, ""
}

// locate finds where a client stands, as soon as we know where the log does.
func (s *Service) locate(ctx context.Context, from asked) (e entry, refused string) {
	select {
	case <-s.draining:
		return e, "draining"
	case <-ctx.Done():
		return e, "starting"
	case <-s.begun:
	}
	switch {
	case from.resumes:
		return s.ring.enter(from.at), ""
	case !from.earliest:
		return s.ring.enterNow(), ""
	}
	topic, err := s.look(ctx)
	if err != nil {
		return e, "kafka"
	}
	at, _ := s.ring.tail()
	at.at = 0
	for _, log := range topic.Partitions {
		at.next.set(log.ID, log.Start)
	}
	return s.ring.enter(at), ""
}

// reserve takes one of the few readers of the log until done is called.
func (s *Service) reserve() (done func(), refused string) {
	select {
	case s.catchUps <- struct{}{}:
		return sync.OnceFunc(func() { <-s.catchUps }), ""
	default:
		return nil, "catch_up"
	}
}

// stream writes to one client until it leaves or has to; the error says why.
func (s *Service) stream(ctx context.Context, out *wire, who *client, e entry, caughtUp func()) error {
	ctx, cancel := context.WithTimeoutCause(ctx, jitter(s.o.MaxAge, 20), errAged)
	defer cancel()
	out.retry(jitter(s.o.Retry, 30))
	out.control(&e.at, connected{"connected", s.o.Topic, s.o.Group, e.resume})
	s.tell(out, e.gaps)
	if err := out.flush(); err != nil {
		return err
	}
	p, err := s.catchUp(ctx, out, e)
	caughtUp()
	if err == nil {
		who.flushed.Store(p.next)
		who.following.Store(true)
		err = s.follow(ctx, out, who, p)
	}
	if reason, is := farewell(err); is {
		out.retry(jitter(s.o.Retry, 30))
		out.control(nil, notice{Kind: "bye", Reason: reason})
		err = cmp.Or(out.flush(), err)
	}
	return err
}

// farewell says whether a stream ends with one, and its reason.
func farewell(err error) (reason string, is bool) {
	switch {
	case errors.Is(err, errDraining):
		return "", true
	case errors.Is(err, errAged):
		return "age", true
	case errors.Is(err, errSlow):
		return "slow", true
	}
	return "", false
}

// tell writes gap frames. They carry no id: what they tell of lies before the
// client's position.
func (s *Service) tell(out *wire, gaps []gap) {
	for _, g := range gaps {
		s.metrics.gaps.WithLabelValues(g.Reason).Inc()
		out.control(nil, g)
	}
}

// follow gives a client what comes into the ring. Frames that arrive while it is
// being written to are flushed together.
func (s *Service) follow(ctx context.Context, out *wire, who *client, p place) error {
	heartbeat := time.NewTimer(s.o.Heartbeat)
	defer heartbeat.Stop()
	var buffer []*frame
	for {
		frames, overrun, changed := s.ring.read(p.next, maxFlush, buffer)
		buffer = frames
		switch {
		case overrun:
			var err error
			if p, err = s.fallBehind(ctx, out, who); err != nil {
				return err
			}
			continue
		case len(frames) > 0:
			s.deliver(out, frames, &p)
		default:
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-s.draining:
				return errDraining
			case <-changed:
				continue
			case <-heartbeat.C:
				out.heartbeat()
			}
		}
		if out.armed {
			heartbeat.Reset(s.o.Heartbeat)
		}
		if err := out.flush(); err != nil {
			return err
		}
		who.flushed.Store(p.next)
		s.metrics.sent(out.sent, time.Now())
		out.sent = out.sent[:0]
		pause(ctx, s.o.Coalesce)
	}
}

// deliver writes frames of the ring, with the client's own ids while its position
// is not yet one of the ring's.
func (s *Service) deliver(out *wire, frames []*frame, p *place) {
	delivered := 0
	for _, f := range frames {
		wanted, known := p.deliver(f)
		if !wanted {
			continue
		}
		if known > 0 {
			s.tell(out, []gap{missing{f.partition, known, f.offset}.gap(recreated)})
		}
		var own *cursor
		if len(p.ahead) > 0 {
			own = &p.own
		}
		if out.frame(f, own) && f.offset >= 0 {
			delivered++
		}
	}
	s.metrics.deliveries.Add(float64(delivered))
}

// fallBehind does with a client that was too slow for the ring what the policy says.
func (s *Service) fallBehind(ctx context.Context, out *wire, who *client) (place, error) {
	if s.o.Slow == SlowReconnects {
		return place{}, errSlow
	}
	if s.o.Slow == SlowCatchesUp {
		if done, refused := s.reserve(); refused == "" {
			defer done()
			return s.catchUpAgain(ctx, out, who)
		}
	}
	return s.skipLost(out), nil
}

// skipLost takes a client on that was too slow for the ring, and says what it lost.
func (s *Service) skipLost(out *wire) place {
	at, _ := parseCursor(string(out.id)) // we wrote it
	for {
		e := s.ring.enter(at)
		s.tell(out, e.gaps)
		if len(e.behind) == 0 {
			return e.place
		}
		for _, m := range e.behind {
			at.next.set(m.partition, m.to)
			s.tell(out, []gap{m.gap(overflow)})
		}
	}
}

// refuse sends a client away so that it comes back. Any status but 200 ends a
// browser's EventSource for good, so such a client gets a stream of one frame;
// others get what HTTP has for this.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, reason string) {
	s.metrics.disconnects.WithLabelValues("refused").Inc()
	later := 5*time.Second + rand.N(25*time.Second)
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") || r.Header.Get("Prefer") == "status" {
		w.Header().Set("Retry-After", strconv.Itoa(int(later.Seconds())))
		http.Error(w, fmt.Sprintf("no room for another stream now (%s)", reason), http.StatusServiceUnavailable)
		return
	}
	out := s.newWire(w, filter{})
	out.retry(later)
	var at *cursor // some clients forget their id unless each stream tells it again
	if from, err := askedPosition(r); err == nil && from.resumes {
		at = &from.at
	}
	out.control(at, notice{Kind: "overloaded", Reason: reason})
	_ = out.flush() // who does not wait for the answer needs none
}

func disconnectReason(err error) string {
	switch {
	case errors.Is(err, errDraining):
		return "drain"
	case errors.Is(err, errSource):
		return "kafka"
	case errors.Is(err, errAged):
		return "age"
	case errors.Is(err, errSlow), errors.Is(err, os.ErrDeadlineExceeded):
		return "slow"
	}
	return "client"
}

// jitter spreads what all clients would otherwise do at the same time, by so many
// per cent either way.
func jitter(d, percent time.Duration) time.Duration {
	return d*(100-percent)/100 + rand.N(d*2*percent/100+1)
}
