package sim

import (
	"github.com/aetherlink/tidemark/policy"
)

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

// quickest knows at every look what arrives at this second and what a replica can do,
// but not what comes. It plans with 70 % and, as soon as the load exceeds what is
// there, asks for everything. No policy can be later and be excused: what is late
// with it was above the bound of physics. Source: capacity.md 2.5.
type quickest struct {
	load
	held  int
	until int
}

func newQuickest(s *Scenario) policy.Policy { return &quickest{load: newLoad(s)} }

// Decide implements [policy.Policy].
func (q *quickest) Decide(s policy.Sight) policy.Decision {
	const hold = 15 * 60
	now := int(s.At.Sub(epoch()).Seconds())
	arrive, speed := q.rate[min(now, length-1)], q.speed(now)
	n := q.need(arrive, speed, 0.7)
	if arrive*q.busiest[max(1, s.Ready)] > speed || records(s) > 10*arrive+0.2*speed*float64(s.Ready) && s.Ready == s.Wanted {
		n = q.Partitions
	}
	if n >= q.held || now >= q.until {
		q.held, q.until = n, now+hold
	}
	return policy.Decision{Replicas: q.held, Because: "what arrives now"}
}

func records(s policy.Sight) (total float64) {
	for _, p := range s.Rows {
		if lag, known := p.Lag(); known {
			total += float64(lag)
		}
	}
	return total
}
