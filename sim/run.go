package sim

import (
	"slices"
	"time"

	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/lag"
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
}

// run is what one policy did in one scenario.
type run struct {
	late       []int // seconds that the oldest record waited, per second of the day
	hours      float64
	actions    int
	rebalances int
	reversals  int
	sizes      []int // wanted, per look of the day
}

// simulate lets a policy run a scenario. It begins with twice what the busiest hour
// takes, as somebody has it who does not know.
func simulate(s *Scenario, e Entrant) run {
	w := newWorld(s, min(s.Partitions, 2*peak/PerReplica))
	p := e.New(s)
	looker := newLooker(w, e.Estimates)
	r := run{late: make([]int, 0, day)}
	var before change
	for w.now < length {
		w.second()
		if w.now <= warmUp {
			w.rebalances = 0
		} else {
			r.late = append(r.late, w.late())
			r.hours += float64(len(w.replicas)) / 3600
		}
		if !looker.due() {
			continue
		}
		wanted := len(w.replicas)
		n := p.Decide(looker.look()).Replicas
		w.want(n)
		if w.now > warmUp {
			r.sizes = append(r.sizes, n)
		}
		if n == wanted {
			continue
		}
		after := change{at: w.now, up: n > wanted}
		if w.now > warmUp {
			r.actions++
			if before.at > 0 && before.up != after.up && after.at-before.at <= 15*60 {
				r.reversals++
			}
		}
		before = after
	}
	r.rebalances = w.rebalances
	return r
}

type change struct {
	at int
	up bool
}

// looker looks at the world every 15 s, and loses one look of a hundred.
type looker struct {
	world   *world
	history *lag.History
	model   *capacity.Model
}

func newLooker(w *world, estimates bool) *looker {
	l := &looker{world: w}
	if estimates {
		l.history = lag.New(lag.Options{Window: time.Hour})
		l.model = capacity.New(capacity.Options{TimeLag: l.history.TimeLag})
	}
	return l
}

func (l *looker) due() bool {
	w := l.world
	return w.now%lookEvery == 0 && !w.silent.has(w.now) && w.random.Float64() >= 0.01
}

func (l *looker) look() policy.Sight {
	snapshot := l.world.snapshot()
	sight := l.world.sight(snapshot)
	if l.model != nil {
		l.history.Observe(snapshot)
		sight.Estimate = l.model.Observe(snapshot)[0]
	}
	return sight
}

// quantile returns how late the oldest record was for the share q of the day.
func (r run) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(r.late))
	return time.Duration(sorted[int(q*float64(len(sorted)-1))]) * time.Second
}
