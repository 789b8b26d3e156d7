package sim

import "github.com/aetherlink/tidemark/policy"

// load is what the references know and policies do not: the shares, and so what the
// busiest of R replicas gets of everything.
type load struct {
	*Scenario
	busiest []float64 // by replicas, from 1 on
}

func newLoad(s *Scenario) load {
	l := load{Scenario: s, busiest: make([]float64, s.Partitions+1)}
	for r := 1; r <= s.Partitions; r++ {
		for m := range r {
			sum := 0.0
			from, to := owned(s.Partitions, r, m)
			for _, share := range s.share[from:to] {
				sum += share
			}
			l.busiest[r] = max(l.busiest[r], sum)
		}
	}
	return l
}

// need returns the smallest size whose busiest replica has no more than that share
// of its capacity to do; all partitions if there is none.
func (l *load) need(perSecond, speed, utilisation float64) int {
	for r := 1; r < len(l.busiest); r++ {
		if perSecond*l.busiest[r] <= utilisation*speed {
			return r
		}
	}
	return l.Partitions
}

// clairvoyant knows what will arrive, and what a replica can do. It plans with
// nine tenths of that, starts replicas in time, and stops them when they will not
// be needed for half an hour. It is hard to beat, but not proven to be optimal.
type clairvoyant struct {
	needs []int // by minute of the run
}

// The clairvoyant's numbers: it knows the load, so a tenth is enough for noise
// and for the pauses of rebalances.
const (
	clairvoyantUtilisation = 0.9
	minutesAhead           = 2 // a start and a rebalance
	minutesToHold          = 30
)

func newClairvoyant(s *Scenario) policy.Policy {
	l := newLoad(s)
	c := &clairvoyant{}
	for from := 0; from < length; from += 60 {
		sum := 0.0
		for _, r := range s.rate[from : from+60] {
			sum += r
		}
		c.needs = append(c.needs, l.need(sum/60, s.speed(from), clairvoyantUtilisation))
	}
	return c
}

// Decide implements [policy.Policy].
func (c *clairvoyant) Decide(s policy.Sight) policy.Decision {
	minute := int(s.At.Sub(epoch()).Minutes())
	if soon := c.most(minute, minutesAhead); soon > s.Wanted {
		// What is needed within the hold anyway is started now, in one change.
		return policy.Decision{Replicas: soon, Because: "it will be needed"}
	}
	if hold := c.most(minute, minutesToHold); hold < s.Wanted {
		return policy.Decision{Replicas: hold, Because: "it will not be needed"}
	}
	return policy.Decision{Replicas: s.Wanted, Because: "right"}
}

// most returns the most that is needed within so many minutes.
func (c *clairvoyant) most(minute, ahead int) int {
	most := 1
	for _, need := range c.needs[min(minute, len(c.needs)-1):min(minute+ahead+1, len(c.needs))] {
		most = max(most, need)
	}
	return most
}

// beyond says at which seconds of the day a backlog is excused, because what arrived
// had jumped so far that no reaction could have met it.
//
// With D = 100 s from a jump to the moment at which new replicas take part (a look,
// a start, a rebalance) the oldest record waits D·(1 − R0·μ·η/λ1), with what R0
// replicas could do before and λ1 arriving after it. R0 is the size that carries
// the level of the last five minutes at 70 %. From 1,250/s on 2 replicas to
// 12,500/s: 84 s, beyond 60. What is late then is excused for the ten minutes in
// which a backlog shall be gone. Sources: capacity.md 2.5, contracts.md 8.
func (l *load) beyond() []bool {
	const reaction, level, excuse = 100, 300, 600
	sum := make([]float64, length+1)
	for t, r := range l.rate {
		sum[t+1] = sum[t] + r
	}
	excused := make([]bool, day)
	until := -1
	for t := range day {
		now := warmUp + t
		before := (sum[now] - sum[now-level]) / level
		r0 := l.need(before, l.speed(now-1), 0.7)
		soon := min(length, now+reaction)
		after := (sum[soon] - sum[max(now, soon-15)]) / 15
		could := l.speed(min(length-1, soon)) / l.busiest[r0]
		if reaction*(1-could/after) > tooLate {
			until = t + excuse
		}
		excused[t] = t < until
	}
	return excused
}
