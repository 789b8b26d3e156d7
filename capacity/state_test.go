package capacity_test

import (
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
)

func TestCommitsEvery5sLookedAtEvery15sDoNotMakeTheStateFlap(t *testing.T) {
	w := newWorld(t, 3, 2)
	w.arrivals, w.perMember = 120, 100
	for i, e := range w.run(time.Hour) {
		if i > 0 && e.State != tidemark.CaughtUp {
			t.Errorf("look %d: state = %s, want caught_up; because %s", i, e.State, e.Because)
		}
	}
}

func TestDrainingSaysSoWithTheNumbers(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 122, 163.0/3
	w.backlog(60_000)
	w.run(2 * time.Minute)
	for _, e := range w.run(8 * time.Minute) {
		wantState(t, e, tidemark.Draining)
	}
	e := w.after(time.Minute)
	t.Log(e.Because, e.Drain, e.ReplicaCapacity, e.Replicas)
}
