package record

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// memory is what writer and reader both remember from one snapshot to the next: the
// names, and each number of the latest snapshot by its place in it.
type memory struct {
	names   []string
	indices map[string]int64 // of the writer
	size    int              // of all names, in bytes
	numbers []int64
	place   int
}

// forget is the memory of one who begins.
func (m *memory) forget() { *m = memory{indices: map[string]int64{}, numbers: m.numbers[:0]} }

// before returns the number that stood at the next place in the snapshot before.
func (m *memory) before() *int64 {
	if m.place == len(m.numbers) {
		m.numbers = append(m.numbers, 0)
	}
	m.place++
	return &m.numbers[m.place-1]
}

// encoder writes one snapshot.
type encoder struct {
	*memory
	bytes []byte
}

// begin writes whether it begins with an empty memory.
func (e *encoder) begin(anew bool) {
	if anew || e.indices == nil {
		e.forget()
		e.bytes = append(e.bytes, 1)
	} else {
		e.bytes = append(e.bytes, 0)
	}
	e.place = 0
}

func (e *encoder) number(n int64) {
	before := e.before()
	e.bytes = binary.AppendVarint(e.bytes, n-*before)
	*before = n
}

// name writes a name as its index; a new one, which has the next index, follows.
func (e *encoder) name(s string) {
	i, known := e.indices[s]
	if known {
		e.number(i)
		return
	}
	i = int64(len(e.indices))
	e.indices[s] = i
	e.size += len(s)
	e.number(i)
	e.text(s)
}

// text writes words that are not likely to come again.
func (e *encoder) text(s string) {
	e.bytes = append(binary.AppendUvarint(e.bytes, uint64(len(s))), s...)
}

// decoder reads one snapshot.
type decoder struct {
	*memory
	bytes []byte
	err   error
}

var errShort = errors.New("it ends early")

func (d *decoder) begin() {
	if len(d.bytes) == 0 || d.bytes[0] > 1 {
		d.fail(errShort)
		return
	}
	if d.bytes[0] == 1 {
		d.forget()
	}
	d.place, d.bytes = 0, d.bytes[1:]
}

// fail makes everything that is read from now on zero.
func (d *decoder) fail(err error) { d.err, d.bytes = err, nil }

func (d *decoder) number() int64 {
	change, size := binary.Varint(d.bytes)
	if size <= 0 {
		d.fail(cmp.Or(d.err, errShort))
		return 0
	}
	d.bytes = d.bytes[size:]
	before := d.before()
	*before += change
	return *before
}

func (d *decoder) name() string {
	i := d.number()
	switch {
	case d.err != nil:
		return ""
	case i >= 0 && i < int64(len(d.names)):
		return d.names[i]
	case i != int64(len(d.names)):
		d.fail(errors.New("it uses a name that was never written"))
		return ""
	}
	s := d.text()
	d.names = append(d.names, s)
	if d.size += len(s); d.size > allNames+largest {
		d.fail(errors.New("it has too many names"))
	}
	return s
}

func (d *decoder) text() string {
	size, n := binary.Uvarint(d.bytes)
	if n <= 0 || size > uint64(len(d.bytes)-n) {
		d.fail(cmp.Or(d.err, errShort))
		return ""
	}
	s := string(d.bytes[n : n+int(size)])
	d.bytes = d.bytes[n+int(size):]
	return s
}

// list reads how many elements follow. Each takes a byte at least, so that no more are
// made room for than the snapshot can hold.
func list[T any](d *decoder, element func() T) []T {
	n := d.number()
	if n < 0 || n > int64(len(d.bytes)) {
		d.fail(cmp.Or(d.err, errShort))
	}
	if d.err != nil || n == 0 {
		return nil
	}
	var all []T
	for range n {
		if all = append(all, element()); d.err != nil {
			return nil
		}
	}
	return all
}

func (e *encoder) count(n int) { e.number(int64(n)) }

func (e *encoder) flag(b bool) {
	n := int64(0)
	if b {
		n = 1
	}
	e.number(n)
}

func (d *decoder) flag() bool { return d.number() == 1 }

// moment writes nanoseconds since 1970, and the smallest number for no time.
func (e *encoder) moment(t time.Time) {
	if t.IsZero() {
		e.number(math.MinInt64)
		return
	}
	e.number(t.UnixNano())
}

func (d *decoder) moment() time.Time {
	n := d.number()
	if n == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func (d *decoder) id() int32                { return int32(d.number()) }
func (d *decoder) reason() tidemark.Reason  { return tidemark.Reason(d.number()) }
func (e *encoder) reason(r tidemark.Reason) { e.number(int64(r)) }
