package capacity

import (
	"math"

	"github.com/aetherlink/tidemark"
)

// service is what is known of how fast one replica of a group can read.
type service struct {
	proven  tidemark.Rate // mean over saturated windows
	windows int           // how many
	at      int64         // the end of the latest
	best    float64       // the most one replica read for some looks, saturated or not
	// partition is the most that was read of one partition whose reader could have
	// read more: what one thread does. 0: never seen, it is what a replica can.
	partition float64
	streaks   map[uint32]streak
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

// thread returns what one partition's reader can read, where that was seen to be less
// than what a replica can.
func (s *service) thread() tidemark.Rate {
	if s.partition == 0 || s.partition >= s.proven.PerSecond {
		return tidemark.Rate{}
	}
	return tidemark.Rate{PerSecond: s.partition, Error: s.proven.Error, Known: true}
}

// limit returns the most that one partition's reader can read: what a replica can
// or, until that was seen, what this one does.
func (s *service) limit(out tidemark.Rate) float64 {
	switch t := s.thread(); {
	case t.Known:
		return t.PerSecond
	case s.proven.Known:
		return s.proven.PerSecond
	}
	return out.PerSecond
}

// observe takes in what every member read at one look, and learns from those
// that have been saturated throughout the window of the rate.
func (s *service) observe(c *crew, now int64, w windows) {
	streaks := map[uint32]streak{}
	var sample sum
	windows := 0
	for i := range c.tides[:len(c.tides)-1] {
		t := &c.tides[i]
		out := t.out(w.short, w)
		if out.Error < out.PerSecond/5 { // one odd commit is no best rate
			s.best += max(0, out.PerSecond-s.best) / 4
		}
		if t.slow || !t.saturated(out, w) || s.oneThread(t, out) {
			continue
		}
		st, known := s.streaks[c.badges[i]]
		if !known || st.partitions != t.partitions {
			st = streak{since: now, partitions: t.partitions}
		}
		streaks[c.badges[i]] = st
		if now-st.since >= int64(w.ofAdvances(w.short, t.period)) {
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

// oneThread says that a consumer is behind on one of its partitions only, and reads
// less than a replica has shown: so it is not the replica that is the limit, but what
// reads that one partition. Source: capacity.md 2.3, ν.
func (s *service) oneThread(t *tide, out tidemark.Rate) bool {
	return s.proven.Known && t.partitions > 1 && t.behind == 1 && out.PerSecond+noise*out.Error < farSlower*s.proven.PerSecond
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
