// Package lag says how long records have waited: it turns offsets over time into
// the time lag of a group, and says how far that may be off.
//
// It hides how the ends of logs are remembered: a week of looks at a partition in
// 3 KB, with an error that is bounded and known. It is arithmetic on snapshots: no
// clock, no network. It never guesses beyond what was seen or told: of a record that
// was there before we first looked, it says what to ask the leaders ([Probe]), and
// how much their answers leave open.
//
// The time lag here is residence: since when the oldest unread record has been in
// the log, not what its producer wrote as its timestamp (lag.md section 4). Answers
// to probes are such timestamps; they are believed as long as they agree with the
// arrivals that we see.
//
// May change until version 1.
package lag

import (
	"time"

	"github.com/aetherlink/tidemark"
)

// Options say what a history remembers.
type Options struct {
	Window time.Duration // how far back; 0 means 7 days
}

// History remembers where the logs of one cluster ended, and when. All groups
// share it. It is not made for concurrent use.
type History struct {
	window time.Duration
	topics map[string]*topic
}

// topic is what is remembered of one topic. A topic of the same name with another
// id is another topic.
type topic struct {
	id      [16]byte
	seen    time.Time     // the latest look that had it
	logs    []log         // by partition id; those ids are dense
	probed  bool          // answers to probes count, or would
	checked bool          // its records' own times are those of their arrival, or off by skew
	untimed bool          // they are not: nothing is made of them
	skew    time.Duration // at most so much, beyond what looks leave open
	keeps   time.Duration // how long records stay, by the topic's configuration; 0: not told
}

// log is where one partition ended over time, and before we looked, and where it
// begins.
type log struct {
	epoch int32
	line  line
	past  past
	begun bool // start is known
	start int64
	cuts  []int64 // at the latest cuts: the age of the youngest record that went, in ms
}

// New returns an empty history.
func New(o Options) *History {
	if o.Window == 0 {
		o.Window = 7 * 24 * time.Hour
	}
	return &History{window: o.Window, topics: map[string]*topic{}}
}

// Observe remembers the log ends that a look saw. What it did not see leaves a
// longer interval, and so a larger error, for the records of that time.
func (h *History) Observe(s *tidemark.Snapshot) {
	for i := range s.Topics {
		h.observe(&s.Topics[i], s.Ended)
	}
	if len(h.topics) == len(s.Topics) {
		return
	}
	for name, t := range h.topics {
		if s.Ended.Sub(t.seen) > h.window {
			delete(h.topics, name)
		}
	}
}

func (h *History) observe(seen *tidemark.Topic, at time.Time) {
	t := h.topics[seen.Name]
	if t == nil || t.id != seen.ID {
		t = &topic{id: seen.ID}
		h.topics[seen.Name] = t
	}
	t.seen, t.keeps = at, seen.Retention
	for i := range seen.Partitions {
		if l := &seen.Partitions[i]; l.End >= 0 && !l.Reason.Blinds() {
			kept := t.of(l.ID)
			kept.observe(l, h.window)
			t.cutAt(kept, l.Start, l.At.UnixMilli())
		}
	}
}

// of returns the log of a partition, and makes room for it.
func (t *topic) of(id int32) *log {
	for int(id) >= len(t.logs) {
		t.logs = append(t.logs, log{})
	}
	return &t.logs[id]
}

// observe adds one look. An end or an epoch that goes back says that the log was
// cut or made anew: offsets mean other records now, and the past says nothing of
// them (lag.md section 4, item 7).
func (l *log) observe(seen *tidemark.Log, window time.Duration) {
	if seen.LeaderEpoch < l.epoch || seen.End < l.line.end() {
		l.line, l.past, l.begun, l.cuts = nil, past{}, false, nil
	}
	l.epoch = seen.LeaderEpoch
	l.line = l.line.add(seen.At.UnixMilli(), seen.End, window.Milliseconds())
}

// EventTime says that a topic's records carry times that are not those of their
// arrival: of the events they tell about, or of clocks more than a minute off. Their
// time lag is that of their stay in the log, as far as looks saw them come.
func (h *History) EventTime(topic string) bool {
	t := h.topics[topic]
	return t != nil && t.untimed
}

// TimeLag returns how long the oldest record that a group can still read has been
// there at a moment, which is that of the look that saw p.
//
// The record came between two looks: after the last one that saw the log end at or
// before the commit, before the first one that saw it end beyond. Value is where a
// steady producer would have put it; Error is half the time between. With looks 15 s
// apart that is 7.5 s, at no request more; up to twice that where records come in
// bursts (lag.md section 4, items 1 and 2).
//
// Of a record from before the first look, the answers to probes say when it came
// ([History.Wants]); until there are any, or when a topic's records tell no honest
// time, it is not known. It is 0 when there is nothing to read, and not known when
// the lag is not.
func (h *History) TimeLag(p tidemark.Partition, at time.Time) tidemark.TimeLag {
	records, known := p.Lag()
	if !known {
		return tidemark.TimeLag{}
	}
	if records == 0 {
		return tidemark.TimeLag{Known: true}
	}
	t := h.topics[p.Topic]
	if t == nil || int(p.ID) >= len(t.logs) {
		return tidemark.TimeLag{}
	}
	now, next := at.UnixMilli(), max(p.Committed, p.LogStart)
	arrived, either, known := t.when(&t.logs[p.ID], next, point{at: now, end: p.LogEnd})
	if !known {
		return tidemark.TimeLag{}
	}
	return tidemark.TimeLag{
		// The clock may have been set back since the look.
		Value: max(0, time.Duration(float64(now)-arrived)*time.Millisecond),
		Error: time.Duration(either) * time.Millisecond,
		Known: true,
	}
}

// when returns when the record at an offset came: by the looks, or from before
// them by what probes told. The latter is the producers' time, which may be off
// by what a check found.
func (t *topic) when(l *log, offset int64, now point) (arrived, either float64, known bool) {
	p, known := l.line.around(offset, now)
	skew := time.Duration(0)
	if !known && l.predates(offset) && !t.untimed {
		p, known = l.past.line.around(offset, l.line[0])
		skew = t.skew
	}
	if !known {
		return 0, 0, false
	}
	arrived, either = p.when(offset)
	return arrived, either + float64(skew.Milliseconds()), true
}
