package capacity_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// full plans with a replica's whole capacity, as the seed does.
var full = tidemark.Target{Drain: 10 * time.Minute, Utilisation: 1}

// Source: contracts.md 8: defaults ρ 0.7 and 10 minutes; 100,000 a day need 1.
func TestNeedWithoutATargetPlansTenMinutesAndSeventyPercent(t *testing.T) {
	if got, want := capacity.Need(capacity.Demand{Backlog: 10_000}, 2.7, tidemark.Target{}), 9; got != want {
		t.Errorf("10,000 records: %d, want %d", got, want)
	}
	if got, want := capacity.Need(capacity.Demand{Arrivals: 100_000.0 / 86_400}, 2.7, tidemark.Target{}), 1; got != want {
		t.Errorf("100,000 a day: %d, want %d", got, want)
	}
	if got, want := capacity.Need(capacity.Demand{}, 2.7, tidemark.Target{}), 1; got != want {
		t.Errorf("nothing to do: %d, want %d", got, want)
	}
}

// Source: capacity.md 2.6.
func TestStaircaseHasOnlyCountsThatHelp(t *testing.T) {
	if got, want := capacity.Staircase(7), []int{1, 2, 3, 4, 7}; !slices.Equal(got, want) {
		t.Errorf("7 partitions: %v, want %v", got, want)
	}
	if got, want := capacity.Staircase(24), []int{1, 2, 3, 4, 5, 6, 8, 12, 24}; !slices.Equal(got, want) {
		t.Errorf("24 partitions: %v, want %v", got, want)
	}
	if got, want := len(capacity.Staircase(96)), 19; got != want {
		t.Errorf("96 partitions have %d steps, want %d", got, want)
	}
}

// Source: contracts.md 8, closed form for even load.
func TestEvenNeedKnowsThatPartitionsCannotBeSplit(t *testing.T) {
	for _, c := range []struct {
		arrivals float64
		want     int
		ok       bool
	}{{4, 2, true}, {4.2, 3, true}, {8.1, 3, true}, {8.2, 0, false}, {0, 1, true}} {
		got, ok := capacity.EvenNeed(capacity.Demand{Arrivals: c.arrivals}, 3, 2.7, full)
		if got != c.want || ok != c.ok {
			t.Errorf("%g/s on 3 partitions: %d, %t, want %d, %t", c.arrivals, got, ok, c.want, c.ok)
		}
	}
}

// Source: contracts.md 8: P = 3 → need 12, useful 3, infeasible by 9.
func TestGroupThatNeedsTwelveOnThreePartitionsSaysThatThreeHelp(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.model = capacity.New(capacity.Options{Target: func(string) tidemark.Target { return full }})
	w.arrivals, w.perMember, w.even = 14.7, 2.7, true
	w.backlog(10_000 - 6.6*15*60)
	e := w.after(15 * time.Minute)
	wantState(t, e, tidemark.Growing)
	want := tidemark.Replicas{Have: 3, Needed: 12, Useful: 3, PartitionsNeeded: 12, Known: true}
	if got := e.Replicas; got != want {
		t.Errorf("replicas = %+v, want %+v", got, want)
	}
}

func TestCapacityOfAReplicaIsItsRateWhileItNeverWaits(t *testing.T) {
	w := newWorld(t, 3, 2)
	w.arrivals, w.perMember = 2, 2.7
	w.run(10 * time.Minute)
	if got := w.look().ReplicaCapacity; got.Error < got.PerSecond/3 {
		t.Errorf("capacity = %+v before any backlog, want a large error", got)
	}
	w.backlog(3000)
	e := w.after(5 * time.Minute)
	if got, want := e.ReplicaCapacity.PerSecond, 2.7; math.Abs(got/want-1) > 0.1 {
		t.Errorf("capacity = %g/s, want %g/s within 10 %%", got, want)
	}
	if got := e.ReplicaCapacity; got.Error > got.PerSecond/5 {
		t.Errorf("capacity = %+v after saturated windows, want a small error", got)
	}
}

