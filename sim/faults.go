package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// Fault is something that goes wrong with a group of 6 replicas on 24 partitions that
// gets 60 % of what they can read, and what the diagnosis should call it.
type Fault struct {
	Name    string
	Finding tidemark.Finding // empty: nothing is wrong but the load
	rate    float64          // from then on, records per second
	fewer   int              // replicas before; 0: 6
	then    int              // replicas ten minutes into the fault; 0: as before
	change  func(*Scenario, []float64)
}

// When what happens, in seconds: what replicas can read shows after they have stood
// still; the fault begins; it is judged from then on, to the end.
const (
	faultStands  = 600
	faultResumes = 780
	faultBegins  = 1800
	faultMore    = 2400
	faultJudged  = 2820
	faultEnds    = 3900
)

// Faults returns those that are injected. Source: capacity.md 3.5.
func Faults() []Fault {
	const normal = 0.6 * drainReplicas * PerReplica
	during := span{faultBegins, faultEnds}
	nothing := func(*Scenario, []float64) {}
	return []Fault{
		{Name: "nothing", rate: normal, change: nothing},
		{Name: "more than six replicas can read", rate: 7500, change: nothing},
		{Name: "a partition is stuck", Finding: tidemark.StuckPartition, rate: normal, change: func(s *Scenario, _ []float64) { s.frozen = during }},
		{Name: "a replica limps", Finding: tidemark.SickReplica, rate: normal, change: func(s *Scenario, _ []float64) { s.limping = during }},
		{Name: "a key is hot", Finding: tidemark.HotKey, rate: normal, change: func(s *Scenario, share []float64) {
			hot := slices.Clone(share)
			for i := range hot {
				hot[i] *= 0.6
			}
			hot[7] += 0.4
			s.logs.change(faultBegins, hot)
		}},
		{Name: "a shared limit", Finding: tidemark.DownstreamLimit, rate: 5000, then: 2 * drainReplicas, change: func(s *Scenario, _ []float64) { s.limit = 4000 }},
		{Name: "too few partitions", Finding: tidemark.PartitionCap, rate: 28_000, fewer: drainPartitions, change: nothing},
	}
}

// Score is how often one finding was right, in looks.
type Score struct {
	Finding              tidemark.Finding
	Right, Wrong, Missed int
}

// F1 is the harmonic mean of precision and recall: 2·right/(2·right+wrong+missed).
func (s Score) F1() float64 {
	if s.Right == 0 {
		return 0
	}
	return 2 * float64(s.Right) / float64(2*s.Right+s.Wrong+s.Missed)
}

// Diagnose injects every fault with seeds 1 to n, and counts at every look from the
// 17th minute of the fault on what the diagnosis finds. macro is the mean of the F1.
func Diagnose(n int) (scores []Score, macro float64) {
	for _, f := range []tidemark.Finding{
		tidemark.StuckPartition, tidemark.SickReplica, tidemark.HotKey, tidemark.DownstreamLimit, tidemark.PartitionCap,
	} {
		scores = append(scores, Score{Finding: f})
	}
	for _, f := range Faults() {
		for seed := range n {
			f.judge(uint64(seed+1), scores)
		}
	}
	for _, s := range scores {
		macro += s.F1() / float64(len(scores))
	}
	return scores, macro
}

// judge lets a fault happen and adds to the scores what was found.
func (f Fault) judge(seed uint64, scores []Score) {
	w := newWorld(f.scenario(seed), capacity.AssignRange, max(drainReplicas, f.fewer))
	l := newLooker(w, true)
	for w.now < faultEnds {
		switch {
		case w.now == faultStands:
			w.stopped = faultResumes
			w.halt()
		case w.now == faultMore && f.then > 0:
			w.want(f.then)
		}
		w.second()
		if !l.due() {
			continue
		}
		if found := l.look().Estimate.Diagnoses; w.now >= faultJudged {
			f.count(found, scores)
		}
	}
}

func (f Fault) count(found []tidemark.Diagnosis, scores []Score) {
	for i := range scores {
		s := &scores[i]
		told := slices.ContainsFunc(found, func(d tidemark.Diagnosis) bool { return d.Finding == s.Finding })
		switch {
		case told && f.Finding == s.Finding:
			s.Right++
		case told:
			s.Wrong++
		case f.Finding == s.Finding:
			s.Missed++
		}
	}
}

func (f Fault) scenario(seed uint64) *Scenario {
	random := seed<<8 + 201
	r := rand.New(rand.NewPCG(random, 1))
	rate := noisy(func(hour float64) float64 {
		if hour*3600+warmUp < faultBegins {
			return 0.6 * drainReplicas * PerReplica
		}
		return f.rate
	}, 1, r)
	share := zipf(drainPartitions, 0, r)
	s := steady(f.Name, seed, random, rate, share)
	f.change(s, share)
	return s
}
