package sim

import (
	"time"

	"github.com/aetherlink/tidemark/policy"
)

// tooLate is how many seconds a record may wait: the service level of the comparison.
const tooLate = 60

// Entrant is a policy that takes part.
type Entrant struct {
	Name string
	New  func(*Scenario) policy.Policy
	// Estimates says that the policy reads the estimates of capacity.Model, which
	// cost more than the rest of the simulation.
	Estimates bool
	// Assignor deals out partitions, by the names of capacity.Assign; empty: range,
	// Kafka's default, and everyone stops while it does. The load-aware one is
	// cooperative: only what changes hands is not read meanwhile.
	Assignor string
	// Reference says that the policy is there to compare with: nobody can run it.
	Reference bool
}

// run is what one policy did in one scenario.
type run struct {
	late       []int32 // seconds that the oldest record waited, per second of the day
	hours      float64
	actions    int
	rebalances int
	reversals  int
	sizes      []int // wanted, per look of the day
}

// simulate lets a policy run a scenario.
func simulate(s *Scenario, e Entrant) run {
	w := newWorld(s, e.assignor(), s.first)
	p := e.New(s)
	looker := newLooker(w, e.Estimates)
	r := run{late: make([]int32, 0, s.length-s.warmUp)}
	var before change
	for w.now < s.length {
		w.second()
		if w.now <= s.warmUp {
			w.rebalances = 0
		} else {
			r.late = append(r.late, int32(w.late()))
			r.hours += float64(len(w.replicas)) / 3600
		}
		if !looker.due() {
			continue
		}
		wanted := len(w.replicas)
		n := p.Decide(looker.look()).Replicas
		w.want(n)
		if w.now > s.warmUp {
			r.sizes = append(r.sizes, n)
		}
		if n != wanted {
			after := change{at: w.now, up: n > wanted}
			if w.now > s.warmUp {
				r.actions++
				r.reversals += b2i(after.reverses(before))
			}
			before = after
		}
	}
	r.rebalances = w.rebalances
	return r
}

func (e Entrant) assignor() string {
	if e.Assignor == "" {
		return "range"
	}
	return e.Assignor
}

// change is one change of size.
type change struct {
	at int
	up bool
}

// reverses says that it takes back a change of the last 15 minutes.
func (c change) reverses(before change) bool {
	return before.at > 0 && before.up != c.up && c.at-before.at <= 15*60
}

// quantile returns how late the oldest record was for the share q of the day.
func (r run) quantile(q float64) time.Duration {
	var worst int32
	for _, late := range r.late {
		worst = max(worst, late)
	}
	count := make([]int, worst+1)
	for _, late := range r.late {
		count[late]++
	}
	seen, rank := 0, int(q*float64(len(r.late)-1))
	for late, n := range count {
		if seen += n; seen > rank {
			return time.Duration(late) * time.Second
		}
	}
	return 0
}
