package capacity

import (
	"cmp"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// topic is what is remembered of a topic, whoever reads it.
type topic struct {
	id   [16]byte
	seen time.Time
	logs []arrivals // by id
}

// arrivals is what is remembered of one log: where it ended at the latest looks,
// and the rates that follow, worked out once for all groups that read it.
type arrivals struct {
	strip
	ends   [slots]int64
	id     int32
	leader int32
	in     influx
}

// influx is how much arrives, at one log or at several together.
type influx struct {
	short, long sum     // over the two windows
	latest      float64 // per second since the look before, as far as known
}

// unseen returns the influx of a log that nobody told us of.
func unseen() influx { return influx{short: sum{unknown: 1}, long: sum{unknown: 1}} }

func (in *influx) add(other influx) {
	in.short.add(other.short)
	in.long.add(other.long)
	in.latest += other.latest
}

// recent returns the most that may have arrived per second since the commit before
// last, for commits with that period.
func (in *influx) recent(period time.Duration, w windows) float64 {
	r := max(in.latest, in.short.perSecond)
	if period > w.short {
		r = max(r, in.long.perSecond)
	}
	return r
}

// quiet says that nothing arrived in the long window, and that this is known.
func (in *influx) quiet() bool {
	return in.long.unknown == 0 && in.long.perSecond == 0
}

// observeTopic takes in one topic of a snapshot. A new topic id is a new log.
func (m *Model) observeTopic(seen *tidemark.Topic, now time.Time) {
	t := m.topics[seen.Name]
	if t == nil || t.id != seen.ID {
		t = &topic{id: seen.ID}
		m.topics[seen.Name] = t
	}
	t.seen = now
	t.match(seen.Partitions)
	for i := range seen.Partitions {
		t.logs[i].observe(&seen.Partitions[i], m.windows)
	}
}

// match makes t.logs have the same partitions as seen, in the same order.
func (t *topic) match(seen []tidemark.Log) {
	same := func(a arrivals, l tidemark.Log) bool { return a.id == l.ID }
	if slices.EqualFunc(t.logs, seen, same) {
		return
	}
	old := t.logs
	t.logs = make([]arrivals, len(seen))
	for i, l := range seen {
		t.logs[i] = arrivals{id: l.ID, in: unseen()}
		if j, found := slices.BinarySearchFunc(old, l.ID, byID); found {
			t.logs[i] = old[j]
		}
	}
}

// log returns what is remembered of one partition; nil: nothing.
func (t *topic) log(id int32) *arrivals {
	if t == nil {
		return nil
	}
	if int(id) < len(t.logs) && t.logs[id].id == id {
		return &t.logs[id]
	}
	if i, found := slices.BinarySearchFunc(t.logs, id, byID); found {
		return &t.logs[i]
	}
	return nil
}

func byID(a arrivals, id int32) int { return cmp.Compare(a.id, id) }

// observe takes in where the log ends now. An end that fell begins a new epoch:
// the topic was made anew, or its tail was lost to an unclean election.
func (a *arrivals) observe(l *tidemark.Log, w windows) {
	a.leader = l.Leader
	if l.Reason.Blinds() || l.End < 0 {
		a.in = unseen()
		return
	}
	at := l.At.UnixNano()
	if at <= a.newest() {
		return
	}
	if a.n > 0 && (l.End < a.ends[a.n-1] || at-a.newest() > int64(w.gap())) {
		a.strip = strip{}
	}
	dropped := a.add(at, w.spacing(), w)
	keep(&a.ends, dropped, a.n, l.End)
	a.work(w)
}

// work makes rates of what is remembered.
func (a *arrivals) work(w windows) {
	c := course{at: a.at, value: a.ends, n: a.n}
	a.in = influx{short: sumOf(c.rate(w.short)), long: sumOf(c.rate(w.long)), latest: c.latest()}
}
