package kafka_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/lag"
)

// truth is what happened to a cluster, written down by those who did it and not by
// anything that looks at it. What it says of a moment is a range: while something
// is being done, it may or may not have been done yet.
type truth struct {
	mu      sync.Mutex
	starts  map[place]*timeline
	ends    map[place]*timeline
	commits map[claim]*timeline
}

type place struct {
	topic     string
	partition int32
}

// claim is how far a group is in one place.
type claim struct {
	group string
	place
}

// timeline is how a number changed.
type timeline []change

type change struct {
	began, ended time.Time // it became true in between
	value        int64
}

func newTruth() *truth {
	return &truth{starts: map[place]*timeline{}, ends: map[place]*timeline{}, commits: map[claim]*timeline{}}
}

// during returns the least and the most a number was between two moments.
func (l *timeline) during(from, to time.Time) (least, most int64) {
	first := true
	for _, c := range slices.Backward(*l) {
		if c.began.After(to) {
			continue
		}
		if first {
			least, most, first = c.value, c.value, false
		}
		least, most = min(least, c.value), max(most, c.value)
		if !c.ended.IsZero() && c.ended.Before(from) {
			break
		}
	}
	return least, most
}

// says tells whether a number may have been just this between two moments.
func (l *timeline) says(value int64, from, to time.Time) bool {
	for _, c := range slices.Backward(*l) {
		if c.began.After(to) {
			continue
		}
		if c.value == value {
			return true
		}
		if !c.ended.IsZero() && c.ended.Before(from) {
			return false
		}
	}
	return false
}

// now is the latest value; changing says that it is just being changed.
func (l *timeline) now() (value int64, changing bool) {
	last := (*l)[len(*l)-1]
	return last.value, last.ended.IsZero()
}

// begin writes down that numbers are about to change, and returns what to call when they have.
func begin[K comparable](tr *truth, of map[K]*timeline, to map[K]int64) (done func()) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	at := time.Now()
	for k, value := range to {
		if of[k] == nil {
			of[k] = &timeline{{ended: at, value: nothing}}
		}
		*of[k] = append(*of[k], change{began: at, value: value})
	}
	return func() {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for k := range to {
			line := *of[k]
			line[len(line)-1].ended = time.Now()
			if len(line) > 2000 { // nobody asks about so long ago
				*of[k] = slices.Clone(line[1000:])
			}
		}
	}
}

// nothing is the value of what is not there, and of what was not committed.
const nothing = tidemark.Uncommitted

// bounds is the least and the most a lag can have been.
type bounds struct{ least, most int64 }

// lag returns between what the lag of a claim was during a time, and whether there
// was one at any or at every moment of it. Its commits may be older.
func (tr *truth) lag(c claim, committed, from, to time.Time) (b bounds, ever, always bool) {
	start, end, commit := tr.starts[c.place], tr.ends[c.place], tr.commits[c]
	if start == nil || end == nil || commit == nil {
		return bounds{}, false, false
	}
	leastStart, mostStart := start.during(from, to)
	leastEnd, mostEnd := end.during(from, to)
	leastCommit, mostCommit := commit.during(committed, to)
	b = bounds{max(0, leastEnd-max(mostStart, mostCommit)), max(0, mostEnd-max(leastStart, leastCommit))}
	ever = mostEnd >= 0 && mostCommit >= 0 && leastCommit <= mostEnd
	return b, ever, leastEnd >= 0 && leastCommit >= 0 && mostCommit <= leastEnd
}

// groups are those that have committed anything, as of now.
func (tr *truth) groups() map[string]bool {
	found := map[string]bool{}
	for c, line := range tr.commits {
		if value, changing := line.now(); value >= 0 && !changing {
			found[c.group] = true
		}
	}
	return found
}

// judge holds snapshots to the truth.
type judge struct {
	*truth
	complain func(format string, args ...any)
	before   *tidemark.Snapshot
	ended    map[place]tidemark.Log // as told last
	history  *lag.History
	fresh    int // values that were held to it
	waits    int // time lags that were
	near     int // those of them that were as near to it as they said
}

