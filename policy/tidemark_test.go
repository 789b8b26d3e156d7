package policy_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/policy"
)

// group is one whose estimates are exact: a fluid of records, looked at every 15 s.
type group struct {
	policy     policy.Policy
	now        time.Time
	partitions int
	perReplica float64
	wanted     int
	ready      int
	starting   int // looks until what is wanted is ready
	arrived    float64
	behind     float64
	rates      []float64 // of the last looks
	sizes      []int
}

func newGroup(partitions, replicas int) *group {
	return &group{
		policy: policy.New(policy.Options{TimeLag: time.Minute}), now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		partitions: partitions, perReplica: 1000, wanted: replicas, ready: replicas,
	}
}

// look lets 15 s pass with so many records a second arriving, and asks the policy.
func (g *group) look(arrivals float64) policy.Decision {
	s := g.sight(arrivals)
	d := g.policy.Decide(s)
	g.follow(d.Replicas)
	return d
}

func (g *group) follow(n int) {
	g.sizes = append(g.sizes, n)
	if n > g.wanted {
		g.starting = 6
	}
	g.wanted, g.ready = n, min(g.ready, n)
}

func (g *group) sight(arrivals float64) policy.Sight {
	const interval = 15
	g.now = g.now.Add(interval * time.Second)
	if g.starting--; g.starting <= 0 {
		g.ready = g.wanted
	}
	busiest := (g.partitions + g.ready - 1) / g.ready
	could := g.perReplica * float64(g.partitions) / float64(busiest)
	consumed := min(could, arrivals+g.behind/interval)
	g.arrived += arrivals * interval
	g.behind += (arrivals - consumed) * interval
	g.rates = append(g.rates, arrivals)

	e := tidemark.Estimate{
		State:           tidemark.CaughtUp,
		Lag:             tidemark.Total{Complete: true, Partitions: g.partitions, Records: int64(g.behind)},
		Arrivals:        tidemark.Rate{PerSecond: arrivals, Error: arrivals / 100, Known: true},
		Consumption:     tidemark.Rate{PerSecond: consumed, Error: consumed / 100, Known: true},
		ReplicaCapacity: tidemark.Rate{PerSecond: g.perReplica, Error: g.perReplica / 100, Known: true},
		CapacityProven:  true,
	}
	switch {
	case g.behind > 30*arrivals && consumed > arrivals:
		e.State = tidemark.Draining
	case g.behind > 30*arrivals:
		e.State = tidemark.Growing
	}
	s := policy.Sight{At: g.now, Limits: policy.Limits{Min: 1, Max: g.partitions}, Wanted: g.wanted, Ready: g.ready}
	s.Group = tidemark.Group{Name: "billing", Phase: "Stable", Assignor: "range", Members: make([]tidemark.Member, g.ready)}
	for m := range s.Group.Members {
		s.Group.Members[m].ID = strconv.Itoa(m)
	}
	for i := range g.partitions {
		end := int64(g.arrived / float64(g.partitions))
		s.Rows = append(s.Rows, tidemark.Partition{Topic: "orders", ID: int32(i), LogEnd: end, Committed: max(0, end-int64(g.behind/float64(g.partitions)))})
		e.Partitions = append(e.Partitions, tidemark.PartitionEstimate{
			Topic: "orders", ID: int32(i),
			Arrivals:    tidemark.Rate{PerSecond: arrivals / float64(g.partitions), Known: true},
			Consumption: tidemark.Rate{PerSecond: consumed / float64(g.partitions), Known: true},
		})
		owner := &s.Group.Members[i*g.ready/g.partitions]
		owner.Assigned = append(owner.Assigned, tidemark.Assignment{Topic: "orders", Partitions: []int32{int32(i)}})
	}
	s.Estimate = e
	return s
}

// changes returns the steps between the sizes that were asked for.
func (g *group) changes(first int) (changes []int) {
	for _, n := range g.sizes {
		if n != first {
			changes = append(changes, n-first)
		}
		first = n
	}
	return changes
}

// steps is how many random looks the safety test takes: 10⁶ where TIDEMARK_LONG says
// that there is time for it.
func steps() int {
	if os.Getenv("TIDEMARK_LONG") != "" {
		return 1_000_000
	}
	return 20_000
}

