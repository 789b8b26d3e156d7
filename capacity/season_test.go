package capacity_test

import (
	"math"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
)

// days lets a load run for some days, looked at every five minutes, and returns the
// last estimate. What arrives at an hour of the day is read at once.
func (w *world) days(n float64, perSecond func(hour float64) float64) (e tidemark.Estimate) {
	w.t.Helper()
	const step = 5 * time.Minute
	p := &w.partitions[0]
	for until := w.now.Add(time.Duration(n * 24 * float64(time.Hour))); w.now.Before(until); {
		for range 5 { // looks come in fives, 15 s apart: rates take three
			w.now = w.now.Add(15 * time.Second)
			p.end += math.Floor(15 * perSecond(math.Mod(w.now.Sub(epoch).Hours(), 24)))
			p.read, p.committed = p.end, p.end
			e = w.look()
		}
		w.now = w.now.Add(step - 75*time.Second)
		p.end += math.Floor((step - 75*time.Second).Seconds() * perSecond(math.Mod(w.now.Sub(epoch).Hours(), 24)))
	}
	return e
}

// proven makes the group's replicas show that they read 100/s each.
func (w *world) proven() {
	w.perMember, w.even = 100, true
	w.backlog(30_000)
	w.run(10 * time.Minute)
}

// wave doubles and halves within the day; it is steepest at 0 and 12 o'clock.
func wave(hour float64) float64 { return 190 * math.Exp2(1.5*math.Sin(2*math.Pi*hour/24)) }

// Source: capacity.md 2.2: season, if its back-test beats the level.
func TestLoadOfTheDayIsForeseenOnceItHasToldBetterThanThePresent(t *testing.T) {
	need := func(days float64, load func(float64) float64) int {
		w := newWorld(t, 1, 1)
		w.proven()
		e := w.days(days, load)
		if !e.Replicas.Known {
			t.Fatalf("replicas are not known: %s because %s", e.State, e.Because)
		}
		return e.Replicas.Needed
	}
	// Half an hour after midnight's 199/s the wave is at 228/s; 210/s are what three can bear at 70 %.
	if got, want := need(1, wave), 3; got != want {
		t.Errorf("on the first day %d, want %d: nothing is foreseen", got, want)
	}
	if got, want := need(4, wave), 4; got != want {
		t.Errorf("on the fourth day %d, want %d: it rises now", got, want)
	}
	// It falls at noon: no forecast takes a replica away.
	if got, want := need(4.5, wave), 3; got != want {
		t.Errorf("at noon of the fourth day %d, want %d: a forecast takes nothing away", got, want)
	}
	if got, want := need(4, func(float64) float64 { return 200 }), 3; got != want {
		t.Errorf("with a load that does not change %d, want %d", got, want)
	}
}