const (
	// patience is how long a question may take: an answer told now may have been true then.
	patience = 4 * time.Second
	// asleep is how old commits may be of a group that has not moved for a while.
	asleep = 2*time.Minute + patience
)

// look judges one snapshot.
func (j *judge) look(s *tidemark.Snapshot) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.history.Observe(s)
	for i := range s.Topics {
		for k := range s.Topics[i].Partitions {
			j.log(s, s.Topics[i].Name, &s.Topics[i].Partitions[k])
		}
	}
	for _, g := range s.Groups {
		j.group(s, g)
	}
	for name := range j.groups() {
		if _, found := s.Group(name); !found && j.settled(name, s) && j.known(name, s) {
			j.complain("group %s is missing", name)
		}
	}
	for i := range s.Topics {
		for _, l := range s.Topics[i].Partitions {
			if !l.Reason.Blinds() {
				j.ended[place{s.Topics[i].Name, l.ID}] = l
			}
		}
	}
	j.before = s
}

// settled says that nothing of a group has changed since a look began.
func (j *judge) settled(group string, s *tidemark.Snapshot) bool {
	for c, line := range j.commits {
		last := (*line)[len(*line)-1]
		if c.group == group && (last.ended.IsZero() || !last.ended.Before(s.Began)) {
			return false
		}
	}
	return true
}

// known says that a group cannot be missing from a look: it was in the one before,
// or the look says of nothing that it was not seen.
func (j *judge) known(group string, s *tidemark.Snapshot) bool {
	if j.before == nil || len(s.Gaps) == 0 {
		return true
	}
	_, found := j.before.Group(group)
	return found
}

func (j *judge) log(s *tidemark.Snapshot, topic string, l *tidemark.Log) {
	if l.Reason.Blinds() {
		return
	}
	j.fresh++
	at := place{topic, l.ID}
	end, start := j.ends[at], j.starts[at]
	switch {
	case end == nil:
		j.complain("%v is made up", at)
	case l.At.Before(s.Began) || l.At.After(s.Ended):
		j.complain("end of %v is of %v and not of the look of %v", at, l.At, s.Began)
	case !end.says(l.End, l.At.Add(-patience), l.At):
		least, most := end.during(l.At.Add(-patience), l.At)
		j.complain("end of %v is %d, and was %d to %d", at, l.End, least, most)
	case !start.says(l.Start, s.Began, s.Ended):
		j.complain("start of %v is %d and never was", at, l.Start)
	}
}

// group judges what is told of a group: each value that is told as fresh was true
// while the look was under way, and a total that is told as complete is complete.
func (j *judge) group(s *tidemark.Snapshot, g tidemark.Group) {
	var sum bounds
	told := map[place]bool{}
	for _, p := range s.Of(g.Name) {
		lag, known := p.Lag()
		if !known || p.Committed < 0 {
			continue
		}
		j.fresh++
		c := claim{g.Name, place{p.Topic, p.ID}}
		told[c.place] = true
		b, was, _ := j.lag(c, j.since(s, g), s.Began, s.Ended)
		b.least -= j.between(s, g, c.place)
		sum.least, sum.most = sum.least+max(0, b.least), sum.most+b.most
		switch {
		case lag < 0:
			j.complain("lag of %v is %d", c, lag)
		case !was:
			j.complain("lag of %v is %d, and there was none", c, lag)
		case lag < b.least || lag > b.most:
			j.complain("lag of %v is %d, and was %d to %d", c, lag, b.least, b.most)
		case lag > 0:
			j.wait(s, c.place, p)
		}
	}
	total := s.Total(g)
	if !total.Complete {
		return
	}
	if total.Records < sum.least || total.Records > sum.most {
		j.complain("total of %s is %d, and was %d to %d", g.Name, total.Records, sum.least, sum.most)
	}
	for c := range j.commits {
		least, _ := j.commits[c].during(s.Began, s.Ended)
		if c.group == g.Name && !told[c.place] && least >= 0 && j.there(c.place, s) {
			j.complain("total of %s is complete without %v", g.Name, c.place)
		}
	}
}

