package lag

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/aetherlink/tidemark/saved"
)

// The file of a history: what it is, and in which version it is written. A change
// of what is written is a new version, and load reads the old ones as well.
const (
	savedKind    = "tidemark lag history"
	savedVersion = 1
)

// What a file may hold at most, so that no number in it makes room for nothing.
const (
	mostTopics     = 1 << 20
	mostPartitions = 1 << 20
	longestName    = 1 << 15
)

// Save writes down what the history remembers, about 1 KB a partition after a week.
func (h *History) Save(to io.Writer) error {
	w := saved.NewWriter(to, savedKind, savedVersion)
	w.Uint(uint64(len(h.topics)))
	for _, name := range slices.Sorted(maps.Keys(h.topics)) {
		w.Text(name)
		h.topics[name].save(w)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("save the history of lags: %w", err)
	}
	return nil
}

// Load takes up what Save wrote, instead of what the history remembers. What was not
// watched in between is a long interval between two looks, and its error says so.
// When the bytes are damaged, or of a newer version, it changes nothing.
func (h *History) Load(from io.Reader) error {
	r, _, err := saved.NewReader(from, savedKind, savedVersion)
	if err != nil {
		return fmt.Errorf("load the history of lags: %w", err)
	}
	topics := map[string]*topic{}
	for range r.Count(mostTopics) {
		name := r.Text(longestName)
		topics[name] = loadTopic(r)
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("load the history of lags: %w", err)
	}
	h.topics = topics
	return nil
}

func (t *topic) save(w *saved.Writer) {
	w.Text(string(t.id[:]))
	w.Int(t.seen.UnixMilli())
	w.Bool(t.probed)
	w.Bool(t.checked)
	w.Bool(t.untimed)
	w.Int(t.skew.Milliseconds())
	w.Int(t.keeps.Milliseconds())
	w.Uint(uint64(len(t.logs)))
	for i := range t.logs {
		t.logs[i].save(w)
	}
}

func loadTopic(r *saved.Reader) *topic {
	t := &topic{}
	if copy(t.id[:], r.Text(len(t.id))) != len(t.id) {
		r.Refuse()
	}
	t.seen = time.UnixMilli(r.Int())
	t.probed, t.checked, t.untimed = r.Bool(), r.Bool(), r.Bool()
	t.skew = time.Duration(r.Int()) * time.Millisecond
	t.keeps = time.Duration(r.Int()) * time.Millisecond
	for range r.Count(mostPartitions) {
		t.logs = append(t.logs, loadLog(r))
	}
	return t
}

func (l *log) save(w *saved.Writer) {
	w.Int(int64(l.epoch))
	l.line.save(w)
	l.past.line.save(w)
	w.Uint(uint64(l.past.asked))
	w.Bool(l.begun)
	w.Int(l.start)
	w.Uint(uint64(len(l.cuts)))
	for _, age := range l.cuts {
		w.Int(age)
	}
}

func loadLog(r *saved.Reader) log {
	l := log{epoch: int32(r.Int()), line: loadLine(r)}
	l.past = past{line: loadLine(r), asked: int(r.Uint() % (1 << 30))}
	l.begun, l.start = r.Bool(), r.Int()
	for range r.Count(cutsKept) {
		l.cuts = append(l.cuts, max(0, r.Int()))
	}
	return l
}

// save writes how far each point is from the one before: a few bytes.
func (l line) save(w *saved.Writer) {
	w.Uint(uint64(len(l)))
	before := point{}
	for _, p := range l {
		w.Int(p.at - before.at)
		w.Int(p.end - before.end)
		w.Uint(uint64(p.apart))
		w.Uint(uint64(p.off))
		before = p
	}
}

// loadLine reads a line, along which neither time nor end goes back. Times and ends
// that cannot be are damage: arithmetic on them would run over.
func loadLine(r *saved.Reader) line {
	var l line
	before := point{}
	for range r.Count(most + 3) { // an answer puts in up to three points before it is thinned
		p := point{at: before.at + r.Int(), end: before.end + r.Int(), apart: uint32(r.Uint()), off: uint32(r.Uint())}
		if p.at < before.at || p.end < before.end || p.at > latest || p.end > 1<<62 {
			r.Refuse()
			return nil
		}
		l, before = append(l, p), p
	}
	return l
}

// latest is the year 10889 in Unix milliseconds.
const latest = 1 << 48
