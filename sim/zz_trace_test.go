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
		fmt.Printf("%6.2fh %3d -> %3d  λ %6.0f  %-9s μ̂ %4.0f±%-4.0f lag %7d ready %d  %s\n", float64(sec-warmUp)/3600, s.Wanted, d.Replicas, t.s.rate[sec], s.Estimate.State, s.Estimate.ReplicaCapacity.PerSecond, s.Estimate.ReplicaCapacity.Error, s.Estimate.Lag.Records, s.Ready, d.Because)
	}
	return d
}

func TestTrace(t *testing.T) {
	name := os.Getenv("SCEN")
	if name == "" {
		t.Skip()
	}
	parts, _ := strconv.Atoi(os.Getenv("PARTS"))
	for _, s := range Scenarios(parts, 1) {
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