func TestCapacityThatFallsCountsAfterOneWindow(t *testing.T) {
	w := newWorld(t, 4, 2)
	w.arrivals, w.perMember = 100, 100
	w.backlog(500_000)
	w.run(10 * time.Minute)
	w.perMember = 50
	e := w.after(3 * time.Minute)
	if got, want := e.ReplicaCapacity.PerSecond, 50.0; math.Abs(got/want-1) > 0.1 {
		t.Errorf("capacity = %g/s, want %g/s within 10 %%", got, want)
	}
}

func TestStuckPartitionIsNotSizedFor(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 6, 2.7
	w.backlog(600)
	w.run(10 * time.Minute)
	before := w.look().Replicas.Needed
	w.frozen[1] = true
	e := w.after(2 * time.Hour)
	wantState(t, e, tidemark.Stalled)
	if got := e.Replicas.Needed; got > before {
		t.Errorf("needed = %d with a stuck partition, %d without; no consumer more helps it", got, before)
	}
}

func TestBacklogOfAStoppedGroupIsSizedFor(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.perMember = 2.7
	w.backlog(3000)
	w.run(30 * time.Minute)
	w.staff(0)
	w.partitions[1].end += 10_000
	e := w.after(time.Hour)
	wantState(t, e, tidemark.Stopped)
	if got, want := e.Replicas.Needed, 9; !e.Replicas.Known || got != want {
		t.Errorf("needed = %d (known %t), want %d", got, e.Replicas.Known, want)
	}
}

// Source: capacity.md 2.6: share groups drop the cap of partitions.
func TestShareGroupIsNotCappedByItsPartitions(t *testing.T) {
	for _, kind := range []string{"classic", "share"} {
		w := newWorld(t, 3, 3)
		w.kind, w.arrivals, w.perMember = kind, 345, 100
		e := w.after(10 * time.Minute)
		r, capped := e.Replicas, kind == "classic"
		if r.Needed < 5 || (r.Useful < r.Needed) != capped || (r.PartitionsNeeded > 3) != capped || (len(e.Diagnoses) > 0) != capped {
			t.Errorf("%s: %+v, diagnoses %v", kind, r, e.Diagnoses)
		}
	}
}

// Who keeps a partition in a cooperative rebalance reads on.
func TestCooperativeRebalanceDoesNotHideAStuckPartition(t *testing.T) {
	for kind, want := range map[string]bool{"consumer": true, "classic": false} {
		w := newWorld(t, 3, 3)
		w.kind, w.arrivals, w.perMember = kind, 60, 100
		w.run(5 * time.Minute)
		w.frozen[1], w.phase = true, "Assigning"
		if e := w.after(4 * time.Minute); (e.State == tidemark.Stalled) != want {
			t.Errorf("%s: %s because %s, want stalled: %t", kind, e.State, e.Because, want)
		}
	}
}

// Source: capacity.md 2.3, ν.
func TestReaderOfOnePartitionThatIsSlowerThanItsReplicaIsSeenApart(t *testing.T) {
	w := newWorld(t, 6, 2)
	w.perMember, w.arrivals, w.even = 100, 120, true
	w.backlog(30_000)
	w.run(10 * time.Minute)
	w.slow, w.share = map[int]float64{0: 30}, []float64{0.4, 0.12, 0.12, 0.12, 0.12, 0.12}
	e := w.after(10 * time.Minute)
	if got := e.ThreadCapacity; !got.Known || math.Abs(got.PerSecond-30) > 3 {
		t.Errorf("one partition's reader reads %+v, want 30/s", got)
	}
	if got := e.ReplicaCapacity; math.Abs(got.PerSecond-100) > 5 {
		t.Errorf("a replica reads %+v, want 100/s still", got)
	}
	s := w.snapshot()
	work, ok := capacity.WorkOf(s.Groups[0], s.Partitions, e, tidemark.Target{})
	if c, met := work.Least(); !ok || met {
		t.Errorf("%+v meets the target, though one partition gets 48/s and its reader reads 30/s", c)
	}
}
