package outbox

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aetherlink/tidemark"
)

// haltedFor is how long a shard stands still before it is tried again.
const haltedFor = 30 * time.Second

// holding is a shard that we have the lease of, and who works on it.
type holding struct {
	lease
	work chan struct{} // something waits in the shard
	busy atomic.Bool

	all    context.Context // ends when the relay does
	soft   context.Context // ends when the shard shall be given back
	stop   context.CancelFunc
	hard   context.Context // ends when it is ours no more: nothing may be published after that
	lose   context.CancelFunc
	expiry *time.Timer

	// So many rows are published one at a time, since one of them was refused: the
	// others must not be published again each time that one is tried.
	oneByOne int
	failing  bool
	unsure   bool // some of its rows may be published already
}

// take begins to work on a shard.
func (r *Relay) take(soft, hard context.Context, l lease, began time.Time) {
	h := &holding{lease: l, work: make(chan struct{}, 1), all: soft, unsure: r.o.ReadBack != nil}
	if h.unsure {
		h.work <- struct{}{} // what comes later than we do is certainly not published
	}
	h.hard, h.lose = context.WithCancel(hard)
	h.soft, h.stop = context.WithCancel(soft)
	h.expiry = time.AfterFunc(time.Until(began.Add(r.o.Lease)), h.lose)
	context.AfterFunc(h.hard, h.stop)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[l.shard] = h
	r.works.Go(func() { r.serve(h) })
}

func (h *holding) until(end time.Time) { h.expiry.Reset(time.Until(end)) }

// serve publishes the rows of a shard until it is to be given back, or is lost.
func (r *Relay) serve(h *holding) {
	defer r.leave(h)
	for {
		select {
		case <-h.soft.Done():
			return
		case <-h.work:
		}
		h.busy.Store(true)
		r.drain(h)
		h.busy.Store(false)
	}
}

// leave ends the work on a shard. When all ends, all shards are given back at once.
func (r *Relay) leave(h *holding) {
	lost, ended := h.hard.Err() != nil, h.all.Err() != nil
	h.expiry.Stop()
	h.lose()
	r.went(h, nil)
	r.mu.Lock()
	if r.held[h.shard] == h {
		delete(r.held, h.shard)
	}
	r.mu.Unlock()
	switch {
	case ended:
	case lost:
		r.o.Log.Warn("shard lost", "shard", h.shard, "epoch", h.epoch)
	default:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(h.hard), r.o.Drain)
		defer cancel()
		if err := r.table.release(ctx, h.lease); err != nil {
			r.o.Log.Warn("shard not given back; another relay takes it when the lease ends", "shard", h.shard, "err", err)
		}
	}
}

func (h *holding) name() string { return "shard " + strconv.Itoa(h.shard) }

// drain publishes until the shard is empty.
func (r *Relay) drain(h *holding) {
	for more := true; more && h.soft.Err() == nil; {
		var err error
		more, err = r.batch(h)
		switch {
		case errors.Is(err, errFenced):
			h.lose()
		case r.stands(err):
			r.health.report(h.name(), err)
			pause(h.soft, jitter(haltedFor))
			more = true
		default:
			r.went(h, err)
			more = more || err != nil
		}
	}
}

// went notes how a batch went. All is well when it is in all shards.
func (r *Relay) went(h *holding, err error) {
	switch {
	case err != nil && !h.failing:
		r.failing.Add(1)
	case err == nil && h.failing:
		r.failing.Add(-1)
	}
	h.failing = err != nil
	if err == nil {
		r.health.report(h.name(), nil)
	}
	if err != nil || r.failing.Load() == 0 {
		r.settle(h.soft, "publishing", err)
	}
}

// halted says why a shard stands still.
type halted struct{ error }

func (r *Relay) stands(err error) bool {
	var h halted
	return errors.As(err, &h)
}

// batch publishes the first rows of a shard, and deletes them. more says that
// there may be more of them.
func (r *Relay) batch(h *holding) (more bool, err error) {
	if h.unsure {
		return true, r.recognise(h)
	}
	most := r.o.BatchRecords
	if h.oneByOne > 0 {
		most = 1
	}
	places, err := r.enter(h.soft, most)
	if err != nil {
		return false, nil //nolint:nilerr // the shard is to be given back
	}
	defer places.shrink(0, 0)
	rows, err := r.table.read(h.hard, h.lease, r.o.Strict, most, r.o.BatchBytes)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	if reason := r.unfit(rows[0]); reason != "" {
		return true, r.refuse(h, rows[0], reason)
	}
	records := r.records(h, rows)
	if records, err = r.pace.take(h.soft, records); err != nil {
		return false, nil //nolint:nilerr // the shard is to be given back
	}
	places.shrink(len(records), sizeOf(rows[:len(records)]))
	return true, r.publish(h, rows, records)
}

