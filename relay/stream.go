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
	errExpired  = errors.New("the visitor's rights have ended")
	errSlow     = errors.New("too slow for the ring")
)

// visit is one client's stream, from its being let in to its end.
type visit struct {
	out      *wire
	who      *client
	entry    *entry // until it is in
	caughtUp func() // it does not read from the log any more
	ends     time.Time
	because  error
}

// serveStream answers one browser for as long as it stays. Its frame, and those
// below it, stay on the stack as long: what is needed to let somebody in is not
// in them.
func (s *Service) serveStream(w http.ResponseWriter, r *http.Request) {
	v := s.letIn(w, r)
	if v == nil {
		return
	}
	taken := s.take(w, r)
	if taken == nil {
		v.out.socket = plain{w, http.NewResponseController(w)}
		s.serve(r.Context(), v)
		return
	}
	v.out.socket = taken
	s.clients.taken(v.who, taken.Conn)
	s.taken.Go(func() {
		defer taken.Close()
		s.serve(context.Background(), v)
	})
}

// letIn lets a client in, or answers why not.
func (s *Service) letIn(w http.ResponseWriter, r *http.Request) *visit {
	q, err := s.ask(r)
	if err == nil && q.filter.until > 0 {
		err = badRequest("a stream has no end; until is for the history")
	}
	if err != nil {
		deny(w, err)
		return nil
	}
	if r.Method == http.MethodHead {
		streamHeader(w.Header())
		return nil
	}
	who := &client{visitor: q.visitor, ip: remoteIP(r), query: r.URL.RawQuery}
	if refused := s.clients.admit(who); refused != "" {
		s.refuse(w, r, refused)
		return nil
	}
	e, caughtUp, refused := s.enter(r.Context(), q.from)
	if refused != "" {
		s.clients.leave(who)
		s.refuse(w, r, refused)
		return nil
	}
	s.metrics.resumes.WithLabelValues(e.resume).Inc()
	streamHeader(w.Header())
	w.Header().Set("X-Resume", e.resume)
	v := &visit{out: &wire{filter: q.filter, timeout: s.o.WriteTimeout}, who: who, entry: &e, caughtUp: caughtUp}
	v.ends, v.because = time.Now().Add(jitter(s.o.MaxAge, 20)), errAged
	if until := q.visitor.Until; !until.IsZero() && until.Before(v.ends) {
		v.ends, v.because = until, errExpired
	}
	return v
}

// serve writes to a client that was let in until it leaves or has to.
func (s *Service) serve(ctx context.Context, v *visit) {
	defer s.clients.leave(v.who)
	defer v.caughtUp()
	err := s.stream(ctx, v)
	if reason, is := farewell(err); is {
		v.out.retry(jitter(s.o.Retry, 30))
		v.out.control(nil, notice{Kind: "bye", Reason: reason})
		err = cmp.Or(v.out.flush(), err)
	}
	s.metrics.disconnects.WithLabelValues(disconnectReason(err)).Inc()
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
	reader, refused := s.reserve(ctx)
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
	head, _ := s.ring.tail()
	at, err := from.at, error(nil)
	switch {
	case from.resumes:
	case from.since > 0 && s.o.Find != nil:
		at = cursor{at: from.since}
		at.next, err = s.find(ctx, time.UnixMilli(from.since))
	case from.earliest, from.since > 0:
		at.next, err = s.earliest(ctx)
	default:
		return s.ring.enterNow(), ""
	}
	if err != nil {
		return e, "kafka"
	}
	at.epoch = cmp.Or(at.epoch, head.epoch)
	return s.ring.enter(at), ""
}

// earliest is where the log begins.
func (s *Service) earliest(ctx context.Context) (at vector, err error) {
	topic, err := s.look(ctx)
	for _, log := range topic.Partitions {
		at.set(log.ID, log.Start)
	}
	return at, err
}

// find is where the log stood at a time.
func (s *Service) find(ctx context.Context, when time.Time) (at vector, err error) {
	positions, err := s.o.Find(ctx, when)
	for _, p := range positions {
		at.set(p.Partition, p.Next)
	}
	return at, err
}

// reserve takes one of the few readers of the log until done is called. It waits for
// one until ctx ends: most have little to read, as after a restart.
func (s *Service) reserve(ctx context.Context) (done func(), refused string) {
	select {
	case s.catchUps <- struct{}{}:
		return sync.OnceFunc(func() { <-s.catchUps }), ""
	case <-s.draining:
		return nil, "draining"
	case <-ctx.Done():
		return nil, "catch_up"
	}
}

