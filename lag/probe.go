package lag

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// Probe asks a partition's leader for the first record that is not older than a time.
type Probe struct {
	Topic     string
	Partition int32
	Since     time.Time // the beginning of Unix time: the first record there is
}

// Anchor is the answer to a probe.
type Anchor struct {
	Probe
	Offset int64     // -1: there is no such record
	At     time.Time // what that record says of its own time
}

const (
	// probesPerLook bounds what one look asks: a probe is 57 bytes, and costs the
	// leader an index look-up and the reading of one batch.
	probesPerLook = 2000
	// honest is by how much the clocks of producers and ours may differ. Records
	// further off carry a time of their own, of the event they tell about, say.
	honest = time.Minute
	// unwatched is for how long nobody has looked before it is worth to ask.
	unwatched = 2 * time.Minute
)

// past is what probes told about a log before the first look at it: as if
// somebody had looked then.
type past struct {
	line  line
	asked int
}

// Wants returns what to ask the leaders after a look, so that the time lags of old
// backlogs become known: at most one probe a partition. It halves what is not
// known about the record that some group reads next, about a record of six days
// ago from a week to 2 % in some six looks (lag.md section 4, item 3). Call
// [History.Observe] with the look before, and [History.Learn] with the answers after.
func (h *History) Wants(s *tidemark.Snapshot) []Probe {
	w := wishes{at: s.Ended.UnixMilli(), of: map[*log]int{}}
	var t *topic
	name := ""
	for i := range s.Partitions {
		p := &s.Partitions[i]
		if p.Topic != name || t == nil {
			name, t = p.Topic, h.topics[p.Topic]
		}
		records, known := p.Lag()
		if t == nil || t.untimed || !known || records == 0 || int(p.ID) >= len(t.logs) {
			continue
		}
		l, next := &t.logs[p.ID], max(p.Committed, p.LogStart)
		if l.predates(next) {
			w.add(p, l, l.guess(next, w.at))
		} else if g := l.missed(next, w.at); g.need > 1 {
			t.probed = true
			if t.checked && t.skew == 0 {
				w.add(p, l, g)
			}
		}
	}
	for i := range s.Topics {
		if t := h.topics[s.Topics[i].Name]; t != nil && t.probed && !t.checked && !t.untimed {
			w.check(s.Topics[i].Name, t)
		}
	}
	return w.probes
}

// Unsure returns where the groups stand on the partitions whose time lag is known
// least, at most n of them: a record that is read there tells it to the millisecond.
// Its time goes to [History.Learn] as an [Anchor] whose Since is that very time.
func (h *History) Unsure(s *tidemark.Snapshot, n int) []tidemark.Position {
	type unsure struct {
		tidemark.Position
		by time.Duration
	}
	var all []unsure
	for _, p := range s.Partitions {
		records, known := p.Lag()
		if t := h.topics[p.Topic]; !known || records == 0 || t == nil || t.untimed {
			continue
		}
		by := time.Duration(math.MaxInt64)
		if told := h.TimeLag(p, s.Ended); told.Known {
			by = told.Error
		}
		if by > time.Second {
			all = append(all, unsure{tidemark.Position{Topic: p.Topic, Partition: p.ID, Next: max(p.Committed, p.LogStart)}, by})
		}
	}
	slices.SortStableFunc(all, func(a, b unsure) int { return cmp.Compare(b.by, a.by) })
	positions := make([]tidemark.Position, min(n, len(all)))
	for i := range positions {
		positions[i] = all[i].Position
	}
	return positions
}

// wishes are probes in the making.
type wishes struct {
	at     int64
	probes []Probe
	need   []float64    // of each: by how many times the error is too large
	of     map[*log]int // where a log's probe is in probes
}

// add asks what a guess is about, unless the same log is asked about a record that
// is less well known.
func (w *wishes) add(p *tidemark.Partition, l *log, g guess) {
	if g.need <= 1 {
		return
	}
	i, found := w.of[l]
	switch {
	case found && w.need[i] >= g.need:
	case found:
		w.probes[i].Since, w.need[i] = time.UnixMilli(g.since), g.need
	case len(w.probes) < probesPerLook:
		w.of[l] = len(w.probes)
		w.probes = append(w.probes, Probe{p.Topic, p.ID, time.UnixMilli(g.since)})
		w.need = append(w.need, g.need)
	}
}

// check asks, once per topic, for a record that came while we watched: its own
// time shall be that of its arrival. What else the partition would be asked waits.
func (w *wishes) check(name string, t *topic) {
	for id := range t.logs {
		l := &t.logs[id]
		if !l.line.grewAfter(2 * honest) {
			continue
		}
		p := Probe{name, int32(id), time.UnixMilli(l.line[0].at).Add(honest)}
		if i, asked := w.of[l]; asked {
			w.probes[i] = p
		} else {
			w.probes = append(w.probes, p)
		}
		return
	}
}

// grewAfter says whether records came in some time after the first look.
func (l line) grewAfter(d time.Duration) bool {
	n := len(l)
	for n > 1 && l[n-1].end == l[n-2].end {
		n--
	}
	return n > 1 && l[n-2].at >= l[0].at+d.Milliseconds()
}

