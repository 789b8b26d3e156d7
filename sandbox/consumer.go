package sandbox

import (
	"context"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// even is a member that goes from partition to partition with each record, and
// passes over those that are frozen. A slow worker that takes what is fetched as
// it comes would spend minutes on one partition while the others look stuck.
type even struct {
	*kafka.Member
	frozen  func(partition int32) bool
	fetched map[int32][]tidemark.Record
}

// Next returns at most one record of each partition.
func (e *even) Next(ctx context.Context) ([]tidemark.Record, error) {
	for {
		ready, missing := e.turns()
		// With nothing to do, wait, but not for ever: a partition may be thawed.
		// With some partitions' turn to come, take what is there for the others.
		patience := 200 * time.Millisecond
		if ready > 0 {
			patience = time.Millisecond
		}
		if missing > 0 || ready == 0 {
			if err := e.fetch(ctx, patience); err != nil {
				return nil, err
			}
		}
		if round := e.round(); len(round) > 0 {
			return round, nil
		}
	}
}

// fetch takes in what comes within the given time.
func (e *even) fetch(ctx context.Context, patience time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	records, err := e.Member.Next(bounded)
	for _, r := range records {
		waiting := e.fetched[r.Partition]
		if n := len(waiting); n > 0 && r.Offset <= waiting[n-1].Offset {
			waiting = nil // the partition was taken from us and given back: it is read anew
		}
		e.fetched[r.Partition] = append(waiting, r)
	}
	if bounded.Err() != nil {
		return ctx.Err()
	}
	return err
}

// turns counts the partitions that are ours and not frozen: those that have a
// record fetched, and those that do not. What is not ours any more is forgotten.
func (e *even) turns() (ready, missing int) {
	ours := map[int32][]tidemark.Record{}
	for _, at := range e.Owned() {
		ours[at.Partition] = e.fetched[at.Partition]
		switch {
		case e.frozen(at.Partition):
		case len(ours[at.Partition]) > 0:
			ready++
		default:
			missing++
		}
	}
	e.fetched = ours
	return ready, missing
}

// round takes the next record of each partition that has its turn.
func (e *even) round() (round []tidemark.Record) {
	for partition, waiting := range e.fetched {
		if len(waiting) > 0 && !e.frozen(partition) {
			round = append(round, waiting[0])
			e.fetched[partition] = waiting[1:]
		}
	}
	return round
}

// pace lets records through at a rate. Being woken late, as happens on a busy
// machine, is made up for; half a second without work is not.
type pace struct {
	perSecond float64
	next      time.Time
}

// wait returns when the next record may be worked on.
func (p *pace) wait(ctx context.Context, _ tidemark.Record) error {
	now := time.Now()
	if idle := now.Add(-500 * time.Millisecond); p.next.Before(idle) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.perSecond))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(p.next.Sub(now)):
		return nil
	}
}

// bill is one member of the group that works off the orders.
func (w *World) bill(ctx context.Context) error {
	member, err := kafka.OpenMember(w.kafka("billing"), w.member(billing, orders))
	if err != nil {
		return err
	}
	defer leave(ctx, member)
	var fetched []tidemark.Record
	return steadily(ctx, billingRate*w.Speed, func(n int) error {
		if len(fetched) < n {
			bounded, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			more, _ := member.Next(bounded) // an error comes again, or passes; either way there is nothing to bill
			cancel()
			fetched = append(fetched, more...)
		}
		n = min(n, len(fetched))
		if member.Commit(ctx, ends(fetched[:n])) == nil { // else again, with the next
			fetched = fetched[n:]
		}
		return nil
	})
}

// ends returns where reading goes on after the records.
func ends(records []tidemark.Record) (positions []tidemark.Position) {
	next := map[int32]int64{}
	for _, r := range records {
		next[r.Partition] = r.Offset + 1
	}
	for partition, offset := range next {
		positions = append(positions, tidemark.Position{Topic: orders, Partition: partition, Next: offset})
	}
	return positions
}