// wait judges a time lag. The oldest record that can still be read came between two
// looks, and those are twice the error apart: no time lag is further off, and most
// are not further off than the error.
func (j *judge) wait(s *tidemark.Snapshot, at place, p tidemark.Partition) {
	told := j.history.TimeLag(p, s.Ended)
	came, found := j.ends[at].passed(max(p.Committed, p.LogStart))
	if !told.Known || !found {
		return
	}
	j.waits++
	least, most := s.Ended.Sub(came.ended), s.Ended.Sub(came.began)
	if came.ended.IsZero() {
		least = 0
	}
	off := max(0, least-told.Value, told.Value-most)
	if off <= told.Error+time.Second {
		j.near++
	}
	if off > 2*told.Error+patience {
		j.complain("time lag of %s on %v is %v ± %v, and is %v to %v", p.Group, at, told.Value, told.Error, least, most)
	}
}

// passed returns the change that went beyond a value, and has not been undone.
func (l *timeline) passed(value int64) (c change, found bool) {
	for i := len(*l) - 1; i >= 0 && (*l)[i].value > value; i-- {
		c, found = (*l)[i], i > 0
	}
	return c, found
}

func (j *judge) there(at place, s *tidemark.Snapshot) bool {
	least, _ := j.ends[at].during(s.Began, s.Ended)
	return least >= 0
}

// since is from when on commits count: the beginning of the look. Those of a group
// that has not moved for long may be older, as the group says, but not much.
func (j *judge) since(s *tidemark.Snapshot, g tidemark.Group) time.Time {
	if g.At.Before(s.Began) {
		if s.Ended.Sub(g.At) > asleep {
			j.complain("commits of %s are %v old and told as fresh", g.Name, s.Ended.Sub(g.At))
		}
		return g.At
	}
	return s.Began
}

// between is by how much the end at the moment of the commits may be told too low:
// the records since the end was told before, in the share of time between commits
// and ends.
func (j *judge) between(s *tidemark.Snapshot, g tidemark.Group, at place) int64 {
	t, found := s.Topic(at.topic)
	last, told := j.ended[at]
	if !found || !told || !g.At.After(s.Began) {
		return 0
	}
	now := t.Partitions[at.partition]
	apart := now.At.Sub(g.At).Seconds() / now.At.Sub(last.At).Seconds()
	return 1 + int64(apart*float64(max(0, now.End-last.End)))
}

// whole complains about whatever is not fresh in a look that nothing was in the way of.
func (j *judge) whole(s *tidemark.Snapshot) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, gap := range s.Gaps {
		j.complain("in a look without trouble: %s: %v", gap.What, gap.Err)
	}
	for _, b := range s.Brokers {
		if !b.Up {
			j.complain("broker %d is down", b.ID)
		}
	}
	for at, line := range j.ends {
		if least, _ := line.during(s.Began.Add(-time.Minute), s.Ended); least < 0 {
			continue
		}
		if t, found := s.Topic(at.topic); !found || int(at.partition) >= len(t.Partitions) || t.Partitions[at.partition].Reason.Blinds() {
			j.complain("%v is not fresh", at)
		}
	}
	for c := range j.commits {
		if _, _, was := j.lag(c, s.Began.Add(-asleep), s.Began.Add(-time.Minute), s.Ended); was && !knows(s, c) {
			j.complain("lag of %v is not known", c)
		}
	}
}

func knows(s *tidemark.Snapshot, c claim) bool {
	for _, p := range s.Of(c.group) {
		if p.Topic == c.topic && p.ID == c.partition {
			_, known := p.Lag()
			return known
		}
	}
	return false
}

func (c claim) String() string { return fmt.Sprintf("%s on %s/%d", c.group, c.topic, c.partition) }
