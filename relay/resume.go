package relay

import (
	"slices"
	"time"
)

// clockMargin allows for producers whose clocks differ: what is looked for by
// time is looked for this much earlier, and only what is this much later counts
// as later.
const clockMargin = time.Minute

// entry is how a client gets into the ring.
type entry struct {
	resume string    // live, exact, approximate or gap, as told to the client
	at     cursor    // where it stands
	place  place     // and where that is in the ring, unless
	behind []missing // pieces that it needs first and the ring does not hold
	gaps   []gap     // what it will not get
}

// The words for how a client comes in, also of crm_events_resumes_total.
const (
	live        = "live"        // it asked for no position
	exact       = "exact"       // no hole, no repeat
	approximate = "approximate" // its id is about another log: by time, at least once
	holed       = "gap"         // something is gone, and gap frames say what
)

// missing is a piece of one partition, without to.
type missing struct {
	partition int32
	from, to  int64
}

func (m missing) gap(reason string) gap {
	return gap{Kind: "gap", Partition: m.partition, From: m.from, To: m.to, Reason: reason}
}

// place is where a client stands in the ring.
//
// Replicas read the partitions in different orders. So a client from another
// replica may be further in partition 2 and less far in partition 0 than any one
// place in this ring: it goes on where it is behind, skips what it has already
// seen (ahead), and gets ids of its own until the ids of the ring say the same.
type place struct {
	next  uint64
	ahead map[int32]int64 // per partition that the client is ahead in: its next offset
	own   cursor          // the client's own position while there are any
}

// deliver steps over the next frame of the ring and says whether the client gets
// it. known is not 0 if the log was cut and written anew here: then the client
// knows a record of another log at this offset, and stood at known.
func (p *place) deliver(f *frame) (wanted bool, known int64) {
	p.next++
	if len(p.ahead) == 0 {
		return true, 0
	}
	if f.offset < 0 { // a new epoch: what was ahead means nothing any more
		clear(p.ahead)
		return true, 0
	}
	seen, is := p.ahead[f.partition]
	cut := is && f.offset < seen && f.timestamp > p.own.at+clockMargin.Milliseconds()
	if is && (cut || f.offset+1 >= seen) {
		delete(p.ahead, f.partition)
	}
	if is && f.offset < seen && !cut {
		return false, 0
	}
	p.own.advance(f.partition, f.offset, f.timestamp)
	if cut {
		known = seen
	}
	return true, known
}

// enterNow takes in a client that asked for no position.
func (r *ring) enterNow() entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return entry{resume: live, at: r.head.clone(), place: place{next: r.next}}
}

// enter takes in a client that stands at a cursor.
func (r *ring) enter(c cursor) entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	// A replica that knows of new partitions may have sent the client, but hardly of
	// so many: an id that somebody made up must not cost us memory.
	if most := 4*len(r.head.next) + 64; len(c.next) > most {
		c.next = slices.Clone(c.next[:most])
	}
	if c.epoch != r.head.epoch {
		return r.enterByTime(c)
	}
	e := entry{resume: exact, at: c}
	e.behind = c.next.missing(r.floor)
	if e.behind == nil {
		e.place = r.find(c)
	}
	return e
}

// find is the first frame that the client has not seen, and in which partitions
// it has seen frames after that one.
func (r *ring) find(c cursor) place {
	p := place{next: r.next, ahead: map[int32]int64{}, own: c.clone()}
	for partition, want := range c.next {
		if want > r.head.next.at(int32(partition)) {
			p.ahead[int32(partition)] = want
		}
	}
	for s := max(r.first, r.since); s < r.next; s++ {
		f := *r.slot(s)
		switch want := c.next.at(f.partition); {
		case f.offset >= want:
			p.next = min(p.next, s)
		case p.next < s:
			p.ahead[f.partition] = want
		}
	}
	return p
}

// enterByTime takes in a client whose cursor is about another log: it goes on at
// the first record that is not older than what it has. If the ring does not reach
// back that far, it is told where it stood and where it goes on.
func (r *ring) enterByTime(c cursor) entry {
	e := entry{resume: approximate, at: cursor{epoch: r.head.epoch, at: c.at, next: r.floor}.clone()}
	first := max(r.first, r.since)
	s := first
	for ; s < r.next && (*r.slot(s)).timestamp < c.at-clockMargin.Milliseconds(); s++ {
		f := *r.slot(s)
		e.at.advance(f.partition, f.offset, f.timestamp)
	}
	e.place.next = s
	if s > first {
		return e
	}
	for partition := range max(len(c.next), len(e.at.next)) {
		id := int32(partition)
		e.gaps = append(e.gaps, missing{id, c.next.at(id), e.at.next.at(id)}.gap(recreated))
	}
	return e
}
