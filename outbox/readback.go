package outbox

import (
	"context"
	"time"

	"github.com/aetherlink/tidemark"
)

const (
	// clocks is how far apart the clocks of the database and of relays may be.
	clocks = time.Minute
	// reading is how many shards read their topics back at once.
	reading = 4
)

// trace is what is needed to find a row among the records of its topic.
type trace struct {
	row
	created time.Time
}

// traces returns the first rows of a shard, at most so many.
func (t *Table) traces(ctx context.Context, l lease, most int) ([]trace, error) {
	found, err := t.db.QueryContext(ctx, `select o.id, cast(o.event_id as text), o.topic, o.created_at
		from outbox o where o.shard = $1 and exists (`+isHeld+`) order by o.id limit $4`, l.shard, l.owner, l.epoch, most)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var traces []trace
	for found.Next() {
		var r trace
		if err := found.Scan(&r.id, &r.ID, &r.Topic, (*moment)(&r.created)); err != nil {
			return nil, err
		}
		traces = append(traces, r)
	}
	return traces, found.Err()
}

// recognise deletes the rows of a shard that are published already: by a relay
// that ended between the acknowledgement and the deletion, or by us when the
// brokers took some of a batch and refused the rest.
//
// It compares the ids of events. The highest outbox_id in the topic would not do:
// a transaction that commits late, or an event that is released, has a lower one
// and is not published.
func (r *Relay) recognise(h *holding) error {
	if err := r.reading.Acquire(h.soft, 1); err != nil {
		return nil //nolint:nilerr // the shard is to be given back
	}
	defer r.reading.Release(1)
	waiting, err := r.table.traces(h.hard, h.lease, r.o.InFlight)
	if err != nil {
		return err
	}
	since := map[string]time.Time{}
	rows := map[string]row{}
	for _, t := range waiting {
		rows[t.ID] = t.row
		if at, is := since[t.Topic]; !is || t.created.Before(at) {
			since[t.Topic] = t.created
		}
	}
	published, err := r.readBack(h, since, rows)
	if err != nil || h.soft.Err() != nil {
		return err
	}
	if len(published) > 0 {
		if err := r.removed(h, published); err != nil {
			return err
		}
		r.metrics.recognised.Add(float64(len(published)))
	}
	h.unsure = false
	return nil
}

// readBack returns those of the rows that the topics have. It is a question to the
// brokers like any other: the breaker is asked, and told.
func (r *Relay) readBack(h *holding, since map[string]time.Time, rows map[string]row) (published []row, err error) {
	for topic, at := range since {
		probe, err := r.breaker.enter(h.soft)
		if err != nil {
			return nil, nil //nolint:nilerr // the shard is to be given back
		}
		err = r.o.ReadBack(h.soft, topic, at.Add(-clocks), func(record tidemark.Record) {
			id := eventID(record)
			if row, is := rows[id]; is && row.Topic == topic {
				published = append(published, row)
				delete(rows, id) // it may be there more than once
			}
		})
		verdict := Retry
		if err != nil {
			verdict = r.o.Judge(err)
		}
		r.breaker.leave(probe, err == nil || verdict != Retry)
		switch {
		case verdict == Closed:
			return nil, halted{err}
		case err != nil:
			return nil, err
		}
	}
	return published, nil
}

func eventID(r tidemark.Record) string {
	for _, h := range r.Headers {
		if h.Key == "event_id" {
			return string(h.Value)
		}
	}
	return ""
}
