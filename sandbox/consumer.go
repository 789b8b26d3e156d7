package sandbox

import (
	"context"
	"slices"
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
		if round := e.round(); len(round) > 0 {
			return round, nil
		}
		if err := e.fetch(ctx); err != nil {
			return nil, err
		}
	}
}

// fetch waits for records. While some are held back it does not wait long:
// their partition may be thawed any moment.
func (e *even) fetch(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	records, err := e.Member.Next(bounded)
	if e.fetched == nil {
		e.fetched = map[int32][]tidemark.Record{}
	}
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

// round takes one record of each partition that is ours and not frozen.
func (e *even) round() (round []tidemark.Record) {
	owned := e.Owned()
	for partition, waiting := range e.fetched {
		ours := slices.ContainsFunc(owned, func(at tidemark.Position) bool { return at.Partition == partition })
		switch {
		case !ours || len(waiting) == 0:
			delete(e.fetched, partition)
		case !e.frozen(partition):
			round = append(round, waiting[0])
			e.fetched[partition] = waiting[1:]
		}
	}
	return round
}

// bill is one member of the group that works off the orders.
func (w *World) bill(ctx context.Context) error {
	member, err := kafka.OpenMember(w.kafka(), kafka.MemberOptions{Group: billing, Topics: []string{orders}, Reset: "earliest"})
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
		if err := member.Commit(ctx, ends(fetched[:n])); err != nil {
			fetched = nil // partitions changed hands: whoever has them reads from the last commit
			return nil
		}
		fetched = fetched[n:]
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
