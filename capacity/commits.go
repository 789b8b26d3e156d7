package capacity

import (
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// commits is what is remembered of one partition as one group reads it. There may
// be millions; a test holds it to 96 bytes.
type commits struct {
	at     [slots]int64 // the commit at the group's moments; Unseen: not known, or no longer comparable
	age    [slots]uint8 // how old it was then, in [windows.ageUnit]; ageless: nothing to say
	since  int64        // since when records wait and no commit moves; 0: none wait
	id     int32
	owner  uint32  // of whom; 0: of nobody
	period float32 // how many seconds usually pass until a commit moves; 0: not seen yet
	// doubted says that the latest wait was too long to be believed.
	doubted bool
}

// ageless marks a commit that tells nothing about when it was made: no records
// wait, or they have waited for so long that it is no matter of commits.
const ageless = math.MaxUint8

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
	windows windows
	dropped int
	before  int64 // the moment of the look before
	now     int64
	apart   bool // the look before is too long ago for a rate
	resumed bool // members came to a group that had none
	blocked bool // nobody reads, or partitions are changing hands: no commit is to be expected
}

// observe takes in one partition. last is its latest known commit before.
// moved says that it changed hands.
func (c *commits) observe(row *tidemark.Partition, last int64, owner uint32, t turn) (moved bool) {
	moved = c.owner != owner
	c.owner = owner
	if t.apart {
		c.forget(t.strip.n)
	}
	if row.Reason.Blinds() || row.Committed < 0 {
		c.keep(tidemark.Unseen, t)
		return moved
	}
	// A commit that fell was reset, or is work done twice: no throughput. And what
	// was read while nobody read says nothing about who reads now.
	anew := last == tidemark.Unseen || row.Committed < last || t.resumed
	switch {
	case anew:
		c.since = t.now
	case row.Committed > last:
		c.learn(t)
		c.since = t.now
	case t.blocked || moved || c.since == 0:
		c.since = t.now
	}
	if lag, known := row.Lag(); !known || lag == 0 {
		c.since = 0
	}
	if anew {
		c.forget(t.strip.n)
	}
	c.keep(row.Committed, t)
	return moved
}

// keep remembers the commit and how old it is at the moment of the look.
func (c *commits) keep(committed int64, t turn) {
	age := uint8(ageless)
	if silent := c.silent(t.now); c.since > 0 && silent <= 2*max(c.usual(), t.windows.look) {
		age = uint8(min(silent/t.windows.ageUnit(), ageless-1))
	}
	keep(&c.at, t.dropped, t.strip.n, committed)
	keep(&c.age, t.dropped, t.strip.n, age)
}

// forget makes the commits before now count no more.
func (c *commits) forget(n int) {
	for i := range n {
		c.at[i] = tidemark.Unseen
	}
}

// learn takes in one more wait for a commit to move: since records were first seen
// waiting, or since the look before. A wait beyond all patience may be a fault that
// ended; a second one in a row is the habit of who commits rarely. The period
// follows longer waits at once and shorter ones slowly, since looks see 20 s as
// 15 s and 30 s by turns.
func (c *commits) learn(t turn) {
	since := c.since
	if since == 0 {
		since = t.before
	}
	wait := time.Duration(t.now - since)
	if wait > t.windows.patience(c.usual()) && !c.doubted {
		c.doubted = true
		return
	}
	c.doubted = false
	seconds := float32(wait.Seconds())
	c.period = max(seconds, c.period+(seconds-c.period)/4)
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

// rate returns how fast the commits advance over the short window. Most partitions
// of most groups stand still, and these must cost little.
func (c *commits) rate(s *strip, w windows) tidemark.Rate {
	if s.n >= 3 && c.at[0] == c.at[s.n-1] && c.at[0] >= 0 {
		return tidemark.Rate{Known: true}
	}
	var advances course
	for i := range s.n {
		if c.at[i] >= 0 {
			advances.advance(s.at[i]-c.ageAt(i)*int64(w.ageUnit()), c.at[i], w)
		}
	}
	return advances.rate(w.ofAdvances(w.short, c.usual()))
}

// ageAt returns the age of the commit at moment i, 0 if it has none.
func (c *commits) ageAt(i int) int64 {
	if c.age[i] == ageless {
		return 0
	}
	return int64(c.age[i])
}

// addTo adds the commits of n moments to a tide. Moments at which they are not known
// add what was known next to them, so that the total does not jump when a partition
// comes or goes.
func (c *commits) addTo(t *tide, n int) {
	first := 0
	for first < n && c.at[first] < 0 {
		first++
	}
	if first == n {
		return
	}
	value := c.at[first]
	for i := range n {
		if i >= first {
			t.counted[i]++
		}
		if i > first && c.at[i] >= 0 {
			value = c.at[i]
		}
		t.commits.value[i] += value
		if c.age[i] < ageless {
			t.waiting[i]++
			t.ages[i] += int64(c.age[i])
		}
	}
}
