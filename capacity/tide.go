package capacity

import (
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// tide is what comes in and goes out at one place: a partition, what one consumer
// owns, or a whole group.
type tide struct {
	commits    course // the sum of the commits
	partitions int
	committed  int        // of these, how many have a commit
	counted    [slots]int // of these, how many count at each moment of commits
	blind      int        // partitions that were not seen
	stuck      int        // partitions on which no commit moves
	moved      bool
	lag        int64
	in         influx
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

// merge adds another tide, of other partitions over the same moments.
func (t *tide) merge(other *tide) {
	for i := range other.commits.n {
		t.commits.value[i] += other.commits.value[i]
		t.counted[i] += other.counted[i]
	}
	t.partitions += other.partitions
	t.committed += other.committed
	t.blind += other.blind
	t.stuck += other.stuck
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
func (t *tide) out(window time.Duration, w windows) tidemark.Rate {
	if t.blind > 0 {
		return tidemark.Rate{}
	}
	var counts course
	for i := range t.commits.n {
		if t.counted[i]*10 >= t.committed*9 {
			counts.push(t.commits.at[i], t.commits.value[i])
		}
	}
	return counts.rateOfAdvances(w.ofAdvances(window, t.period), t.period)
}

// inFlight says that what is behind is explained by what arrived lately.
func (t *tide) inFlight(w windows) bool {
	return inFlight(t.lag, t.partitions, t.in.recent(t.period, w), t.period, w)
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
	wait := max(period, w.look) + w.look
	return float64(lag) <= perSecond*wait.Seconds()+float64(partitions)
}

// service is what is known of how fast one replica of a group can read.
type service struct {
	proven  tidemark.Rate // mean over saturated windows
	windows int           // how many
	at      int64         // the end of the latest
	best    float64       // the most one replica read, saturated or not
	streaks map[uint32]streak
}

// streak is since when a consumer with that many partitions has been saturated.
type streak struct {
	since      int64
	partitions int
}

// rate returns the capacity of one replica. Until a saturated window was seen it
// is the best rate of one replica, a lower bound, with half of it as error.
func (s *service) rate() tidemark.Rate {
	if s.proven.Known || s.best == 0 {
		return s.proven
	}
	return tidemark.Rate{PerSecond: s.best, Error: s.best / 2, Known: true}
}

// observe takes in what every consumer read at one look, and learns from those
// that have been saturated throughout the short window.
func (s *service) observe(c *crew, now int64, w windows) {
	streaks := map[uint32]streak{}
	var sample sum
	windows := 0
	for i := range c.tides {
		t := &c.tides[i]
		out := t.out(w.short, w)
		s.best = max(s.best, out.PerSecond)
		if !t.saturated(out, w) {
			continue
		}
		st, known := s.streaks[c.badges[i]]
		if !known || st.partitions != t.partitions {
			st = streak{since: now, partitions: t.partitions}
		}
		streaks[c.badges[i]] = st
		if now-st.since >= int64(w.short) {
			sample.add(sumOf(out))
			windows++
		}
	}
	s.streaks = streaks
	if windows > 0 {
		n := float64(windows)
		s.learn(tidemark.Rate{PerSecond: sample.perSecond / n, Error: math.Sqrt(sample.variance) / n, Known: true}, now, w)
	}
}

// learn takes in the mean capacity per replica of a saturated window. The mean of
// the latest eight windows or so counts, but a rate that fell out of the noise
// counts at once: planning with a capacity that is no more is the worse mistake.
// Source: capacity.md 2.3, fall fast.
func (s *service) learn(sample tidemark.Rate, now int64, w windows) {
	if s.windows > 0 && now-s.at < int64(w.short) {
		return
	}
	s.at = now
	if trend(sample, s.proven) == tidemark.Draining {
		s.windows = 0
	}
	s.windows = min(s.windows+1, 8)
	share := 1 / float64(s.windows)
	s.proven = tidemark.Rate{
		PerSecond: s.proven.PerSecond + share*(sample.PerSecond-s.proven.PerSecond),
		Error:     math.Hypot((1-share)*s.proven.Error, share*sample.Error),
		Known:     true,
	}
}
