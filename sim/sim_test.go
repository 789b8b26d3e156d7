package sim_test

import (
	"slices"
	"testing"

	"github.com/aetherlink/tidemark/policy"
	"github.com/aetherlink/tidemark/sim"
)

// entrant returns the one of that name.
func entrant(t *testing.T, name string) sim.Entrant {
	t.Helper()
	for _, e := range sim.Entrants() {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no entrant is called %q", name)
	return sim.Entrant{}
}

// play lets one entrant run one scenario.
func play(t *testing.T, e sim.Entrant, scenario string, seed uint64) sim.Result {
	t.Helper()
	scenarios := sim.Scenarios(24, seed)
	i := slices.IndexFunc(scenarios, func(s *sim.Scenario) bool { return s.Name == scenario })
	if i < 0 {
		t.Fatalf("no scenario is called %q", scenario)
	}
	return sim.Compare([]sim.Entrant{e}, scenarios[i:i+1])[0]
}

func TestSameSeedGivesTheSameDayAndAnotherGivesAnother(t *testing.T) {
	e := entrant(t, "HPA 70 %")
	first, again, other := play(t, e, "flash", 1), play(t, e, "flash", 1), play(t, e, "flash", 2)
	if first != again {
		t.Errorf("seed 1 gave %+v and then %+v", first, again)
	}
	if first.ReplicaHours == other.ReplicaHours {
		t.Errorf("seeds 1 and 2 both gave %g replica-hours", first.ReplicaHours)
	}
}

func TestLargestSizeIsNeverLateAndCostsEveryHour(t *testing.T) {
	r := play(t, entrant(t, "always P"), "diurnal", 1)
	if got, want := r.ReplicaHours, 24.0*24; got < want-0.01 || got > want+0.01 {
		t.Errorf("replica-hours = %g, want %g", got, want)
	}
	if r.Late != 0 || r.P99 != 0 || r.Actions != 0 {
		t.Errorf("late %g min, p99 %s, %d actions; want none", r.Late, r.P99, r.Actions)
	}
}

// one is a policy that has a single replica, whatever happens.
type one struct{}

func (one) Decide(policy.Sight) policy.Decision { return policy.Decision{Replicas: 1} }

func TestOneReplicaIsLateAllDay(t *testing.T) {
	r := play(t, sim.Entrant{New: func(*sim.Scenario) policy.Policy { return one{} }}, "diurnal", 1)
	if got, want := r.Late, 23.5*60; got < want {
		t.Errorf("late for %.0f minutes, want at least %.0f", got, want)
	}
}

// Source: capacity.md 0, finding 2: in-flight records alone exceed the threshold.
func TestKEDAWithItsDefaultIsAConstant(t *testing.T) {
	r := play(t, entrant(t, "KEDA threshold 10"), "diurnal", 1)
	if got, want := r.ReplicaHours, 0.99*24*24; got < want {
		t.Errorf("replica-hours = %.0f, want at least %.0f", got, want)
	}
}

// Source: capacity.md 3.5, the targets.
func TestOursMeetsTheTargetsOnAnOrdinaryDay(t *testing.T) {
	r := play(t, entrant(t, "tidemark"), "diurnal", 1)
	if r.Avoidable > 1 || r.Clairvoyant > 1.2 || r.Actions > 15 || r.Rebalances > 25 || r.Reversals > 0 {
		t.Errorf("%+v, want avoidable ≤ 1, ×clairvoyant ≤ 1.20, actions ≤ 15, rebalances ≤ 25, no reversal", r)
	}
}

// Source: capacity.md 3.5, the targets at ρ ≤ 0.6.
func TestTimeToDrainIsToldWithinTenPercentAndItsRangeHolds(t *testing.T) {
	var guesses []sim.Guess
	for seed := range uint64(12) {
		guesses = append(guesses, sim.Guesses(0.6, seed+1)...)
	}
	a := sim.Judge(guesses)
	if a.Median > 0.1 || a.Mean > 0.15 || a.Covered < 0.7 || a.Capacity < 0.95 {
		t.Errorf("%+v, want median error ≤ 10 %%, mean ≤ 15 %%, covered ≥ 70 %%, capacity ≥ 95 %%", a)
	}
}

func TestOverloadIsToldToGrow(t *testing.T) {
	a := sim.Judge(slices.Concat(sim.Guesses(1.3, 1), sim.Guesses(0.6, 1)))
	if a.Precision < 0.95 || a.Recall < 0.95 {
		t.Errorf("growing: precision %.2f, recall %.2f, want 0.95", a.Precision, a.Recall)
	}
}

// Source: capacity.md 3.5, macro-F1 ≥ 0.95 on injected faults.
func TestInjectedFaultsAreCalledByTheirNames(t *testing.T) {
	if scores, macro := sim.Diagnose(2); macro < 0.95 {
		t.Errorf("macro-F1 = %.2f, want 0.95: %+v", macro, scores)
	}
}

func TestRowsAreMediansOverSeedsOfMeansOverScenarios(t *testing.T) {
	var results []sim.Result
	for seed, late := range []float64{1, 2, 9} {
		results = append(results,
			sim.Result{Policy: "a", Scenario: "x", Seed: uint64(seed), Days: 1, Late: late},
			sim.Result{Policy: "a", Scenario: "y", Seed: uint64(seed), Days: 1, Late: late + 2})
	}
	rows := sim.Summarise(results, func(sim.Result) bool { return true })
	if got, want := rows[0].Late.Median, 3.0; got != want {
		t.Errorf("median = %g, want %g", got, want)
	}
	if got, want := rows[0].Late.High, 9.3; got < want-1e-9 || got > want+1e-9 {
		t.Errorf("95 %% = %g, want %g", got, want)
	}
}

// Source: issue 5, show 2: at most what a clairvoyant needs with Kafka's own assignor.
func TestOursWithTheLoadAwareAssignorIsCheaperThanAClairvoyantUnderSkew(t *testing.T) {
	r := play(t, entrant(t, "tidemark, load-aware"), "skew 0.35", 1)
	if r.Clairvoyant > 1 || r.Avoidable > 1 {
		t.Errorf("%.2f times the clairvoyant's replica-hours, %.1f minutes avoidably late; want at most 1 and 1", r.Clairvoyant, r.Avoidable)
	}
}

// Source: capacity.md 3.5, fault safety: what nobody sees shrinks nothing.
func TestGroupThatCommitsNowhereKeepsItsSize(t *testing.T) {
	r := play(t, entrant(t, "tidemark"), "no commits", 1)
	if got, want := r.ReplicaHours, 24.0*24; got < want-0.01 || got > want+0.01 {
		t.Errorf("replica-hours = %.1f, want %.1f", got, want)
	}
}
