package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// errSource ends a stream that cannot be served from the log. The browser comes
// back with its id.
var errSource = errors.New("reading from the log")

// skipRetention moves a client that has to read from the log past what the log
// does not hold any more.
func (s *Service) skipRetention(ctx context.Context, e *entry) error {
	topic, err := s.look(ctx)
	if err != nil {
		return err
	}
	for _, log := range topic.Partitions {
		if from := e.at.next.at(log.ID); from < log.Start {
			e.resume = holed
			e.gaps = append(e.gaps, missing{log.ID, from, log.Start}.gap(retention))
			e.at.next.set(log.ID, log.Start)
		}
	}
	return nil
}

// catchUp gives a client from the log what the ring does not hold any more, until
// the ring reaches back to where the client stands.
func (s *Service) catchUp(ctx context.Context, v *visit, e entry) (place, error) {
	if len(e.behind) == 0 {
		return e.place, nil
	}
	reader, err := s.o.Source.ReadFrom(ctx, e.at.next.positions(s.o.Topic))
	if err != nil {
		return place{}, fmt.Errorf("%w: %w", errSource, err)
	}
	defer reader.Close()
	ctx, end := context.WithDeadlineCause(ctx, v.ends, v.because)
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	batches := make(chan []tidemark.Record)
	go func() {
		defer close(batches)
		cancel(pump(ctx, reader, batches))
	}()
	defer func() {
		cancel(nil)
		for range batches { // until the pump has ended
		}
	}()
	return s.catchUpFrom(ctx, v.out, e, batches)
}

// catchUpAgain gives a client from the log what it was too slow for.
func (s *Service) catchUpAgain(ctx context.Context, v *visit) (place, error) {
	at, _ := parseCursor(string(v.out.position())) // we wrote it
	e := s.ring.enter(at)
	if err := s.skipRetention(ctx, &e); err != nil {
		return place{}, fmt.Errorf("%w: %w", errSource, err)
	}
	s.tell(v.out, e.gaps)
	v.who.following.Store(false)
	p, err := s.catchUp(ctx, v, e)
	if err == nil {
		v.who.flushed.Store(p.next)
		v.who.following.Store(true)
	}
	return p, err
}

// pump hands over what a reader reads until it ends or ctx does.
func pump(ctx context.Context, reader Reader, batches chan<- []tidemark.Record) error {
	for {
		records, err := reader.Next(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", errSource, err)
		}
		select {
		case batches <- records:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Service) catchUpFrom(ctx context.Context, out *wire, e entry, batches <-chan []tidemark.Record) (place, error) {
	heartbeat := time.NewTimer(s.o.Heartbeat)
	defer heartbeat.Stop()
	silence := time.NewTimer(quiet)
	defer silence.Stop()
	for len(e.behind) > 0 {
		select {
		case <-ctx.Done():
			return place{}, context.Cause(ctx)
		case <-s.draining:
			return place{}, errDraining
		case <-heartbeat.C:
			out.heartbeat()
			heartbeat.Reset(s.o.Heartbeat)
		case <-silence.C:
			if err := s.passUnread(ctx, e.behind, &e.at, func(g gap) { out.control(&e.at, g) }); err != nil {
				return place{}, err
			}
		case records := <-batches:
			if err := s.throttle(ctx, records); err != nil {
				return place{}, err
			}
			s.deliverFromLog(out, records, &e.at)
			silence.Reset(quiet)
		}
		if err := out.flush(); err != nil {
			return place{}, err
		}
		e = s.ring.enter(e.at)
	}
	s.tell(out, e.gaps)
	return e.place, nil
}

// quiet is how long the log may have nothing for a reader that is not yet where
// the log ended. The last offsets may have been compacted away.
const quiet = 5 * time.Second

// passUnread takes a reader past what the log does not give it, if the log can be
// reached at all, and tells of it: it may have been nothing, but we do not know.
func (s *Service) passUnread(ctx context.Context, pieces []missing, at *cursor, tell func(gap)) error {
	if _, err := s.look(ctx); err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	for _, m := range pieces {
		s.metrics.gaps.WithLabelValues(unread).Inc()
		at.next.set(m.partition, m.to)
		tell(m.gap(unread))
	}
	return nil
}

// throttle keeps all readers of the log together within their share.
func (s *Service) throttle(ctx context.Context, records []tidemark.Record) error {
	size := 0
	for i := range records {
		size += len(records[i].Key) + len(records[i].Value)
	}
	for left := size; left > 0; left -= s.reads.Burst() {
		if err := s.reads.WaitN(ctx, min(left, s.reads.Burst())); err != nil {
			return cmp.Or(context.Cause(ctx), err) // it is an error too that ctx would end before
		}
	}
	return nil
}

// deliverFromLog writes what the client has not seen, and flushes now and then: a
// batch may be more than a slow client takes before its deadline.
func (s *Service) deliverFromLog(out *wire, records []tidemark.Record, at *cursor) {
	for piece := range slices.Chunk(records, pieceSize) {
		for i := range piece {
			r := &piece[i]
			if r.Offset < at.next.at(r.Partition) {
				continue
			}
			at.advance(r.Partition, r.Offset, r.Timestamp.UnixMilli())
			f, _ := s.o.newFrame(r, *at)
			if out.frame(f, nil) {
				s.metrics.deliveries.Inc()
			}
		}
		if out.flush() != nil {
			return
		}
	}
}
