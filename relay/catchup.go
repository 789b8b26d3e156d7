package relay

import (
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
func (s *Service) catchUp(ctx context.Context, out *wire, e entry) (place, error) {
	if len(e.behind) == 0 {
		return e.place, nil
	}
	reader, err := s.o.Source.ReadFrom(ctx, e.at.next.positions(s.o.Topic))
	if err != nil {
		return place{}, fmt.Errorf("%w: %w", errSource, err)
	}
	defer reader.Close()
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
	return s.catchUpFrom(ctx, out, e, batches)
}

// catchUpAgain gives a client from the log what it was too slow for.
func (s *Service) catchUpAgain(ctx context.Context, out *wire, who *client) (place, error) {
	at, _ := parseCursor(string(out.id)) // we wrote it
	e := s.ring.enter(at)
	if err := s.skipRetention(ctx, &e); err != nil {
		return place{}, fmt.Errorf("%w: %w", errSource, err)
	}
	s.tell(out, e.gaps)
	who.following.Store(false)
	p, err := s.catchUp(ctx, out, e)
	if err == nil {
		who.flushed.Store(p.next)
		who.following.Store(true)
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
	for len(e.behind) > 0 {
		select {
		case <-ctx.Done():
			return place{}, context.Cause(ctx)
		case <-s.draining:
			return place{}, errDraining
		case <-heartbeat.C:
			out.heartbeat()
		case records := <-batches:
			s.deliverFromLog(out, records, &e.at)
		}
		if err := out.flush(); err != nil {
			return place{}, err
		}
		heartbeat.Reset(s.o.Heartbeat)
		e = s.ring.enter(e.at)
	}
	s.tell(out, e.gaps)
	return e.place, nil
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
			f, _ := newFrame(r, *at)
			if out.frame(f, nil) {
				s.metrics.deliveries.Inc()
			}
		}
		if out.flush() != nil {
			return
		}
	}
}
