package sim

import "github.com/aetherlink/tidemark/policy"

// load is what the references know and policies do not: the shares, and so what the
// busiest of R replicas gets of everything.
type load struct {
	*Scenario
	busiest [][]float64 // by quarter of an hour, and by replicas, from 1 on
}

// quarter is how long the mean shares count for, in seconds.
const quarter = 900

func newLoad(s *Scenario) *load {
	l := &load{Scenario: s}
	for from := 0; from < s.length; from += quarter {
		if len(s.logs.eras) == 1 && from > 0 {
			l.busiest = append(l.busiest, l.busiest[0])
			continue
		}
		l.busiest = append(l.busiest, busiestOf(s.logs.mean(from, min(from+quarter, s.length))))
	}
	return l
}

// busiestOf returns the largest share that any of R members gets, by R, as the range
// assignor of Kafka deals them out: stretches, the first one longer by one.
func busiestOf(share []float64) []float64 {
	n := len(share)
	until := make([]float64, n+1)
	for i, s := range share {
		until[i+1] = until[i] + s
	}
	busiest := make([]float64, n+1)
	for r := 1; r <= n; r++ {
		from := 0
		for m := range r {
			to := from + n/r + b2i(m < n%r)
			busiest[r] = max(busiest[r], until[to]-until[from])
			from = to
		}
	}
	return busiest
}

// need returns the smallest size whose busiest replica has no more than that share
// of its capacity to do; all partitions if there is none.
func (l *load) need(second int, perSecond, utilisation float64) int {
	busiest := l.busiest[second/quarter]
	for r := 1; r < len(busiest); r++ {
		if perSecond*busiest[r] <= utilisation*l.speed(second) {
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
	for from := 0; from < s.length; from += 60 {
		c.needs = append(c.needs, l.need(from, s.logs.over(from, from+60), clairvoyantUtilisation))
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

// beyond says at which scored seconds a backlog is excused, because what arrived had
// jumped so far that no reaction could have met it.
//
// With D = 100 s from a jump to the moment at which new replicas take part (a look,
// a start, a rebalance) the oldest record waits D·(1 − R0·μ·η/λ1), with what R0
// replicas could do before and λ1 arriving after it. R0 is the size that carries
// the level of the last five minutes at 70 %. From 1,250/s on 2 replicas to
// 12,500/s: 84 s, beyond 60. What is late then is excused for the ten minutes in
// which a backlog shall be gone. Sources: capacity.md 2.5, contracts.md 8.
func (l *load) beyond() []bool {
	const reaction, level, excuse = 100, 300, 600
	excused := make([]bool, l.length-l.warmUp)
	until := -1
	for t := range excused {
		now := l.warmUp + t
		before := max(0, now-1)
		r0 := l.need(before, l.logs.over(now-level, now), 0.7)
		soon := min(l.length-1, now+reaction)
		after := l.logs.over(max(now, soon-15), soon)
		could := l.speed(soon) / l.busiest[soon/quarter][r0]
		if reaction*(1-could/after) > tooLate {
			until = t + excuse
		}
		excused[t] = t < until
	}
	return excused
}