// spoil makes a sight one that must not shrink a group, in one of the ways there are.
func spoil(s *policy.Sight, r *rand.Rand) {
	i := r.IntN(len(s.Rows))
	switch e := &s.Estimate; r.IntN(8) {
	case 0: // the coordinator did not answer
		s.Group.Reason = tidemark.Unreachable
	case 1: // nor the leader of one partition
		s.Rows[i].Reason, s.Rows[i].LogEnd = tidemark.Unreachable, tidemark.Unseen
		e.Lag.Complete, e.Lag.Missing, e.State = false, 1, tidemark.Unknown
	case 2: // too few looks yet
		e.ReplicaCapacity, e.State = tidemark.Rate{}, tidemark.Unknown
	case 3: // a whole topic is missing
		s.Rows, e.Partitions = nil, nil
	case 4: // a rebalance
		s.Group.Phase = "PreparingRebalance"
	case 5: // a partition stands still
		e.State, e.Partitions[i].Reason = tidemark.Stalled, tidemark.Stuck
	case 7: // nobody said who is a member
		s.Group.Unmet = tidemark.Unreachable
	case 6: // not all replicas are members
		s.Group.Members = s.Group.Members[:len(s.Group.Members)/2]
	}
}

// Source: capacity.md 2.8, G3 and G4; 3.5, fault safety.
func TestNothingUnknownEverShrinksAGroupAndNoLimitIsLeft(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	g := newGroup(12, 6)
	load, shrunk := 3000.0, 0
	for i := range steps() {
		if r.IntN(200) == 0 {
			load = 15_000 * r.Float64() * r.Float64()
		}
		s := g.sight(load * (0.9 + 0.2*r.Float64()))
		spoilt := r.IntN(4) == 0
		if spoilt {
			spoil(&s, r)
		}
		d := g.policy.Decide(s)
		if spoilt && d.Replicas < s.Wanted {
			t.Fatalf("step %d: %d replicas became %d although it must not shrink: %s", i, s.Wanted, d.Replicas, d.Because)
		}
		if d.Replicas < 1 || d.Replicas > 12 {
			t.Fatalf("step %d: %d replicas, limits 1 and 12", i, d.Replicas)
		}
		if d.Replicas < s.Wanted {
			shrunk++
		}
		g.follow(d.Replicas)
	}
	if got, want := shrunk, steps()/2000; got < want {
		t.Errorf("shrunk %d times in all, want at least %d for the test to mean anything", got, want)
	}
}

// Source: capacity.md 2.8, G1: while the load stays within half the distance of the
// two thresholds (0.88 and 0.94) there is at most one burst up and one sequence down.
func TestLoadWithinTheBandMakesNoCycle(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 5))
	for range 50 {
		partitions := 1 + r.IntN(40)
		first := 1 + r.IntN(partitions)
		g := newGroup(partitions, first)
		load := 800 * float64(partitions) * r.Float64()
		for range 8 * 60 {
			g.look(load * (1 + 0.03*(2*r.Float64()-1)))
		}
		down := false
		for _, change := range g.changes(first) {
			if change > 0 && down {
				t.Fatalf("%d partitions, %.0f/s from %d: grew after it had shrunk: %v", partitions, load, first, g.changes(first))
			}
			down = down || change < 0
		}
	}
}

// Source: capacity.md 2.8, G5: at constant load at most two changes, once the
// capacity is known.
func TestConstantLoadIsMetAfterTwoChanges(t *testing.T) {
	for partitions := 1; partitions <= 48; partitions++ {
		for first := 1; first <= partitions; first += 11 {
			load := 700 * float64(partitions) / 2
			g := newGroup(partitions, first)
			for range 4 * 60 {
				g.look(load)
			}
			if got := g.changes(first); len(got) > 2 {
				t.Errorf("%d partitions, %.0f/s from %d replicas: changes %v, want at most 2", partitions, load, first, got)
			}
			if per := (partitions + g.wanted - 1) / g.wanted; float64(per)*350 > 940 {
				t.Errorf("%d partitions, %.0f/s: ends with %d replicas, the busiest with %d partitions of 350/s", partitions, load, g.wanted, per)
			}
		}
	}
}

// Source: capacity.md 2.8, G2.
func TestNoLoadMakesItTakeBackMoreThanTwoChangesAnHour(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for range 8 {
		g := newGroup(24, 12)
		var grew []int
		shrank := -1000
		half := 1 + r.IntN(80)
		for i := range 24 * 60 {
			load := 1500.0
			if i/half%2 == 0 {
				load = 15_000
			}
			before := g.wanted
			switch d := g.look(load * (0.8 + 0.4*r.Float64())); {
			case d.Replicas < before:
				shrank = i
			case d.Replicas > before && i-shrank <= 60:
				grew, shrank = append(grew, i), -1000
			}
		}
		for i := 2; i < len(grew); i++ {
			if got := grew[i] - grew[i-2]; got < 240 {
				t.Errorf("period of %d looks: three changes taken back within %d looks, an hour has 240", half, got)
			}
		}
	}
}