// predates says that the record at an offset was there before the first look.
func (l *log) predates(offset int64) bool {
	return len(l.line) > 0 && offset < l.line[0].end
}

// enough is the error that needs no more probing: 2 % of the age.
func enough(age float64) float64 { return max(1000, age/50) }

// guess is the time to ask for, and by how many times the error is too large.
type guess struct {
	since int64
	need  float64
}

// guess returns what to ask about a record from before the first look.
func (l *log) guess(offset, now int64) guess {
	if len(l.past.line) == 0 {
		return guess{since: 0, need: 2}
	}
	p, known := l.past.line.around(offset, l.line[0])
	if !known {
		return guess{}
	}
	return p.guess(offset, now, l.past.asked%2 == 1)
}

// missed returns what to ask about a record that came while nobody looked, for
// several looks in a row: between two looks that is not worth it.
func (l *log) missed(offset, now int64) guess {
	p, known := l.line.around(offset, point{})
	if !known || p.to.at == 0 || long(p.to.apart) < unwatched.Seconds()*1000 {
		return guess{}
	}
	return p.guess(offset, now, l.past.asked%2 == 1)
}

// guess returns the time to ask for, so that the answer tells most about when the
// record at an offset came.
//
// The straight line through what is known is the best guess of that time. But an
// answer on one side of it leaves the other as far away as it was: where one side
// is far, the question is beyond the guess by as much as the near one is away, to
// have the record between two near ones. Bursts can fool any straight line; every
// second question halves the age instead, on a scale of orders of magnitude.
func (p piece) guess(offset, now int64, halve bool) guess {
	at, either := p.when(offset)
	near := enough(float64(now) - at)
	before, after := at-float64(p.from.at), float64(p.to.at)-at
	switch {
	case halve:
		at = halfway(float64(p.from.at), float64(p.to.at), float64(now))
	case before > 4*after:
		at -= max(after, near)
	case after > 4*before:
		at += max(before, near)
	}
	return guess{since: min(max(int64(at), p.from.at+1), p.to.at-1), need: either / near}
}

// halfway is the time whose age is the geometric mean of those of two times.
func halfway(from, to, now float64) float64 {
	return now - math.Sqrt(max(1000, now-from)*max(1000, now-to))
}

// Learn takes up the answers to probes.
func (h *History) Learn(anchors []Anchor) {
	for _, a := range anchors {
		t := h.topics[a.Topic]
		if t == nil || int(a.Partition) >= len(t.logs) || len(t.logs[a.Partition].line) == 0 {
			continue
		}
		switch l := &t.logs[a.Partition]; {
		case a.Since.UnixMilli() <= l.line[0].at:
			t.probed = true
			t.untimed = t.untimed || !l.learn(a)
		case t.checked:
			l.fill(a)
		default:
			t.compare(l, a)
		}
	}
}

// fill takes up an answer about a time in which nobody looked.
func (l *log) fill(a Anchor) {
	l.past.asked++
	since, at := a.Since.UnixMilli(), a.At.UnixMilli()
	if last := l.line[len(l.line)-1]; a.Offset >= l.line[0].end && a.Offset < last.end && at >= since && at <= last.at {
		l.line = l.line.insert(point{at: since, end: a.Offset}, point{at: at, end: a.Offset}, point{at: at, end: a.Offset + 1})
	}
	if len(l.line) > most {
		l.line = l.line.thinned(l.line[len(l.line)-1].at)
	}
}

// learn takes up one answer. It says two things: no record came between the
// time asked for and its own, and at its own it came itself. It is not believed when
// its time cannot be: there is none, or it lies after the look that saw it.
func (l *log) learn(a Anchor) (believed bool) {
	l.past.asked++
	first := l.line[0]
	since, at, offset := a.Since.UnixMilli(), a.At.UnixMilli(), a.Offset
	switch {
	case offset < 0 || offset >= first.end:
		if since > 0 { // the first look has seen nothing so late
			l.past.line = l.past.line.insert(point{at: since, end: first.end})
		}
	case at <= 0 || at > first.at+honest.Milliseconds():
		return false
	case since == 0: // whatever was before it is no longer there
		at = min(at, first.at)
		l.past.line = l.past.line.insert(point{at: at}, point{at: at, end: offset + 1})
	default:
		at = min(at, first.at)
		l.past.line = l.past.line.insert(point{at: since, end: offset}, point{at: at, end: offset}, point{at: at, end: offset + 1})
	}
	if len(l.past.line) > most {
		l.past.line = l.past.line.thinned(first.at)
	}
	return true
}

// compare holds the own time of a record that we saw come to when it came.
func (t *topic) compare(l *log, a Anchor) {
	t.checked = true
	if a.Offset < l.line[0].end {
		t.untimed = true // it was there before the time that it tells; or all times are old
		return
	}
	p, known := l.line.around(a.Offset, l.line[len(l.line)-1])
	if !known || p.to.end <= a.Offset {
		t.checked = false // it came after the look: the next one can tell
		return
	}
	arrived, either := p.when(a.Offset)
	apart := max(0, math.Abs(arrived-float64(a.At.UnixMilli()))-either)
	t.skew = time.Duration(apart) * time.Millisecond
	t.untimed = t.skew > honest
}
