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
	committed  int // of these, how many have a commit
	young      int // of these, how many were seen too seldom to count
	blind      int // partitions that were not seen
	stuck      int // partitions on which no commit moves
	moved      bool
	lag        int64
	in         sum     // arrivals over the short window
	inLong     sum     // and over the long one
	inLatest   float64 // and since the look before, as far as known
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

// out returns how fast commits advance over a window. A tide of which more than a
// tenth is too young to count is not known; less is forgiven, since in a large
// group some partition is always committed for the first time. Source: the 90 % of
// capacity.md 2.1.
func (t *tide) out(window time.Duration) tidemark.Rate {
	if t.blind > 0 || t.young*10 > t.committed {
		return tidemark.Rate{}
	}
	return t.commits.rateOfAdvances(window, t.period)
}

// inFlight is inFlight for the whole tide.
func (t *tide) inFlight(out tidemark.Rate, look time.Duration) bool {
	return inFlight(t.lag, t.partitions, max(out.PerSecond, t.inLatest), t.period, look)
}

// saturated says that the consumer had more before it than is in flight, so that
// it never waited and its rate is its capacity. Source: capacity.md 2.3.
func (t *tide) saturated(out tidemark.Rate, look time.Duration) bool {
	return out.Known && out.PerSecond > 0 && t.stuck == 0 && !t.moved && !t.inFlight(out, look)
}

// inFlight says that what is behind is explained by commits that come only now and
// then and by looks that come only now and then: B ≤ x·(T_c + T_scrape) + 1 per
// partition.
//
// perSecond is the larger of what is read and what arrived last, because a burst is
// in flight before it shows in the rate of commits. A commit period shorter than
// the interval of looks cannot be seen; it counts as one interval. 163/s and looks
// every 15 s explain 4,890 records and one per partition. Source: capacity.md 2.3.
func inFlight(lag int64, partitions int, perSecond float64, period, look time.Duration) bool {
	wait := max(period, look) + look
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
func (s *service) observe(c *crew, now int64, w windows, look time.Duration) {
	streaks := map[uint32]streak{}
	var sample sum
	windows := 0
	for i := range c.tides {
		t := &c.tides[i]
		out := t.out(w.short)
		s.best = max(s.best, out.PerSecond)
		if !t.saturated(out, look) {
			continue
		}
		st, known := s.streaks[c.badges[i]]
		if !known || st.partitions != t.partitions {
			st = streak{since: now, partitions: t.partitions}
		}
		streaks[c.badges[i]] = st
		if now-st.since >= int64(w.short) {
			sample.add(out)
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
