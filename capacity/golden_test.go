package capacity_test

import (
	"math"
	"testing"

	"github.com/aetherlink/tidemark/capacity"
)

// The seed's consumers read 2.7 events/s each.
const seedsCapacity = 2.7

// TestReferenceDeployment holds every figure of the reference deployment and of its
// corrections in one place. Sources: reference-deployment.md; contracts.md 8;
// capacity.md 1.2.
func TestReferenceDeployment(t *testing.T) {
	want := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.005 {
			t.Errorf("%s = %g, want %g", what, got, want)
		}
	}
	backlog := capacity.Demand{Backlog: 10_000}
	want("demand of 10,000 records in 600 s", backlog.PerSecond(full.Drain), 16.67)
	want("replicas for 10,000 records in 600 s", float64(capacity.Need(backlog, seedsCapacity, full)), 7)
	arriving := capacity.Demand{Backlog: 10_000, Arrivals: 14.7}
	want("and with 14.7/s arriving", float64(capacity.Need(arriving, seedsCapacity, full)), 12)

	steps := capacity.Staircase(3)
	useful := steps[len(steps)-1]
	want("useful replicas on 3 partitions", float64(useful), 3)
	want("infeasible by", float64(capacity.Need(arriving, seedsCapacity, full)-useful), 9)
	want("two replicas on three partitions", capacity.Speedup(3, 2), 1.5)
	want("which is per second", seedsCapacity*capacity.Speedup(3, 2), 4.05)

	for _, c := range []struct {
		demand float64
		hint   int
	}{{0.01, 1}, {5, 2}, {15, 6}, {8, 3}} {
		want("scale hint", float64(capacity.ScaleHint(c.demand, seedsCapacity)), float64(c.hint))
	}
	want("scale hint without data", float64(capacity.ScaleHint(0, 0)), 1)

	if d := (capacity.Backlog{Records: 39, Arrivals: known(0), Capacity: known(0)}).Drain(); d.Known {
		t.Errorf("39 records at rest drain in %s, want no number", d.P50)
	}
	// The seed's lag/rate is five times too short at ρ = 0.8.
	net := capacity.Backlog{Records: 1000, Arrivals: known(8), Capacity: known(10)}.Drain()
	want("drain time net of arrivals over the seed's", math.Round(net.P50.Seconds()/(1000/10.0)), 5)
}

// Source: contracts.md 8, planning table.
func TestPlanningTableShowsTheMinimumTheSeedsChoiceAndItsHeadroom(t *testing.T) {
	rows := capacity.PlanningTable(seedsCapacity)
	for i, want := range []capacity.Day{
		{Events: 100, PerSecond: 0.00116, Minimum: 1, Replicas: 1, Partitions: 3, Sustains: 2.7, SustainsPerDay: 233_280, Headroom: 0.9996},
		{Events: 10_000, PerSecond: 0.1157, Minimum: 1, Replicas: 2, Partitions: 3, Sustains: 4.05, SustainsPerDay: 349_920, Headroom: 0.971},
		{Events: 100_000, PerSecond: 1.157, Minimum: 1, Replicas: 6, Partitions: 6, Sustains: 16.2, SustainsPerDay: 1_399_680, Headroom: 0.929},
	} {
		got := rows[i]
		if math.Abs(got.PerSecond-want.PerSecond) > 0.001 || math.Abs(got.Headroom-want.Headroom) > 0.001 || math.Abs(got.SustainsPerDay-want.SustainsPerDay) > 1 {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
		if got.Minimum != want.Minimum || got.Replicas != want.Replicas || got.Partitions != want.Partitions {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
	}
}
