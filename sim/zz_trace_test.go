package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/policy"
)

type traced struct {
	policy.Policy
	s    *Scenario
	last int
}

func (t *traced) Decide(s policy.Sight) policy.Decision {
	d := t.Policy.Decide(s)
	if sec := int(s.At.Sub(epoch()).Seconds()); d.Replicas != s.Wanted {
		fmt.Printf("%6.2fh %3d -> %3d  λ %6.0f  %-9s μ̂ %4.0f±%-4.0f lag %7d ready %d  %s\n", float64(sec-warmUp)/3600, s.Wanted, d.Replicas, t.s.rate[min(sec, length-1)], s.Estimate.State, s.Estimate.ReplicaCapacity.PerSecond, s.Estimate.ReplicaCapacity.Error, s.Estimate.Lag.Records, s.Ready, d.Because)
	}
	return d
}

func TestTrace(t *testing.T) {
	name := os.Getenv("SCEN")
	if name == "" {
		t.Skip()
	}
	parts, _ := strconv.Atoi(os.Getenv("PARTS"))
	for _, s := range Scenarios(parts, uint64(max(1, seedOf()))) {
		if s.Name == name {
			r := simulate(s, Entrant{Estimates: true, New: func(*Scenario) policy.Policy {
				return &traced{policy.New(policy.Options{TimeLag: tooLate * time.Second}), s, 0}
			}})
			in := false
			for i, l := range r.late {
				if (l > 60) != in {
					in = !in
					fmt.Printf("late=%v at %.3fh\n", in, float64(i)/3600)
				}
			}
		}
	}
}

func TestQuick(t *testing.T) {
	parts, _ := strconv.Atoi(os.Getenv("QUICK"))
	if parts == 0 {
		t.Skip()
	}
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	var sum [6]float64
	n := 0.0
	for _, s := range Scenarios(parts, uint64(max(1, seed))) {
		if !s.Winnable {
			continue
		}
		largest := simulate(s, Entrant{New: func(*Scenario) policy.Policy { return policy.Always{} }})
		l := newLoad(s)
		best := simulate(s, Entrant{New: newClairvoyant})
		r := simulate(s, Entrant{Estimates: true, New: func(*Scenario) policy.Policy { return policy.New(policy.Options{TimeLag: tooLate * time.Second}) }})
		late, avoid := minutesLate(r, largest, l.beyond())
		row := [6]float64{late, avoid, r.hours / best.hours, float64(r.actions), float64(r.rebalances), float64(r.reversals)}
		for i := range row {
			sum[i] += row[i]
		}
		n++
		fmt.Printf("%-14s late %5.1f avoid %5.1f ×cl %5.2f act %3.0f reb %3.0f rev %2.0f\n", s.Name, row[0], row[1], row[2], row[3], row[4], row[5])
	}
	fmt.Printf("%-14s late %5.1f avoid %5.1f ×cl %5.2f act %4.1f reb %4.1f rev %3.1f\n", "MEAN", sum[0]/n, sum[1]/n, sum[2]/n, sum[3]/n, sum[4]/n, sum[5]/n)
}

func TestLook(t *testing.T) {
	name := os.Getenv("LOOK")
	if name == "" {
		t.Skip()
	}
	parts, _ := strconv.Atoi(os.Getenv("PARTS"))
	from, _ := strconv.ParseFloat(os.Getenv("FROM"), 64)
	for _, s := range Scenarios(parts, uint64(max(1, seedOf()))) {
		if s.Name != name {
			continue
		}
		w := newWorld(s, min(s.Partitions, 25))
		p := policy.New(policy.Options{TimeLag: tooLate * time.Second})
		looker := newLooker(w, true)
		for w.now < length {
			w.second()
			if !looker.due() {
				continue
			}
			sight := looker.look()
			d := p.Decide(sight)
			w.want(d.Replicas)
			if h := float64(w.now-warmUp) / 3600; h > from && h < from+0.25 {
				fmt.Printf("%.3fh late %4d wanted %d ready %d state %s lag %d in %.0f±%.0f out %.0f±%.0f μ %.0f: %s | %s\n", h, w.late(), sight.Wanted, sight.Ready, sight.Estimate.State, sight.Estimate.Lag.Records, sight.Estimate.Arrivals.PerSecond, sight.Estimate.Arrivals.Error, sight.Estimate.Consumption.PerSecond, sight.Estimate.Consumption.Error, sight.Estimate.ReplicaCapacity.PerSecond, d.Because, sight.Estimate.Because)
			}
		}
	}
}
func seedOf() int { n, _ := strconv.Atoi(os.Getenv("SEED")); return n }
