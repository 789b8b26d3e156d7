package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// Work is what a group has to do, partition by partition, and what it is done with.
type Work struct {
	Deal               // Load is what arrives; Members is how many there are now
	Backlog  []float64 // records, by partition
	Assignor string
	Replica  float64 // records per second that one replica reads
	Thread   float64 // records per second that one partition's reader reads; 0: as a replica
	Target   tidemark.Target
	TimeLag  time.Duration // how long a record may wait; 0: 5 minutes
}

// WorkOf returns the work of a group as it was seen and estimated. ok is false
// while what arrives or what a replica can read is not known, or the lag of some
// partition is not: of what was not seen no plan can be made. Nor is it for share
// groups, whose members share every partition: there [Need] is the answer.
func WorkOf(g tidemark.Group, rows []tidemark.Partition, e tidemark.Estimate, t tidemark.Target) (w Work, ok bool) {
	if g.Type == "share" || !e.ReplicaCapacity.Known || !e.Lag.Complete || len(rows) == 0 || len(rows) != len(e.Partitions) {
		return Work{}, false
	}
	w = Work{Assignor: g.Assignor, Replica: e.ReplicaCapacity.PerSecond, Thread: e.ThreadCapacity.PerSecond, Target: WithDefaults(t)}
	w.Members = max(e.Replicas.Have, len(g.Members))
	owners := ownersOf(g)
	for i := range rows {
		lag, known := rows[i].Lag()
		if !known && rows[i].Committed != tidemark.Uncommitted || !e.Partitions[i].Arrivals.Known {
			return Work{}, false
		}
		if i == 0 || rows[i].Topic != rows[i-1].Topic {
			w.Topics = append(w.Topics, 0)
		}
		w.Topics[len(w.Topics)-1]++
		owner, owned := owners[place(rows[i].Topic, rows[i].ID)]
		if !owned {
			owner = -1
		}
		w.Load, w.Owner = append(w.Load, e.Partitions[i].Arrivals.PerSecond), append(w.Owner, owner)
		if e.State == tidemark.CaughtUp || e.State == tidemark.Idle {
			lag = 0 // it is in flight
		}
		w.Backlog = append(w.Backlog, float64(lag))
	}
	return w, true
}

func ownersOf(g tidemark.Group) map[string]int {
	owners := map[string]int{}
	for m := range g.Members {
		for _, a := range g.Members[m].Assigned {
			for _, id := range a.Partitions {
				owners[place(a.Topic, id)] = m
			}
		}
	}
	return owners
}

// Times returns the work with so many times the arrivals.
func (w Work) Times(factor float64) Work {
	w.Load = slices.Clone(w.Load)
	for i := range w.Load {
		w.Load[i] *= factor
	}
	return w
}

// WithPartitions returns the work on so many partitions. What arrives is spread
// evenly over them, which keys need not do; what waits stays where it is, so new
// partitions do not help to drain it. Fewer cannot be.
func (w Work) WithPartitions(n int) Work {
	before := len(w.Load)
	if n <= before || before == 0 {
		return w
	}
	total := 0.0
	for _, l := range w.Load {
		total += l
	}
	w.Topics = nil
	w.Load = slices.Repeat([]float64{total / float64(n)}, n)
	w.Backlog = append(slices.Clone(w.Backlog), make([]float64, n-before)...)
	w.Owner = append(slices.Clone(w.Owner), slices.Repeat([]int{-1}, n-before)...)
	return w
}

// Choice is one number of replicas, and what comes of it.
type Choice struct {
	Replicas int
	Busiest  float64       // records per second that arrive at the busiest replica
	Drain    time.Duration // until the last replica is done, if Drains
	Drains   bool
	Headroom float64 // share of what the busiest can read that does not arrive
	Jump     float64 // times what arrives now that may come at once; see [Jump]
	Meets    bool    // the target
	Because  string  // which constraint rules it out, or how it meets the target
}

// Choices returns what comes of each useful number of replicas, smallest first: the
// steps of the staircase and, between the last that is too small and the first that
// is not, whatever is smallest. Source: capacity.md 2.6.
func (w Work) Choices() []Choice {
	var all []Choice
	before := 0
	met := false
	for _, n := range Staircase(len(w.Load)) {
		c := w.Choice(n)
		for less := before + 1; c.Meets && !met && less < n; less++ {
			if between := w.Choice(less); between.Meets { // an uneven load has steps of its own
				all = append(all, between)
				break
			}
		}
		met = met || c.Meets
		all, before = append(all, c), n
	}
	return all
}

// Least returns the smallest number of replicas that meets the target, as the group's
// assignor would deal out its partitions. ok is false if none does: then it is the
// smallest of those whose busiest replica has least to do, and says what rules the
// target out.
//
// 4, 1, 1 and 1 records/s at 5/s each and ρ = 0.9, dealt out in ranges: two replicas
// give the busier one 5/s, over 4.5; with three it still has two partitions, 5/s; it
// takes four.
// Source: capacity.md 2.6, R*.
func (w Work) Least() (c Choice, ok bool) {
	var best Choice
	for _, c := range w.Choices() {
		if c.Meets {
			return c, true
		}
		if best.Replicas == 0 || c.Busiest < best.Busiest*(1-rounding) || c.Drains && !best.Drains {
			best = c
		}
	}
	return best, false
}

