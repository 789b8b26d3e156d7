package metrics

import (
	"io"
	"math"
	"strconv"
	"strings"
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
// The bytes of name, cluster, group and topic are made once for all partitions of
// a topic; a line of a partition adds two integers to them.
type Page struct {
	Labels  []tidemark.Label // on every line, beside its own
	buffers sync.Pool        // of *[]byte
}

// Write writes one view. It stops at the first error of w and returns it.
func (p *Page) Write(w io.Writer, v *tidemark.View) error {
	buffer, _ := p.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer p.buffers.Put(buffer)
	t := text{to: w, labels: p.Labels, buffer: (*buffer)[:0]}
	err := t.write(v)
	*buffer = t.buffer
	return err
}

// text is the page in the making.
type text struct {
	to     io.Writer
	labels []tidemark.Label
	buffer []byte
	prefix []byte          // of the lines of one topic: name{cluster="a",consumergroup="b",topic="c"
	of     tidemark.Series // whose prefix it is
}

func (t *text) write(v *tidemark.View) error {
	now := momentOf(v)
	for _, row := range table() {
		for series, value := range row.walk(now) {
			if t.of.Name != row.Name {
				t.head(row.Family)
			}
			series.Name = row.Name
			t.line(series, value)
			if len(t.buffer) < chunk {
				continue
			}
			if err := t.flush(); err != nil {
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

func (t *text) line(s *tidemark.Series, value float64) {
	if s.Topic != t.of.Topic || s.Group != t.of.Group || s.Name != t.of.Name || s.Cluster != t.of.Cluster {
		t.begin(s)
	}
	b := append(t.buffer, t.prefix...)
	if s.Partition > 0 {
		b = append(b, `,partition="`...)
		b = strconv.AppendInt(b, int64(s.Partition)-1, 10)
		b = append(b, '"')
	}
	for i := range s.More { // by index: to copy labels that nearly no line has takes a tenth of the page's time
		if l := &s.More[i]; l.Value != "" {
			b = appendLabel(append(b, ','), l.Name, l.Value)
		}
	}
	b = append(b, '}', ' ')
	b = appendValue(b, value)
	t.buffer = append(b, '\n')
}

// begin makes the prefix. A cluster always has a name.
func (t *text) begin(s *tidemark.Series) {
	t.of = *s
	b := append(append(t.prefix[:0], s.Name...), '{')
	b = appendLabel(b, cluster, s.Cluster)
	if s.Group != "" {
		b = appendLabel(append(b, ','), group, s.Group)
	}
	if s.Topic != "" {
		b = appendLabel(append(b, ','), topic, s.Topic)
	}
	for _, l := range t.labels {
		b = appendLabel(append(b, ','), l.Name, l.Value)
	}
	t.prefix = b
}

func appendLabel(b []byte, name, value string) []byte {
	b = append(append(b, name...), '=', '"')
	if strings.ContainsAny(value, "\\\n\"") {
		value = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(value)
	}
	return append(append(b, value...), '"')
}

// appendValue writes whole numbers digit by digit: they are nearly all there is,
// and several times quicker to write than fractions.
func appendValue(b []byte, value float64) []byte {
	const exact = 1 << 53 // up to here a float holds every whole number
	if value == math.Trunc(value) && math.Abs(value) < exact {
		return strconv.AppendInt(b, int64(value), 10)
	}
	return strconv.AppendFloat(b, value, 'g', -1, 64)
}
