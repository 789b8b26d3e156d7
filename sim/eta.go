package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// A drain of the evaluation: 24 partitions on 6 replicas that stand still for ten
// minutes and then catch up. Source: capacity.md 2.4.
const (
	drainPartitions = 24
	drainReplicas   = 6
	drainBegins     = 900
	drainStandstill = 600
	drainLasts      = 3 * 3600
)

// Guess is what the model said at one look while a lag was there.
type Guess struct {
	Load     float64 // arrivals over capacity
	State    tidemark.State
	Told     tidemark.Drain
	True     time.Duration // until the lag was gone
	Gone     bool          // it went within three hours
	Capacity float64       // of one replica as told over what it was; 0: not told yet
	After    time.Duration // since the group reads again
}

// Guesses returns what the model says about one drain, at every look from the third
// minute on until the lag is gone, for a load that is a share of the capacity.
func Guesses(load float64, seed uint64) []Guess {
	w := newWorld(drain(load, seed), capacity.AssignRange, drainReplicas)
	l := newLooker(w, true)
	var guesses []Guess
	var asked []int
	resumed := drainBegins + drainStandstill
	for w.now < resumed+drainLasts {
		if w.now == drainBegins {
			w.stopped = resumed
			w.halt()
		}
		w.second()
		if w.now > resumed && w.caughtUp() {
			return settle(guesses, asked, w.now)
		}
		if !l.due() {
			continue
		}
		e := l.look().Estimate
		if after := w.now - resumed; after >= 180 {
			asked = append(asked, w.now)
			guesses = append(guesses, Guess{
				Load: load, State: e.State, Told: e.Drain, After: time.Duration(after) * time.Second,
				Capacity: e.ReplicaCapacity.PerSecond / PerReplica,
			})
		}
	}
	return guesses
}

// settle fills in when the lag was gone.
func settle(guesses []Guess, asked []int, gone int) []Guess {
	for i := range guesses {
		guesses[i].Gone = true
		guesses[i].True = time.Duration(gone-asked[i]) * time.Second
	}
	return guesses
}

// drain is a scenario with an even load and replicas whose rate wanders by 5 %.
func drain(load float64, seed uint64) *Scenario {
	random := seed<<8 + 200
	r := rand.New(rand.NewPCG(random, 1))
	rate := noisy(func(float64) float64 { return load * drainReplicas * PerReplica }, 1, r)
	speed := noisy(func(float64) float64 { return PerReplica }, 1, r)
	s := steady("drain", seed, random, rate, zipf(drainPartitions, 0, r))
	s.speed = func(second int) float64 { return speed[min(second, length-1)] }
	return s
}

// caughtUp says that nobody has more to read than came within two seconds.
func (w *world) caughtUp() bool {
	for i := range w.partitions {
		end := w.logs.end(i, w.now)
		if !w.flows(i) && end-w.partitions[i].read > 2*(end-w.logs.end(i, w.now-1)) {
			return false
		}
	}
	return true
}

// Accuracy is how good guesses were, all shares of 1.
type Accuracy struct {
	Guesses   int     // with a number, about a lag that went
	Median    float64 // of |told − true| / true
	Mean      float64
	Covered   float64 // true within P10 to P90
	Silent    float64 // no number although the lag went
	Capacity  float64 // capacity of a replica told to within 10 %, of all that told one
	Precision float64 // of "it never drains": the lag did not go
	Recall    float64
}

// shortest is the least time left that guesses are measured at: two looks.
const shortest = 2 * lookEvery * time.Second

// Judge compares guesses with what happened.
func Judge(guesses []Guess) Accuracy {
	var a Accuracy
	var off []float64
	covered, silent, went, told, right, grows, both, never := 0, 0, 0, 0, 0, 0, 0, 0
	for _, g := range guesses {
		if g.Capacity > 0 {
			told++
			right += b2i(math.Abs(g.Capacity-1) <= 0.1)
		}
		grows += b2i(g.Told.Verdict == tidemark.NeverDrains)
		never += b2i(!g.Gone)
		both += b2i(g.Told.Verdict == tidemark.NeverDrains && !g.Gone)
		if !g.Gone || g.True < shortest {
			continue
		}
		went++
		if !g.Told.Known || g.State != tidemark.Draining {
			silent++
			continue
		}
		off = append(off, math.Abs(g.Told.P50.Seconds()/g.True.Seconds()-1))
		covered += b2i(g.Told.P10 <= g.True && g.True <= g.Told.P90)
	}
	a.Guesses = len(off)
	if len(off) > 0 {
		slices.Sort(off)
		a.Median = off[len(off)/2]
		for _, o := range off {
			a.Mean += o / float64(len(off))
		}
	}
	a.Covered, a.Silent = share(covered, len(off)), share(silent, went)
	a.Capacity, a.Precision, a.Recall = share(right, told), share(both, grows), share(both, never)
	return a
}

// share returns n of all, and 1 of nothing: nothing wrong was said.
func share(n, all int) float64 {
	if all == 0 {
		return 1
	}
	return float64(n) / float64(all)
}