// Choice returns what comes of so many replicas.
func (w Work) Choice(replicas int) Choice {
	w.Members = replicas
	w.Target = WithDefaults(w.Target)
	owners := Assign(w.Assignor, w.Deal)
	arrives, waits := make([]float64, replicas), make([]float64, replicas)
	hottest := -1
	for i, m := range owners {
		if m < 0 {
			continue
		}
		arrives[m] += w.Load[i]
		waits[m] += w.Backlog[i]
		if hottest < 0 || w.Load[i] > w.Load[hottest] {
			hottest = i
		}
	}
	c := Choice{Replicas: replicas, Drains: true}
	slowest := 0
	for m := range arrives {
		c.Busiest = max(c.Busiest, arrives[m])
		if d, ends := w.drain(arrives[m], waits[m]); !ends || d > c.Drain {
			c.Drain, c.Drains, slowest = d, c.Drains && ends, m
		}
	}
	c.Headroom = 1 - c.Busiest/max(w.Replica, rounding)
	if hottest >= 0 {
		c.Jump = Jump(c.Busiest, w.Load[hottest], w.Replica, leadTime, cmp.Or(w.TimeLag, defaultTimeLag))
		c.Meets, c.Because = w.judge(c, w.Load[hottest], arrives[slowest], waits[slowest])
	}
	return c
}

// drain is B/(μ − λ), of one replica.
func (w Work) drain(arrives, waits float64) (d time.Duration, ends bool) {
	switch net := w.Replica - arrives; {
	case waits == 0:
		return 0, true
	case net <= 0:
		return 0, false
	default:
		return time.Duration(min(waits/net, 1e9) * float64(time.Second)), true
	}
}

// judge holds a choice against the target, constraint by constraint.
func (w Work) judge(c Choice, hottest, arrives, waits float64) (meets bool, because string) {
	thread, reserve := w.Replica, w.Target.Utilisation
	if w.Thread > 0 {
		thread = min(thread, w.Thread)
	}
	soon := waits <= w.Replica*cmp.Or(w.TimeLag, defaultTimeLag).Seconds()/2
	switch {
	case hottest > reserve*thread*(1+rounding):
		return false, fmt.Sprintf("one partition gets %s, its one reader shall have at most %s", perSecond(hottest), perSecond(reserve*thread))
	case c.Busiest > reserve*w.Replica*(1+rounding):
		return false, fmt.Sprintf("the busiest gets %s, it shall have at most %s", perSecond(c.Busiest), perSecond(reserve*w.Replica))
	case !c.Drains:
		return false, fmt.Sprintf("one gets %s with %s and never drains", perSecond(arrives), records(int64(waits)))
	case !soon && c.Drain > w.Target.Drain+time.Millisecond:
		return false, fmt.Sprintf("the backlog is gone in %s, later than %s", lasting(c.Drain), lasting(w.Target.Drain))
	case waits == 0:
		return true, fmt.Sprintf("the busiest gets %s, %.0f %% of what it can", perSecond(c.Busiest), 100*c.Busiest/w.Replica)
	}
	return true, fmt.Sprintf("the busiest gets %s, %.0f %% of what it can, and the backlog is gone in %s", perSecond(c.Busiest), 100*c.Busiest/w.Replica, lasting(c.Drain))
}

// PartitionsNeeded returns how many partitions carry such arrivals at their peak: each
// at most ρ·ν, and three for each replica, so that one replica more does not wait for
// twice as many; as the next of 3, 6, 12, 24, 48, 60, 120 and their multiples of 60.
//
// 100/s at 2.7/s per replica and ρ = 0.7 take 53 replicas: 159, so 180.
// Source: capacity.md 2.7.
func PartitionsNeeded(peak, perReplica float64, t tidemark.Target) int {
	t = WithDefaults(t)
	replicas := ceil(peak / (t.Utilisation * perReplica))
	least := 3 * replicas
	if replicas == 1 {
		least = 1
	}
	for _, step := range []int{1, 3, 6, 12, 24, 48} {
		if least <= step {
			return step
		}
	}
	return int(math.Ceil(float64(least)/60)) * 60
}

// Day is a row of the planning table: what so many events a day take.
type Day struct {
	Events               float64 // a day
	PerSecond            float64
	Minimum              int     // replicas, from what arrives alone
	Replicas, Partitions int     // as chosen
	Sustains             float64 // records per second that the choice reads
	SustainsPerDay       float64
	Headroom             float64 // share of that which does not arrive
}

// PlanDay returns the row for a choice of replicas and partitions.
//
// 10,000 a day on 2 replicas and 3 partitions at 2.7/s: 0.12/s arrive, one replica
// would do, two sustain 4.05/s or 349,920 a day. Source: contracts.md 8.
func PlanDay(events, perReplica float64, replicas, partitions int) Day {
	d := Day{Events: events, PerSecond: events / 86_400, Replicas: replicas, Partitions: partitions}
	d.Minimum = ceil(d.PerSecond / perReplica)
	d.Sustains = perReplica * Speedup(partitions, replicas)
	d.SustainsPerDay = d.Sustains * 86_400
	d.Headroom = 1 - d.PerSecond/d.Sustains
	return d
}

// PlanningTable returns the seed's three rows, at what one replica reads.
// Source: reference-deployment.md, Capacity planning table.
func PlanningTable(perReplica float64) []Day {
	return []Day{PlanDay(100, perReplica, 1, 3), PlanDay(10_000, perReplica, 2, 3), PlanDay(100_000, perReplica, 6, 6)}
}
