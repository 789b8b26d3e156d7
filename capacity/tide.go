package capacity

import (
	"time"

	"github.com/aetherlink/tidemark"
)

// tide is what comes in and goes out at one consumer, or at a whole group.
type tide struct {
	commits    course // the sum of the commits
	partitions int
	committed  int          // of these, how many have a commit
	counted    [slots]int   // of these, how many count at each moment of commits
	waiting    [slots]int   // and for how many the age of the commit says something
	ages       [slots]int64 // the sum of these, in windows.ageUnit
	blind      int          // partitions that were not seen
	stuck      int          // partitions on which no commit moves
	late       int          // partitions with a record that has waited for longer than in flight
	moved      bool
	slow       bool // its reader is far slower than the others
	lag        int64
	in         influx
	hottest    float64 // records per second of the partition that gets most
	behind     int     // partitions whose lag is not in flight
	period     time.Duration
	deepest    int // number of the partition with the most lag
	deepestLag int64
}

// deepen adds the lag of partition number i.
func (t *tide) deepen(i int, lag int64) {
	t.lag += lag
	if lag > t.deepestLag {
		t.deepest, t.deepestLag = i, lag
	}
}

// merge adds another tide, of other partitions, but for its commits: these have
// moments of their own.
func (t *tide) merge(other *tide) {
	t.partitions += other.partitions
	t.committed += other.committed
	t.blind += other.blind
	t.stuck += other.stuck
	t.late += other.late
	t.behind += other.behind
	t.hottest = max(t.hottest, other.hottest)
	t.in.add(other.in)
	t.period = max(t.period, other.period)
	t.lag += other.lag
	if other.deepestLag > t.deepestLag {
		t.deepest, t.deepestLag = other.deepest, other.deepestLag
	}
}

// out returns how fast commits advance over a window, from the first moment on at
// which nine tenths of the partitions count. Less is forgiven, since in a large
// group some partition is always committed for the first time. Source: the 90 % of
// capacity.md 2.1.
//
// The window runs from commit advance to commit advance: a moment counts as when
// the commits seen then had advanced, which all of one consumer do together. A
// group that commits every 60 s and is looked at every 15 s would otherwise lose up
// to 45 s of work from a window. Source: capacity.md 2.1 and 2.3.
func (t *tide) out(window time.Duration, w windows) tidemark.Rate {
	if t.blind > 0 {
		return tidemark.Rate{}
	}
	var advances course
	for i := range t.commits.n {
		if t.counted[i]*10 < t.committed*9 {
			continue
		}
		at := t.commits.at[i] - t.ages[i]*int64(w.ageUnit())/int64(max(1, t.waiting[i]))
		advances.advance(at, t.commits.value[i], w)
	}
	return advances.rate(w.ofAdvances(window, t.period))
}

// inFlight says that what is behind is explained by what arrived lately, and that no
// record has waited for longer than that explains: one partition may be left behind
// while the others have little.
func (t *tide) inFlight(w windows) bool {
	return t.late == 0 && inFlight(t.lag, t.partitions, t.in.recent(t.period, w), t.period, w)
}

// saturated says that the consumer had more before it than can be in flight, so that
// it never waited and its rate is its capacity. Source: capacity.md 2.3.
func (t *tide) saturated(out tidemark.Rate, w windows) bool {
	return out.Known && out.PerSecond > 0 && t.stuck == 0 && !t.moved && !t.inFlight(w) &&
		!inFlight(t.lag, t.partitions, out.PerSecond, t.period, w)
}

// inFlight says that so much lag is explained by commits that come only now and
// then and by looks that come only now and then: B ≤ x·(T_c + T_scrape) + 1 per
// partition.
//
// Whether a group is caught up is asked with x = what arrives: who keeps up reads
// just that, and while a backlog drains the rate of reading would explain the last
// half minute of it away. A period is seen rounded up to looks; one shorter than the
// interval counts as one interval. 122/s and looks every 15 s explain 3,660 records
// and one per partition. Source: capacity.md 2.3.
func inFlight(lag int64, partitions int, perSecond float64, period time.Duration, w windows) bool {
	return float64(lag) <= perSecond*w.inFlight(period).Seconds()+float64(partitions)
}

// inFlight returns how long a record may wait that is only on its way: until the
// next commit, and until a look sees that.
func (w windows) inFlight(period time.Duration) time.Duration { return max(period, w.look) + w.look }
