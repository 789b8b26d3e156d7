package metrics

import (
	"io"
	"strconv"
	"sync"

	"github.com/aetherlink/tidemark"
)

// ContentType is what a [Page] writes: Prometheus' text format.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// chunk is how much is handed to the writer at once: large enough that a page of a
// million series is some thousand writes, small enough to stay in the cache.
const chunk = 64 << 10

// Page writes views in the text exposition format. The zero value is ready. Any
// number of scrapes may write at once.
//
// What the lines of a topic's partitions have in common is made once for all of
// them: each line copies it and adds two integers.
type Page struct {
	Labels  []tidemark.Label // on every line, beside its own
	Compat  Compat
	Detail  Detail
	buffers sync.Pool // of *[]byte
}

// Write writes one view. It stops at the first error of w and returns it.
func (p *Page) Write(w io.Writer, v *tidemark.View) error {
	buffer, _ := p.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer p.buffers.Put(buffer)
	t := text{to: w, labels: p.Labels, buffer: (*buffer)[:0]}
	err := t.write(momentOf(v, p.Compat, p.Detail), table(p.Compat))
	*buffer = t.buffer
	return err
}

// text is the page in the making.
type text struct {
	to     io.Writer
	labels []tidemark.Label
	buffer []byte
	prefix []byte // of the lines of one series' partitions: name{cluster="a",consumergroup="b",topic="c",partition="
}

func (t *text) write(now moment, table []row) error {
	for i := range table {
		first := true
		for series, points := range table[i].walk(now) {
			if first {
				t.head(table[i].Family)
				first = false
			}
			t.begin(&table[i], series, points[0].partition > 0)
			if err := t.lines(points); err != nil {
				return err
			}
		}
	}
	return t.flush()
}

func (t *text) flush() error {
	_, err := t.to.Write(t.buffer)
	t.buffer = t.buffer[:0]
	return err
}

func (t *text) head(f Family) {
	t.buffer = append(t.buffer, "# HELP "...)
	t.buffer = append(t.buffer, f.Name...)
	t.buffer = append(t.buffer, ' ')
	t.buffer = append(t.buffer, f.Help...)
	t.buffer = append(t.buffer, "\n# TYPE "...)
	t.buffer = append(t.buffer, f.Name...)
	t.buffer = append(t.buffer, ' ')
	t.buffer = append(t.buffer, f.Type...)
	t.buffer = append(t.buffer, '\n')
}

// begin makes the prefix. Partitions stand last, because they alone change from
// line to line.
func (t *text) begin(r *row, s *tidemark.Series, partitions bool) {
	b := append(append(t.prefix[:0], r.Name...), '{')
	b = appendLabel(b, r.speak.cluster, s.Cluster)
	b = appendLabel(b, r.speak.group, s.Group)
	b = appendLabel(b, r.speak.topic, s.Topic)
	for i := range s.More {
		b = appendLabel(b, s.More[i].Name, s.More[i].Value)
	}
	for i := range t.labels {
		b = appendLabel(b, t.labels[i].Name, t.labels[i].Value)
	}
	if partitions {
		b = append(append(b, r.speak.partition...), '=', '"')
	} else {
		b = append(b[:len(b)-1], '}', ' ') // a cluster always has a name: there is a comma
	}
	t.prefix = b
}

// lines writes a line for each point.
func (t *text) lines(points []point) error {
	for i := range points {
		b := append(t.buffer, t.prefix...)
		if p := points[i].partition; p > 0 {
			b = appendWhole(b, uint64(p-1))
			b = append(b, '"', '}', ' ')
		}
		b = appendValue(b, points[i].value)
		t.buffer = append(b, '\n')
		if len(t.buffer) < chunk {
			continue
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}

// appendLabel writes no label that has no value or that the dialect does not have.
func appendLabel(b []byte, name, value string) []byte {
	if value == "" || name == "" {
		return b
	}
	b = append(append(b, name...), '=', '"')
	for i := range len(value) {
		switch value[i] {
		case '\\':
			b = append(b, '\\', '\\')
		case '\n':
			b = append(b, '\\', 'n')
		case '"':
			b = append(b, '\\', '"')
		default:
			b = append(b, value[i])
		}
	}
	return append(b, '"', ',')
}

// appendValue writes whole numbers digit by digit: they are nearly all there is,
// and several times quicker to write than fractions.
func appendValue(b []byte, value float64) []byte {
	const exact = 1 << 53 // up to here a float holds every whole number
	if whole := int64(value); float64(whole) == value && 0 <= whole && whole < exact {
		return appendWhole(b, uint64(whole))
	}
	return strconv.AppendFloat(b, value, 'g', -1, 64)
}

// appendWhole writes a number into its place. strconv writes it elsewhere and copies
// it: on a page of millions of numbers that is a fifth of the time.
func appendWhole(b []byte, n uint64) []byte {
	digits := 1
	for rest := n / 10; rest > 0; rest /= 10 {
		digits++
	}
	b = append(b, "0000000000000000"[:digits]...) // as many as 1 << 53 has
	for i := len(b) - 1; n > 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
	return b
}
