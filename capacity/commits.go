package capacity

import (
	"time"

	"github.com/aetherlink/tidemark"
)

// commits is what is remembered of one partition as one group reads it. There may
// be millions; a test holds it to 96 bytes.
type commits struct {
	at     [slots]int64 // the commit at the group's moments; Unseen: not known then
	from   int64        // moments before this one do not count: the commit was set back, or nobody read
	since  int64        // since when records wait and no commit moves; 0: none wait
	id     int32
	owner  uint32  // of whom; 0: of nobody
	period float32 // how many seconds usually pass until a commit moves; 0: not seen yet
}

// last returns the latest known commit of n moments, or Unseen.
func (c *commits) last(n int) int64 {
	for i := n - 1; i >= 0; i-- {
		if c.at[i] >= 0 {
			return c.at[i]
		}
	}
	return tidemark.Unseen
}

// turn is what happened to a group since the look before.
type turn struct {
	strip   *strip
	dropped int
	before  int64 // the moment of the look before
	now     int64
	resumed bool // members came to a group that had none
	blocked bool // nobody reads, or partitions are changing hands: no commit is to be expected
}

// observe takes in one partition. last is its latest known commit before.
// moved says that it changed hands.
func (c *commits) observe(row *tidemark.Partition, last int64, owner uint32, t turn) (moved bool) {
	moved = c.owner != owner
	c.owner = owner
	if row.Reason.Blinds() || row.Committed < 0 {
		keep(&c.at, t.dropped, t.strip.n, tidemark.Unseen)
		return moved
	}
	keep(&c.at, t.dropped, t.strip.n, row.Committed)
	lag, known := row.Lag()
	waits := known && lag > 0
	switch {
	case last == tidemark.Unseen || row.Committed < last:
		// A commit that fell was reset, or is work done twice: no throughput.
		c.from, c.since = t.now, t.now
	case t.resumed:
		// What was read while nobody read says nothing about the newcomers.
		c.from, c.since = t.now, t.now
	case row.Committed > last:
		c.learn(t)
		c.since = t.now
	case t.blocked || moved || c.since == 0:
		c.since = t.now
	}
	if !waits {
		c.since = 0
	}
	return moved
}

// learn takes in one more wait for a commit to move: since records were first seen
// waiting, or since the look before. A wait over three usual ones is a fault that
// ended, not a habit.
func (c *commits) learn(t turn) {
	since := c.since
	if since == 0 {
		since = t.before
	}
	wait := float32(time.Duration(t.now - since).Seconds())
	switch {
	case c.period == 0:
		c.period = wait
	case wait <= 3*c.period:
		c.period += (wait - c.period) / 4
	}
}

// usual returns how long it usually takes until a commit moves; 0: not known.
func (c *commits) usual() time.Duration {
	return time.Duration(float64(c.period) * float64(time.Second))
}

// silent returns for how long records have waited without a commit that moves.
func (c *commits) silent(now int64) time.Duration {
	if c.since == 0 {
		return 0
	}
	return time.Duration(now - c.since)
}

// rate returns how fast the commits advance over the short window, counting the moments of
// s from number start on. Most partitions of most groups stand still, and these
// must cost little.
func (c *commits) rate(s *strip, start int, w windows) tidemark.Rate {
	if start < s.n && s.at[start] >= c.from && c.at[start] == c.at[s.n-1] && c.at[start] >= 0 {
		return tidemark.Rate{Known: s.n-start >= 3}
	}
	seen := c.course(s, start)
	return seen.rateOfAdvances(w.ofAdvances(w.short, c.usual()), c.usual())
}

// course returns the commits at the moments of s from number start on.
func (c *commits) course(s *strip, start int) course {
	var seen course
	for i := start; i < s.n; i++ {
		if s.at[i] >= c.from && c.at[i] >= 0 {
			seen.push(s.at[i], c.at[i])
		}
	}
	return seen
}

// addTo adds the commits to a tide over the moments of s from number start on.
// Moments that do not count add what was known next to them, so that the total
// does not jump when a partition comes or goes.
func (c *commits) addTo(t *tide, s *strip, start int) {
	first := start
	for first < s.n && (s.at[first] < c.from || c.at[first] < 0) {
		first++
	}
	if first == s.n {
		return
	}
	value := c.at[first]
	for i := start; i < s.n; i++ {
		if i >= first {
			t.counted[i-start]++
		}
		if i > first && c.at[i] >= 0 {
			value = c.at[i]
		}
		t.commits.value[i-start] += value
	}
}
