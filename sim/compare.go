package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/policy"
)

// Result is what one policy did in one scenario with one seed.
type Result struct {
	Policy, Scenario string
	Reference        bool // of the policy, as in [Entrant]
	Core, Winnable   bool
	Seed             uint64
	Days             float64 // that were scored; what follows is for all of them, but for the shares
	Late             float64 // minutes with a record older than 60 s, beyond those of the largest size
	Avoidable        float64 // of these, minutes outside jumps that no reaction could have met
	P95, P99         time.Duration
	ReplicaHours     float64
	Clairvoyant      float64 // ReplicaHours over those of a policy that knows the future
	Actions          int
	Rebalances       int
	Reversals        int // changes that took the one before back within 15 minutes
}

// Entrants are the policies that are compared. The incumbents get their defaults
// and the settings that suited them best.
func Entrants() []Entrant {
	entrant := func(name string, p func() policy.Policy) Entrant {
		return Entrant{Name: name, New: func(*Scenario) policy.Policy { return p() }}
	}
	tuned := func(name string, p func(threshold float64) policy.Policy) Entrant {
		return Entrant{Name: name, New: func(s *Scenario) policy.Policy { return p(10 * s.PerReplica) }}
	}
	quick := policy.Flink{
		Window: time.Minute, Stabilise: 2 * time.Minute, CatchUp: 10 * time.Minute, Restart: time.Minute, DownAfter: 15 * time.Minute,
	}
	lean := policy.Flink{
		Utilisation: 0.8, Boundary: 0.15, Window: 3 * time.Minute, Stabilise: 3 * time.Minute,
		CatchUp: 10 * time.Minute, Restart: time.Minute, DownAfter: 10 * time.Minute,
	}
	return []Entrant{
		{Name: "always P", New: newAlways, Reference: true},
		entrant("seed", func() policy.Policy { return &policy.Seed{} }),
		entrant("KEDA threshold 10", func() policy.Policy { return &policy.KEDA{} }),
		entrant("KEDA threshold 100", func() policy.Policy { return &policy.KEDA{Threshold: 100} }),
		tuned("KEDA 10 s of work", func(t float64) policy.Policy { return &policy.KEDA{Threshold: t} }),
		tuned("KEDA 10 s of work, even", func(t float64) policy.Policy { return &policy.KEDA{Threshold: t, Even: true} }),
		tuned("KEDA 10 s of work, 30 min", func(t float64) policy.Policy { return &policy.KEDA{Threshold: t, Window: 30 * time.Minute} }),
		{Name: "rate 70 %, μ given", New: func(s *Scenario) policy.Policy {
			return &policy.Rate{PerReplica: s.PerReplica, Window: 15 * time.Minute}
		}},
		entrant("HPA 70 %", func() policy.Policy { return &policy.HPA{} }),
		entrant("HPA 50 %, 30 min", func() policy.Policy { return &policy.HPA{Target: 0.5, Window: 30 * time.Minute} }),
		entrant("Flink-like", func() policy.Policy { return &policy.Flink{} }),
		entrant("Flink-like, quick", func() policy.Policy { f := quick; return &f }),
		entrant("Flink-like, lean", func() policy.Policy { f := lean; return &f }),
		entrant("DS2-like ×1.2", func() policy.Policy { return &policy.DS2{} }),
		{Name: "tidemark", Estimates: true, New: ours},
		{Name: "tidemark, load-aware", Estimates: true, Assignor: capacity.AssignLoadAware, New: ours},
		{Name: "clairvoyant", New: newClairvoyant, Reference: true},
	}
}

func ours(*Scenario) policy.Policy { return policy.New(policy.Options{TimeLag: tooLate * time.Second}) }

func newAlways(*Scenario) policy.Policy { return policy.Always{} }