func TestTenfoldJumpIsAnsweredByTheSecondLook(t *testing.T) {
	g := newGroup(24, 2)
	for range 100 {
		g.look(1200)
	}
	g.look(12_000)
	if got, want := g.wanted, 24; got != want {
		t.Errorf("replicas = %d, want %d: 12,000/s at 94 %% of 1,000/s, evenly on 24 partitions", got, want)
	}
}

func TestSlowdownIsBelievedForAnHourAndThenTriedAgain(t *testing.T) {
	g := newGroup(96, 9)
	for range 100 {
		g.look(7000)
	}
	normal := g.wanted
	g.perReplica = 500
	for range 100 {
		g.look(7000)
	}
	if got, want := g.wanted, 16; got < want {
		t.Errorf("replicas while each does 500/s = %d, want at least %d", got, want)
	}
	g.perReplica = 1000
	for range 400 {
		g.look(7000)
	}
	if got, want := g.wanted, normal; got > want {
		t.Errorf("replicas after the slowdown = %d, want no more than before, %d", got, want)
	}
}

func TestStuckPartitionIsNoReasonToGrow(t *testing.T) {
	g := newGroup(4, 2)
	for range 100 {
		g.look(1000)
	}
	for range 100 {
		s := g.sight(1000)
		s.Estimate.State = tidemark.Stalled
		s.Estimate.Partitions[0].Reason = tidemark.Stuck
		s.Estimate.Partitions[0].TimeLag = tidemark.TimeLag{Value: time.Hour, Known: true}
		s.Rows[0].Committed = 0
		if got, want := g.policy.Decide(s).Replicas, 2; got != want {
			t.Fatalf("replicas = %d, want %d", got, want)
		}
	}
}

// Source: capacity.md 2.6: if one partition is too much for a replica, the others set
// the size.
func TestPartitionTooHotForOneReplicaIsNoReasonToGrow(t *testing.T) {
	g := newGroup(4, 2)
	for range 100 {
		g.look(1000)
	}
	g.follow(4)
	for range 100 {
		s := g.sight(1500)
		s.Estimate.State = tidemark.Growing
		s.Estimate.Partitions[0].Arrivals.PerSecond = 12_000
		s.Estimate.Partitions[0].TimeLag = tidemark.TimeLag{Value: time.Hour, Known: true}
		s.Limits.Max = 40
		d := g.policy.Decide(s)
		if got, want := d.Replicas, 4; got > want {
			t.Fatalf("replicas = %d, want at most %d: %s", got, want, d.Because)
		}
	}
}

// Source: capacity.md 2.3, ineffective scale-up.
func TestGroupThatGrewInVainDoesNotGrowOnForHalfAnHour(t *testing.T) {
	g := newGroup(24, 6)
	for range 100 {
		g.look(4800)
	}
	grew := 0
	for look := range 200 {
		s := g.sight(9000)
		if look < 20 {
			s.Estimate.Diagnoses = []tidemark.Diagnosis{{Finding: tidemark.DownstreamLimit, Evidence: []tidemark.Figure{
				{Name: "replicas", Value: 6}, {Name: "replicas_before", Value: 4},
			}}}
		}
		if grew = look; g.policy.Decide(s).Replicas > 6 {
			break
		}
	}
	if got, want := grew, 20+120; got != want {
		t.Errorf("grew at look %d, want %d: half an hour after the last time it was found", got, want)
	}
}

// Source: docs/adr/0051.
func TestFourTenthsOfTheReserveOfAPlanAreKept(t *testing.T) {
	for _, c := range []struct {
		utilisation float64
		want        int
	}{{0, 6}, {0.7, 6}, {0.3, 8}} {
		g := newGroup(24, 24)
		g.policy = policy.New(policy.Options{Target: tidemark.Target{Utilisation: c.utilisation}})
		for range 4 * 60 {
			g.look(4800)
		}
		if got := g.wanted; got != c.want {
			t.Errorf("4,800/s at 1,000/s per replica, planned with %g: %d replicas, want %d", c.utilisation, got, c.want)
		}
	}
}

func TestDecisionSaysWhatTheBusiestReplicaHasToDo(t *testing.T) {
	g := newGroup(24, 6)
	var d policy.Decision
	for range 100 {
		if d = g.look(4800); d.Replicas != 6 {
			break
		}
	}
	if got, want := d.Because, "right: with 6 replicas the busiest has 800/s of 1000/s to do"; got != want {
		t.Errorf("because = %q, want %q", got, want)
	}
}
