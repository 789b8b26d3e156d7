package relay

import (
	"sync"
	"time"
)

// ring holds the latest frames of all partitions in the order of their arrival.
// Clients have a sequence number into it and nothing else, so a slow one costs
// no memory: what it did not fetch in time is gone, and it is told so.
type ring struct {
	maxBytes int
	maxAge   time.Duration
	coalesce time.Duration

	mu          sync.RWMutex
	slots       []*frame // of sequence s: slots[s % len(slots)]
	first, next uint64   // sequences held: first <= s < next
	bytes       int
	head        cursor // past the newest frame
	floor       vector // from here on the ring holds everything of the present epoch
	since       uint64 // sequence at which the present epoch began
	shown       uint64 // clients see what is before; the rest waits to be shown together
	shownAt     time.Time
	waiting     bool          // for the moment to show the rest
	changed     chan struct{} // closed when frames are shown, and made anew
}

func newRing(c Config) *ring {
	return &ring{
		maxBytes: c.RingBytes, maxAge: c.RingAge, coalesce: c.Coalesce,
		slots: make([]*frame, c.RingRecords), changed: make(chan struct{}),
	}
}

// begin says where the log stands before the first frame.
func (r *ring) begin(at cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.startAt(at)
}

// startAt makes everything before this moment unusable for cursors of the new
// epoch; clients that are on their way through the ring still get it.
func (r *ring) startAt(at cursor) {
	r.head, r.floor, r.since = at.clone(), at.clone().next, r.next
}

// restart adds a frame that says that the log has begun anew, and the cursor after it.
func (r *ring) restart(f *frame, at cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.push(f)
	r.startAt(at)
	r.showSoon()
}

// add appends frames of records.
func (r *ring) add(frames []*frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range frames {
		r.push(f)
		r.head.advance(f.partition, f.offset, f.timestamp)
	}
	r.showSoon()
}

func (r *ring) push(f *frame) {
	if r.next-r.first == uint64(len(r.slots)) {
		r.drop()
	}
	*r.slot(r.next) = f
	r.next++
	r.bytes += len(f.text)
	for r.bytes > r.maxBytes && r.next-r.first > 1 {
		r.drop()
	}
	r.expire(f.appended)
}

// expireAt drops what has become too old while nothing arrived.
func (r *ring) expireAt(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
}

func (r *ring) expire(now time.Time) {
	for r.first < r.next && now.Sub((*r.slot(r.first)).appended) > r.maxAge {
		r.drop()
	}
}

func (r *ring) drop() {
	f := *r.slot(r.first)
	*r.slot(r.first) = nil
	if r.first >= r.since && f.offset >= 0 {
		r.floor.set(f.partition, f.offset+1)
	}
	r.first++
	r.bytes -= len(f.text)
}

func (r *ring) slot(sequence uint64) **frame { return &r.slots[sequence%uint64(len(r.slots))] }

// showSoon shows what was added: at once if nothing was for a while, else together
// with what comes until then. So each client is woken, and written to, once for
// many frames, and needs no timer of its own for that.
func (r *ring) showSoon() {
	if r.waiting {
		return
	}
	if left := r.coalesce - time.Since(r.shownAt); left > 0 {
		r.waiting = true
		time.AfterFunc(left, r.showAll)
		return
	}
	r.show()
}

func (r *ring) showAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.show()
}

func (r *ring) show() {
	r.waiting, r.shown, r.shownAt = false, r.next, time.Now()
	close(r.changed)
	r.changed = make(chan struct{})
}

// read returns the frames that are shown from a sequence on, at most about limit
// bytes, in the caller's buffer. Without frames, changed is closed when there are some.
// overrun says that the ring has moved on beyond the sequence.
func (r *ring) read(from uint64, limit int, buffer []*frame) (frames []*frame, overrun bool, changed <-chan struct{}) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if from < r.first {
		return nil, true, nil
	}
	frames = buffer[:0]
	for s := from; s < r.shown && limit > 0; s++ {
		f := *r.slot(s)
		frames = append(frames, f)
		limit -= len(f.text)
	}
	return frames, false, r.changed
}

// flushed returns, per partition, the first offset that is not yet delivered to
// a client that stands at a sequence.
func (r *ring) flushed(upTo uint64) vector {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v := r.head.clone().next
	for s := r.next; s > max(upTo, r.first, r.since); s-- {
		f := *r.slot(s - 1)
		v.set(f.partition, f.offset)
	}
	return v
}

// age says how long the frame at a sequence has waited; 0 if there is none yet.
// What the ring has dropped has waited for ever.
func (r *ring) age(sequence uint64, now time.Time) time.Duration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case sequence < r.first:
		return now.Sub(time.Time{})
	case sequence >= r.next:
		return 0
	}
	return now.Sub((*r.slot(sequence)).appended)
}

// tail returns the cursor and the sequence after the newest frame.
func (r *ring) tail() (cursor, uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.head.clone(), r.next
}

// size is what the ring holds.
func (r *ring) size(now time.Time) (records uint64, bytes int, age time.Duration) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.first < r.next {
		age = now.Sub((*r.slot(r.first)).appended)
	}
	return r.next - r.first, r.bytes, age
}