// Compare lets every entrant run every scenario.
func Compare(entrants []Entrant, scenarios []*Scenario) []Result {
	var results []Result
	for _, s := range scenarios {
		largest := simulate(s, Entrant{New: newAlways})
		excused := newLoad(s).beyond()
		days := float64(s.length-s.warmUp) / day
		best := simulate(s, Entrant{New: newClairvoyant})
		for _, e := range entrants {
			r := simulate(s, e)
			late, avoidable := minutesLate(r, largest, excused)
			results = append(results, Result{
				Policy: e.Name, Reference: e.Reference, Scenario: s.Name, Core: s.Core, Winnable: s.Winnable, Seed: s.Seed, Days: days,
				Late: late, Avoidable: avoidable, P95: r.quantile(0.95), P99: r.quantile(0.99),
				ReplicaHours: r.hours, Clairvoyant: r.hours / best.hours,
				Actions: r.actions, Rebalances: r.rebalances, Reversals: r.reversals,
			})
		}
	}
	return results
}

// minutesLate counts what was late with r and in time with the largest size, and of
// this what is not excused.
func minutesLate(r, largest run, excused []bool) (late, avoidable float64) {
	for t := range r.late {
		if r.late[t] <= tooLate || largest.late[t] > tooLate {
			continue
		}
		late += 1.0 / 60
		if !excused[t] {
			avoidable += 1.0 / 60
		}
	}
	return late, avoidable
}

// Band is the median of several values, and what nine of ten lie between.
type Band struct{ Median, Low, High float64 }

func band(values []float64) Band {
	slices.Sort(values)
	at := func(q float64) float64 {
		place := q * float64(len(values)-1)
		i := int(place)
		if i+1 >= len(values) {
			return values[i]
		}
		return values[i] + (place-float64(i))*(values[i+1]-values[i])
	}
	return Band{Median: at(0.5), Low: at(0.05), High: at(0.95)}
}

// Row is one policy over several seeds. Every figure is the mean over the scenarios
// of one seed, and the band is over the seeds.
type Row struct {
	Policy                         string
	Reference                      bool
	Late, Avoidable, P95, P99      Band // minutes a day; seconds
	ReplicaHours, Clairvoyant      Band
	Actions, Rebalances, Reversals Band // a day
}

// Summarise makes one row per policy, in the order of the results, of those that
// keep allows.
func Summarise(results []Result, keep func(Result) bool) []Row {
	var rows []Row
	results = slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return !keep(r) })
	var names []string
	for _, r := range results {
		if !slices.Contains(names, r.Policy) {
			names = append(names, r.Policy)
		}
	}
	for _, name := range names {
		of := slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Policy != name })
		slices.SortStableFunc(of, func(a, b Result) int { return cmp.Compare(a.Seed, b.Seed) })
		figure := func(f func(Result) float64) Band { return band(bySeed(of, f)) }
		perDay := func(f func(Result) float64) Band {
			return figure(func(r Result) float64 { return f(r) / r.Days })
		}
		rows = append(rows, Row{
			Policy:       name,
			Reference:    of[0].Reference,
			Late:         perDay(func(r Result) float64 { return r.Late }),
			Avoidable:    perDay(func(r Result) float64 { return r.Avoidable }),
			P95:          figure(func(r Result) float64 { return r.P95.Seconds() }),
			P99:          figure(func(r Result) float64 { return r.P99.Seconds() }),
			ReplicaHours: perDay(func(r Result) float64 { return r.ReplicaHours }),
			Clairvoyant:  figure(func(r Result) float64 { return r.Clairvoyant }),
			Actions:      perDay(func(r Result) float64 { return float64(r.Actions) }),
			Rebalances:   perDay(func(r Result) float64 { return float64(r.Rebalances) }),
			Reversals:    perDay(func(r Result) float64 { return float64(r.Reversals) }),
		})
	}
	return rows
}

// bySeed returns the mean of a figure over the results of each seed, which come in
// the order of their seeds.
func bySeed(results []Result, figure func(Result) float64) []float64 {
	var means []float64
	for len(results) > 0 {
		n, sum := 0, 0.0
		for n < len(results) && results[n].Seed == results[0].Seed {
			sum += figure(results[n])
			n++
		}
		means = append(means, sum/float64(n))
		results = results[n:]
	}
	return means
}