// room is what a batch takes of the places on the way to the brokers: before it is
// read, as much as it may need.
type room struct {
	r           *Relay
	rows, bytes int
}

func (r *Relay) enter(ctx context.Context, rows int) (*room, error) {
	if err := r.rows.Acquire(ctx, int64(rows)); err != nil {
		return nil, err
	}
	if err := r.bytes.Acquire(ctx, int64(r.o.BatchBytes)); err != nil {
		r.rows.Release(int64(rows))
		return nil, err
	}
	return &room{r, rows, r.o.BatchBytes}, nil
}

// shrink gives back what is more than so much.
func (m *room) shrink(rows, bytes int) {
	rows, bytes = min(rows, m.rows), min(bytes, m.bytes)
	m.r.rows.Release(int64(m.rows - rows))
	m.r.bytes.Release(int64(m.bytes - bytes))
	m.rows, m.bytes = rows, bytes
}

func sizeOf(rows []row) (bytes int) {
	for _, r := range rows {
		bytes += r.size()
	}
	return bytes
}

// records are those of the rows that may be published together.
func (r *Relay) records(h *holding, rows []row) []tidemark.Record {
	var records []tidemark.Record
	for _, row := range rows {
		if r.unfit(row) != "" {
			break
		}
		records = append(records, row.record(h.lease))
	}
	return records
}

// publish publishes as many of the rows as there are records.
func (r *Relay) publish(h *holding, rows []row, records []tidemark.Record) error {
	probe, err := r.breaker.enter(h.soft)
	if err != nil {
		return nil //nolint:nilerr // the shard is to be given back
	}
	if probe {
		records = records[:1]
	}
	rows = rows[:len(records)]
	began := time.Now()
	silent := time.AfterFunc(r.o.AckLimit, r.breaker.trip)
	err = r.o.Publish(h.hard, records...)
	silent.Stop()
	r.metrics.ack.Observe(time.Since(began).Seconds())
	verdict := Retry
	if err != nil {
		verdict = r.o.Judge(err)
		h.unsure = r.o.ReadBack != nil
	}
	r.breaker.leave(probe, err == nil || verdict != Retry)
	switch {
	case err == nil:
		r.metrics.published.Add(float64(len(rows)))
		h.oneByOne = max(0, h.oneByOne-len(rows))
		return r.removed(h, rows)
	case h.hard.Err() != nil:
		return errFenced
	case verdict != Retry && len(rows) > 1:
		h.oneByOne = len(rows)
		return nil
	case verdict == Closed:
		return halted{err}
	case verdict == Unpublishable:
		return r.refuse(h, rows[0], err.Error())
	}
	return err
}

// removed deletes what was acknowledged. It tries until that succeeds or the shard
// is lost: to read the rows again would be to publish them again.
func (r *Relay) removed(h *holding, rows []row) error {
	for {
		err := r.table.remove(h.hard, h.lease, rows)
		if err == nil || errors.Is(err, errFenced) || h.hard.Err() != nil {
			return err
		}
		r.settle(h.hard, "deleting what is published", err)
	}
}

// unfit says why a row cannot be published, without asking the brokers.
func (r *Relay) unfit(row row) string {
	switch {
	case row.behind && r.o.Unpublishable == ParkKey:
		return "waits behind an earlier event of " + row.Aggregate
	case row.size() > r.o.MaxBytes:
		return "it has " + strconv.Itoa(row.size()) + " bytes; the limit is " + strconv.Itoa(r.o.MaxBytes)
	case row.application() == nil:
		return "its headers are no JSON object of texts, or one has a name that the outbox uses itself"
	case row.OccurredAt.IsZero():
		return "its occurred_at is no time of RFC 3339"
	}
	return ""
}

// refuse does with a row that cannot be published what the policy says.
func (r *Relay) refuse(h *holding, row row, reason string) error {
	if r.o.Unpublishable == Halt {
		return halted{errors.New("event " + row.ID + " of " + row.Aggregate + " cannot be published: " + reason)}
	}
	if err := r.table.park(h.hard, h.lease, row, reason); err != nil {
		return err
	}
	h.oneByOne = max(0, h.oneByOne-1)
	r.metrics.parked.Inc()
	r.o.Log.Error("event parked", "event_id", row.ID, "type", row.Type, "aggregate", row.Aggregate, "topic", row.Topic, "reason", reason)
	return nil
}
