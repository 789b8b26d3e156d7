package relay

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aetherlink/tidemark"
)

// ownedFor is how long we believe to own a partition without asking again.
const ownedFor = 50 * time.Millisecond

// slowAfter is how long a client may have left a frame unread before commits stop
// waiting for it: a sleeping laptop must not look like lag.
const slowAfter = 5 * time.Second

// work is the work plane: it does each record of the partitions it owns.
func (s *Service) work(ctx context.Context) {
	for ctx.Err() == nil {
		records, err := s.o.Member.Next(ctx)
		if s.o.WorkBatch != nil {
			s.doTogether(ctx, records)
		} else {
			s.doEach(ctx, records)
		}
		s.settle(ctx, "reading as a member of the group", err)
	}
}

// doEach works on one record after another.
func (s *Service) doEach(ctx context.Context, records []tidemark.Record) {
	b := batch{member: s.o.Member}
	for _, r := range records {
		at := spot{r.Topic, r.Partition}
		if !b.owns(at) {
			s.progress.forget(at)
		} else if !s.do(ctx, r) {
			return
		}
	}
}

// doTogether works on all partitions at the same time, on the records of each in
// one go: most of the work is to wait for somebody else's disk.
func (s *Service) doTogether(ctx context.Context, records []tidemark.Record) {
	began := time.Now()
	defer func() { s.metrics.workBusy.Add(time.Since(began).Seconds()) }()
	byPartition := map[spot][]tidemark.Record{}
	for _, r := range records {
		at := spot{r.Topic, r.Partition}
		byPartition[at] = append(byPartition[at], r)
	}
	var partitions sync.WaitGroup
	for at, list := range byPartition {
		partitions.Go(func() { s.doAll(ctx, at, list) })
	}
	partitions.Wait()
}

// doAll works on records of one partition until that succeeds, ctx ends, or the
// partition is somebody else's.
func (s *Service) doAll(ctx context.Context, at spot, records []tidemark.Record) {
	last := records[len(records)-1]
	events := slices.DeleteFunc(slices.Clone(records), func(r tidemark.Record) bool { return r.Control })
	for range events {
		if s.pace.Wait(ctx) != nil {
			return
		}
	}
	for owns(s.o.Member.Owned(), at) {
		err := s.o.WorkBatch(ctx, events)
		if ctx.Err() != nil && err != nil {
			return
		}
		s.settle(ctx, "work", err)
		if err == nil {
			s.progress.done(records[0], last)
			s.metrics.messages.Add(float64(len(events)))
			return
		}
	}
	s.progress.forget(at)
}

// do works on one record until that succeeds. It returns false when ctx ended
// before: then the record counts as not worked.
func (s *Service) do(ctx context.Context, r tidemark.Record) bool {
	if r.Control {
		s.progress.done(r, r)
		return true
	}
	began := time.Now()
	defer func() { s.metrics.workBusy.Add(time.Since(began).Seconds()) }()
	if s.pace.Wait(ctx) != nil {
		return false
	}
	for s.o.Work != nil {
		err := s.o.Work(ctx, r)
		if ctx.Err() != nil && err != nil {
			return false
		}
		s.settle(ctx, "work", err)
		if err == nil {
			break
		}
	}
	s.progress.done(r, r)
	s.metrics.messages.Inc()
	return true
}

// batch is what one Next returned. It may take minutes to work on, and meanwhile
// partitions go to other members and come back, with the others' progress. So a
// partition that was lost once is lost for the rest of the batch: the next one
// begins where the others have come.
type batch struct {
	member Member
	asked  time.Time
	owned  []tidemark.Position // all the while
}

func (b *batch) owns(at spot) bool {
	now := time.Now()
	if now.Sub(b.asked) <= ownedFor {
		return owns(b.owned, at)
	}
	owned := b.member.Owned()
	if !b.asked.IsZero() {
		owned = slices.DeleteFunc(owned, func(p tidemark.Position) bool { return !owns(b.owned, spot{p.Topic, p.Partition}) })
	}
	b.asked, b.owned = now, owned
	return owns(b.owned, at)
}

func owns(owned []tidemark.Position, at spot) bool {
	return slices.ContainsFunc(owned, func(p tidemark.Position) bool {
		return p.Topic == at.topic && p.Partition == at.partition
	})
}

type spot struct {
	topic     string
	partition int32
}

// progress is how far the work is, and how far that was committed.
type progress struct {
	mu        sync.Mutex
	worked    map[spot]int64 // next offset to work on
	committed map[spot]int64
}

func newProgress() *progress {
	return &progress{worked: map[spot]int64{}, committed: map[spot]int64{}}
}

// done notes that records of a partition are worked, from the first to the last. If
// they are not those after the ones before, the partition was given to us there:
// that much is committed, and browsers here that have less do not take it back.
func (p *progress) done(first, last tidemark.Record) {
	at := spot{last.Topic, last.Partition}
	p.mu.Lock()
	defer p.mu.Unlock()
	if worked, known := p.worked[at]; !known || first.Offset < worked {
		p.committed[at] = first.Offset
	}
	p.worked[at] = last.Offset + 1
}

// forget drops what we know of a partition that somebody else works on now: a
// late commit of ours would take the new owner's progress back.
func (p *progress) forget(at spot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.worked, at)
	delete(p.committed, at)
}

// due returns what is to be committed: what is worked and flushed, of the
// partitions that are still ours.
func (p *progress) due(owned []tidemark.Position, flushed vector) []tidemark.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	var positions []tidemark.Position
	for at, worked := range p.worked {
		if !owns(owned, at) {
			delete(p.worked, at)
			delete(p.committed, at)
			continue
		}
		if next := min(worked, flushed.at(at.partition)); next > p.committed[at] {
			positions = append(positions, tidemark.Position{Topic: at.topic, Partition: at.partition, Next: next})
		}
	}
	slices.SortFunc(positions, func(a, b tidemark.Position) int { return cmp.Compare(a.Partition, b.Partition) })
	return positions
}

func (p *progress) wasCommitted(positions []tidemark.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range positions {
		p.committed[spot{at.Topic, at.Partition}] = at.Next
	}
}

// commit tells the group how far we are. Before the data plane knows where the
// log stands, nothing is known to be flushed, and nothing is committed.
func (s *Service) commit(ctx context.Context) error {
	positions := s.progress.due(s.o.Member.Owned(), s.flushed())
	if len(positions) == 0 {
		return nil
	}
	if err := s.o.Member.Commit(ctx, positions); err != nil {
		return fmt.Errorf("commit %d positions of group %s: %w", len(positions), s.o.Group, err)
	}
	s.progress.wasCommitted(positions)
	return nil
}

// flushed is how far every healthy client here is; without any, how far the ring is.
func (s *Service) flushed() vector {
	_, slowest := s.ring.tail()
	now := time.Now()
	for _, at := range s.clients.following() {
		if s.ring.age(at, now) <= slowAfter {
			slowest = min(slowest, at)
		}
	}
	return s.ring.flushed(slowest)
}
