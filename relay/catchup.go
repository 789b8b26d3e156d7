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
	for heard := time.Now(); len(e.behind) > 0; {
		records, err := s.nextFromLog(ctx, reader)
		if err != nil {
			return place{}, err
		}
		if len(records) == 0 && time.Since(heard) < s.o.Heartbeat {
			continue
		}
		if err := s.deliverFromLog(out, records, &e.at); err != nil {
			return place{}, err
		}
		heard = time.Now()
		e = s.ring.enter(e.at)
	}
	s.tell(out, e.gaps)
	return e.place, nil
}

// nextFromLog waits for records, but returns now and then without any, so that
// its caller can look around.
func (s *Service) nextFromLog(ctx context.Context, reader Reader) ([]tidemark.Record, error) {
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	records, err := reader.Next(soon)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.draining:
		return nil, errDraining
	default:
	}
	if err != nil && soon.Err() == nil {
		return nil, fmt.Errorf("%w: %w", errSource, err)
	}
	return records, nil
}

// deliverFromLog writes what the client has not seen; without records, a heartbeat.
func (s *Service) deliverFromLog(out *wire, records []tidemark.Record, at *cursor) error {
	if len(records) == 0 {
		out.comment("hb")
	}
	for piece := range slices.Chunk(records, pieceSize) {
		for i := range piece {
			r := &piece[i]
			if r.Offset < at.next.at(r.Partition) {
				continue
			}
			at.advance(r.Partition, r.Offset, r.Timestamp.UnixMilli())
			f, _ := newFrame(r, *at)
			out.frame(f)
			s.metrics.deliveries.Inc()
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return out.flush()
}
