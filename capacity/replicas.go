package capacity

import (
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// The target of a group for which none is configured. Source: contracts.md 8.
const (
	defaultDrain       = 10 * time.Minute
	defaultUtilisation = 0.7
)

// Demand is what a group has to do: what arrives, in records per second, and what waits.
type Demand struct {
	Arrivals float64
	Backlog  float64
}

// PerSecond returns the rate that meets the demand: λ + B/T.
//
// 10,000 records within 600 s are 16.7/s; with 14.7/s arriving 31.4/s.
// Source: reference-deployment.md, Required capacity.
func (d Demand) PerSecond(drain time.Duration) float64 {
	return d.Arrivals + d.Backlog/drain.Seconds()
}

// Need returns how many replicas meet the demand, before any cap, at least 1.
//
// It is ceil((λ + B/T)/(ρ·μ)); perReplica is μ in records per second. 10,000
// records in 600 s at 2.7/s and ρ = 1 need 7, with 14.7/s arriving 12; at ρ = 0.7
// the first needs 9. Source: contracts.md 8.
func Need(d Demand, perReplica float64, t tidemark.Target) int {
	t = WithDefaults(t)
	return ceil(d.PerSecond(t.Drain) / (t.Utilisation * perReplica))
}

// EvenNeed returns how many replicas meet the demand if it is spread evenly over
// the partitions, which cannot be split: ceil(P/m) for m partitions per replica,
// where m is what ρ·μ carries of arrivals and μ of arrivals and backlog. ok is
// false if one partition is already too much for one replica: m = 0.
//
// 4/s on 3 partitions at 2.7/s and ρ = 1: two replicas would carry 5.4/s, but the
// busier one owns two partitions with 2.67/s, so m = 2 and two are enough; at 4.2/s
// m = 1, and it takes three. Source: contracts.md 8.
func EvenNeed(d Demand, partitions int, perReplica float64, t tidemark.Target) (replicas int, ok bool) {
	t = WithDefaults(t)
	each := Demand{Arrivals: d.Arrivals / float64(partitions), Backlog: d.Backlog / float64(partitions)}
	m := math.Min(t.Utilisation*perReplica/each.Arrivals, perReplica/each.PerSecond(t.Drain))
	m = math.Floor(math.Min(m, float64(partitions)) + rounding)
	if m < 1 {
		return 0, false
	}
	return ceil(float64(partitions) / m), true
}

// Staircase returns the replica counts that differ in what the busiest replica
// owns, smallest first: {ceil(P/m)}. Any other count is as slow as a smaller one.
// The last is the largest that still helps.
//
// 7 partitions: 1, 2, 3, 4, 7. Source: capacity.md 2.6.
func Staircase(partitions int) []int {
	var steps []int
	for m := partitions; m >= 1; m-- {
		step := (partitions + m - 1) / m
		if len(steps) == 0 || steps[len(steps)-1] != step {
			steps = append(steps, step)
		}
	}
	return steps
}

// Speedup returns how many times one replica's rate that many replicas reach on
// evenly loaded partitions: P/ceil(P/R), since the busiest owns ceil(P/R).
//
// 2 replicas on 3 partitions are 1.5 times one, 4.05/s at 2.7/s, not 5.4/s.
// Source: capacity.md 1.2 and 2.6.
func Speedup(partitions, replicas int) float64 {
	if partitions <= 0 || replicas <= 0 {
		return 0
	}
	return float64(partitions) / float64((partitions+replicas-1)/replicas)
}

// ScaleHint returns the seed's hint: ceil(demand/capacity), at least 1. Demand is
// the arrival rate plus what the backlog needs, capacity that of one replica, both
// in records per second; with no data yet capacity is 0 and demand too: 1.
//
// At 2.7/s: 0.01 → 1, 5 → 2, 8 → 3, 15 → 6. Source: reference-deployment.md, Scale hint.
func ScaleHint(demand, capacity float64) int {
	return ceil(max(demand, 0) / max(capacity, 0.001))
}

// WithDefaults returns the target with what it leaves open: 10 minutes for a backlog,
// 70 % of a replica. Source: contracts.md 8.
func WithDefaults(t tidemark.Target) tidemark.Target {
	if t.Drain <= 0 {
		t.Drain = defaultDrain
	}
	if t.Utilisation <= 0 {
		t.Utilisation = defaultUtilisation
	}
	return t
}

// rounding keeps 3·2.7/2.7 from needing four.
const rounding = 1e-9

// ceil rounds up to a count of at least 1 that an int holds on any machine.
func ceil(x float64) int {
	return int(max(1, math.Ceil(min(x, math.MaxInt32)-rounding)))
}
