package capacity_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

func work(assignor string, perReplica float64, load ...float64) capacity.Work {
	return capacity.Work{
		Deal: capacity.Deal{Load: load}, Backlog: make([]float64, len(load)), Assignor: assignor, Replica: perReplica,
		Target: tidemark.Target{Utilisation: 0.9},
	}
}

// Source: capacity.md 2.6, R* by replaying the assignor.
func TestLeastReplicasDependOnWhoDealsOutThePartitions(t *testing.T) {
	for _, c := range []struct {
		assignor string
		want     int
	}{{"range", 4}, {"roundrobin", 4}, {"load-aware", 2}} {
		w := work(c.assignor, 5, 4, 1, 1, 1)
		if c.assignor == "load-aware" {
			w.Replica = 4.5
		}
		got, ok := w.Least()
		if c.assignor == "load-aware" {
			w.Target.Utilisation = 1
			got, ok = w.Least()
		}
		if !ok || got.Replicas != c.want {
			t.Errorf("%s: %+v (ok %t), want %d", c.assignor, got, ok, c.want)
		}
	}
}

func TestEveryChoiceSaysWhatRulesItOut(t *testing.T) {
	w := work("range", 100, 30, 30, 30, 30, 30, 30)
	w.Backlog = []float64{20_000, 20_000, 20_000, 20_000, 20_000, 20_000}
	w.TimeLag = time.Minute
	var said []string
	for _, c := range w.Choices() {
		said = append(said, fmt.Sprintf("%d: %t, %s", c.Replicas, c.Meets, c.Because))
	}
	want := []string{
		"1: false, the busiest gets 180/s, it shall have at most 90/s",
		"2: false, the backlog is gone in 1 h 40 min, later than 10 min",
		"3: false, the backlog is gone in 16 min 40 s, later than 10 min",
		"6: true, the busiest gets 30/s, 30 % of what it can, and the backlog is gone in 4 min 46 s",
	}
	if !slices.Equal(said, want) {
		t.Errorf("choices:\n%s\nwant:\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
}

func TestPartitionThatIsTooHotForOneReaderIsMetByNoChoice(t *testing.T) {
	w := work("uniform", 100, 95, 5, 5, 5)
	c, ok := w.Least()
	if ok || !strings.Contains(c.Because, "one partition gets 95/s") {
		t.Errorf("%+v (ok %t), want none, and the partition named", c, ok)
	}
	w = work("uniform", 100, 50, 5, 5, 5)
	w.Thread = 40
	if c, ok := w.Least(); ok {
		t.Errorf("%+v although one thread reads 40/s", c)
	}
}

// The closed form is what even load comes to. Source: contracts.md 8.
func TestLeastOfAnEvenLoadIsTheClosedForm(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for range 300 {
		n := 1 + random.IntN(60)
		each := 1 + 50*random.Float64()
		w := work("roundrobin", 100, slices.Repeat([]float64{each}, n)...)
		got, ok := w.Least()
		want, feasible := capacity.EvenNeed(capacity.Demand{Arrivals: each * float64(n)}, n, 100, w.Target)
		if ok != feasible || ok && got.Replicas != want {
			t.Fatalf("%d partitions of %.1f/s: %d (%t), want %d (%t)", n, each, got.Replicas, ok, want, feasible)
		}
	}
}

func TestNewPartitionsDoNotDrainWhatWaitsInTheOld(t *testing.T) {
	w := work("range", 10, 1, 1, 1)
	w.Backlog = []float64{90_000, 0, 0}
	before, after := w.Choice(3), w.WithPartitions(12).Choice(12)
	if after.Drains != before.Drains || after.Drain < before.Drain*9/10 {
		t.Errorf("12 partitions drain in %s, 3 in %s", after.Drain, before.Drain)
	}
	if got, want := after.Busiest, 0.25; got != want {
		t.Errorf("the busiest of twelve gets %g/s, want %g/s", got, want)
	}
}

func TestWorkOfAGroupIsWhatWasSeenOfIt(t *testing.T) {
	w := newWorld(t, 6, 2)
	w.perMember, w.arrivals, w.even = 100, 120, true
	w.backlog(30_000)
	w.run(10 * time.Minute)
	w.backlog(60_000)
	e := w.after(6 * time.Minute)
	s := w.snapshot()
	got, ok := capacity.WorkOf(s.Groups[0], s.Partitions, e, tidemark.Target{})
	if !ok {
		t.Fatalf("nothing to plan with: %+v", e)
	}
	c := got.Choice(2)
	if c.Busiest < 55 || c.Busiest > 65 || !c.Drains || c.Drain < 5*time.Minute || c.Drain > 8*time.Minute {
		t.Errorf("%+v, want 60/s at the busiest and 6 min", c)
	}
	if twice := got.Times(2).Choice(2); twice.Drains {
		t.Errorf("%+v with twice the arrivals", twice)
	}
	w.gaps[1] = tidemark.Unreachable
	e = w.after(15 * time.Second)
	s = w.snapshot()
	if _, ok := capacity.WorkOf(s.Groups[0], s.Partitions, e, tidemark.Target{}); ok {
		t.Error("a plan of what was not seen")
	}
}

// Source: capacity.md 2.7.
func TestPartitionsNeededComeInSteps(t *testing.T) {
	for _, c := range []struct {
		peak float64
		want int
	}{{0.1, 1}, {2, 6}, {7, 12}, {14, 24}, {100, 180}} {
		if got := capacity.PartitionsNeeded(c.peak, 2.7, tidemark.Target{}); got != c.want {
			t.Errorf("%g/s: %d, want %d", c.peak, got, c.want)
		}
	}
}

func TestShareOfKeysThatMove(t *testing.T) {
	for _, c := range []struct {
		from, to int
		want     float64
	}{{3, 6, 0.5}, {3, 4, 0.75}, {6, 12, 0.5}, {4, 6, 2.0 / 3}, {6, 6, 0}} {
		got := capacity.KeysMoved(c.from, c.to)
		moved := 0
		for h := range 12_000 {
			moved += b2i(h%c.from != h%c.to)
		}
		if want := float64(moved) / 12_000; got < c.want-1e-9 || got > c.want+1e-9 || got < want-1e-9 || got > want+1e-9 {
			t.Errorf("from %d to %d: %g, want %g, counted %g", c.from, c.to, got, c.want, want)
		}
	}
}

func TestPartitionsOfAKeyedTopicAreAddedWhileNothingIsUnread(t *testing.T) {
	n := capacity.Increase{
		Topic: "orders", From: 3, To: 6, Keyed: true, Compacted: true, Groups: []string{"billing", "totals", "tail"},
		Streams: []string{"totals"}, Latest: []string{"tail"},
	}
	p := n.Procedure()
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, string(s.Do)+": "+s.On)
		if s.Why == "" {
			t.Errorf("%s has no reason", s.Do)
		}
	}
	want := []string{
		"stop producers: orders",
		"wait until drained: billing", "wait until drained: totals", "wait until drained: tail",
		"stop consumers: totals", "add partitions: orders", "commit the start of the new partitions: tail",
		"reset state: totals", "start consumers: totals", "start producers: orders",
		"scale consumers: billing", "scale consumers: totals", "scale consumers: tail",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps:\n%s\nwant:\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
	if p.Moves != 0.5 || len(p.Risks) != 2 || !strings.Contains(p.Risks[1], "compacted") {
		t.Errorf("moves %g, risks %q", p.Moves, p.Risks)
	}
	n.Keyed = false
	if p := n.Procedure(); p.Steps[0].Do == capacity.StopProducers || !strings.Contains(strings.Join(p.Risks, " "), "50 % of the keys") {
		t.Errorf("without keys: %+v", p)
	}
	n.To = 3
	if p := n.Procedure(); len(p.Steps) != 1 || p.Steps[0].Do != capacity.NothingToChange {
		t.Errorf("from 3 to 3: %+v", p)
	}
}