// stream writes to one client until it leaves or has to; the error says why.
func (s *Service) stream(ctx context.Context, v *visit) error {
	p, err := s.begins(ctx, v)
	if err != nil {
		return err
	}
	v.who.flushed.Store(p.next)
	v.who.following.Store(true)
	return s.follow(ctx, v, p)
}

// begins tells a client where it stands, and gives it what it needs before it can
// follow the ring.
func (s *Service) begins(ctx context.Context, v *visit) (place, error) {
	e := *v.entry
	v.entry = nil
	v.out.retry(jitter(s.o.Retry, 30))
	v.out.control(&e.at, connected{"connected", s.o.Topic, s.o.Group, e.resume})
	s.tell(v.out, e.gaps)
	if err := v.out.flush(); err != nil {
		return place{}, err
	}
	defer v.caughtUp()
	p, err := s.catchUp(ctx, v, e)
	v.out.scratch = nil // of a frame without filter it is not needed again
	return p, err
}

// farewell says whether a stream ends with one, and its reason.
func farewell(err error) (reason string, is bool) {
	switch {
	case errors.Is(err, errDraining):
		return "", true
	case errors.Is(err, errAged):
		return "age", true
	case errors.Is(err, errExpired):
		return "expired", true
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

// follow gives a client what comes into the ring.
func (s *Service) follow(ctx context.Context, v *visit, p place) error {
	timer := time.NewTimer(s.next(v))
	defer timer.Stop()
	for {
		changed, overrun, err := s.round(v.out, v.who, &p)
		if overrun {
			p, err = s.fallBehind(ctx, v)
		}
		if err != nil {
			return err
		}
		if changed == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.draining:
			return errDraining
		case <-changed:
		case <-timer.C:
			if err := s.due(v); err != nil {
				return err
			}
			timer.Reset(s.next(v))
		}
	}
}

// next is how long a client needs nothing if nothing comes. Its timer runs out
// without regard to what is written, which would else have to reset it each time.
func (s *Service) next(v *visit) time.Duration {
	return min(s.o.Heartbeat-time.Since(v.out.wrote), time.Until(v.ends))
}

// due ends a stream that is old enough, and writes a heartbeat if nothing else was
// written for so long.
func (s *Service) due(v *visit) error {
	if !time.Now().Before(v.ends) {
		return v.because
	}
	if time.Since(v.out.wrote) >= s.o.Heartbeat {
		v.out.heartbeat()
	}
	return v.out.flush()
}

// round gives a client what the ring shows it. If that is nothing, changed is
// closed when there is something.
func (s *Service) round(out *wire, who *client, p *place) (changed <-chan struct{}, overrun bool, err error) {
	batch := s.batches.Get().(*[]*frame)
	defer s.batches.Put(batch)
	frames, overrun, changed := s.ring.read(p.next, maxFlush, *batch)
	if overrun || len(frames) == 0 {
		return changed, overrun, nil
	}
	given := s.deliver(out, frames, p)
	if err = out.flush(); err == nil {
		who.flushed.Store(p.next)
		s.metrics.given(given, time.Now())
	}
	clear(frames) // the pool must not keep what the ring drops
	*batch = frames[:0]
	return nil, false, err
}

// deliver writes frames of the ring, with the client's own ids while its position
// is not yet one of the ring's, and returns the events among them, in their place.
func (s *Service) deliver(out *wire, frames []*frame, p *place) []*frame {
	given := frames[:0]
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
			given = append(given, f)
		}
	}
	return given
}

// fallBehind does with a client that was too slow for the ring what the policy says.
func (s *Service) fallBehind(ctx context.Context, v *visit) (place, error) {
	if s.o.Slow == SlowReconnects {
		return place{}, errSlow
	}
	if s.o.Slow == SlowCatchesUp {
		wait, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if done, refused := s.reserve(wait); refused == "" {
			defer done()
			return s.catchUpAgain(ctx, v)
		}
	}
	return s.skipLost(v.out), nil
}

// skipLost takes a client on that was too slow for the ring, and says what it lost.
func (s *Service) skipLost(out *wire) place {
	at, _ := parseCursor(string(out.position())) // we wrote it
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
	streamHeader(w.Header())
	out := &wire{socket: plain{w, http.NewResponseController(w)}, timeout: s.o.WriteTimeout}
	out.retry(later)
	var at *cursor // some clients forget their id unless each stream tells it again
	if from, err := s.askedPosition(r); err == nil && from.resumes && from.at.epoch != "" {
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
	case errors.Is(err, errExpired):
		return "expired"
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
