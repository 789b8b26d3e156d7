package lag

import (
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

const (
	// cutsKept are enough to tell a habit.
	cutsKept = 4
	// youngest is how old records are at least when retention deletes them. Who
	// deletes younger ones does so on purpose: Kafka Streams, what it has read.
	youngest = 10 * time.Minute
)

// cutAt takes in where the log begins now. Where that is later than before, retention
// has deleted what was there, and the youngest of it was so old.
func (t *topic) cutAt(l *log, start, at int64) {
	switch {
	case start < 0 || start == l.start:
		return
	case start < l.start:
		l.cuts = nil
	case l.begun:
		arrived, _, known := t.when(l, start-1, point{at: at, end: l.line.end()})
		if !known {
			break
		}
		if len(l.cuts) == cutsKept {
			l.cuts = slices.Delete(l.cuts, 0, 1)
		}
		l.cuts = append(l.cuts, max(0, at-int64(arrived)))
	}
	l.start, l.begun = start, true
}

// kept returns how long the log keeps a record: the median age of the youngest ones
// that went when it was cut, at most what the topic's configuration says.
func (l *log) kept(configured time.Duration) (d time.Duration, known bool) {
	if len(l.cuts) == 0 {
		return configured, configured > 0
	}
	ages := slices.Sorted(slices.Values(l.cuts))
	d = time.Duration(ages[(len(ages)-1)/2]) * time.Millisecond
	if configured > 0 {
		d = min(d, configured)
	}
	return d, d >= youngest
}

// Loss returns how long until retention deletes a record that the group has not
// read, if it reads no more: how long the log keeps a record, less how long the
// next one has waited. It is 0 once that has happened, and not in sight when
// nothing waits.
//
// How long a log keeps records is seen when its beginning moves, be it by age or by
// size: the youngest of those that went was so old. Until then the topic's
// configuration counts, if it was told. A log that keeps 24 h and a record that has
// waited 20 h leave 4 h. A segment goes as a whole, with its youngest record, so this
// is the earliest moment. It is not known while the time lag is not, nor for logs cut
// younger than 10 minutes: those are cut on purpose. Source: capacity.md 2.5.
func (h *History) Loss(p tidemark.Partition, at time.Time) tidemark.Ahead {
	records, known := p.Lag()
	switch {
	case !known:
		return tidemark.Ahead{}
	case p.Lost() > 0:
		return tidemark.Ahead{Known: true}
	case records == 0:
		return tidemark.Ahead{Never: true, Known: true}
	}
	t := h.topics[p.Topic]
	waited := h.TimeLag(p, at)
	if t == nil || !waited.Known {
		return tidemark.Ahead{}
	}
	keeps, known := t.logs[p.ID].kept(t.keeps)
	if !known {
		return tidemark.Ahead{}
	}
	return tidemark.Ahead{In: max(0, keeps-waited.Value), Known: true}
}
