package capacity_test

import (
	"math"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

func wantAhead(t *testing.T, what string, got tidemark.Ahead, want time.Duration) {
	t.Helper()
	if !got.Known || got.Never || math.Abs(got.In.Seconds()-want.Seconds()) > 0.1*want.Seconds()+5 {
		t.Errorf("%s = %+v, want in %s", what, got, want)
	}
}

// Source: capacity.md 2.4, never and may never drain.
func TestVerdictSaysNeverOnlyWhereTheRatesSaySo(t *testing.T) {
	for name, c := range map[string]struct {
		arrivals, perMember float64
		members             int
		want                tidemark.Verdict
	}{
		"drains":           {100, 100, 3, tidemark.Drains},
		"grows":            {400, 100, 3, tidemark.NeverDrains},
		"too close":        {300, 100, 3, tidemark.MayNeverDrain},
		"nobody reads":     {100, 100, 0, tidemark.NeverDrains},
		"nothing to drain": {0, 100, 3, tidemark.NothingToDrain},
	} {
		w := newWorld(t, 3, c.members)
		w.arrivals, w.perMember = c.arrivals, c.perMember
		if c.arrivals > 0 {
			w.backlog(300_000)
		}
		if e := w.after(3 * time.Minute); e.Drain.Verdict != c.want {
			t.Errorf("%s: %q, want %q; %s because %s", name, e.Drain.Verdict, c.want, e.State, e.Because)
		}
	}
}

func TestGroupThatNobodyReadsPassesItsThresholdsInTime(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember, w.even = 60, 100, true
	w.aged()
	w.limits = tidemark.Thresholds{LagRecords: 36_000, TimeLag: 10 * time.Minute}
	w.run(5 * time.Minute)
	if e := w.look(); !e.Breach.Lag.Never || !e.Breach.TimeLag.Never || !e.Breach.Lag.Known || !e.Breach.TimeLag.Known {
		t.Errorf("breach = %+v while it keeps up, want it out of sight", e.Breach)
	}
	w.staff(0)
	e := w.after(4 * time.Minute)
	wantAhead(t, "lag breach", e.Breach.Lag, 6*time.Minute)
	wantAhead(t, "time lag breach", e.Breach.TimeLag, 6*time.Minute)
	e = w.after(7 * time.Minute)
	if want := (tidemark.Ahead{Known: true}); e.Breach.Lag != want || e.Breach.TimeLag != want {
		t.Errorf("breach = %+v afterwards, want that it has happened", e.Breach)
	}
	w.blind = tidemark.Unreachable
	if e := w.after(time.Minute); e.Breach.TimeLag.Never {
		t.Errorf("breach = %+v of what was not seen", e.Breach)
	}
}

// Source: capacity.md 2.5, (μ·T − B)/(Λ − μ).
func TestGrowingGroupPassesItsTimeLagAsTheWorstConsumerDoes(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember, w.even = 360, 100, true
	w.aged()
	w.limits = tidemark.Thresholds{TimeLag: 10 * time.Minute}
	e := w.after(10 * time.Minute) // each 20/s more: 12,000 behind, (100·600 − 12,000)/20
	wantAhead(t, "time lag breach", e.Breach.TimeLag, 40*time.Minute)
}

func TestWithoutThresholdsNothingIsSaidOfTheirBreach(t *testing.T) {
	w := newWorld(t, 3, 0)
	w.backlog(300)
	if e := w.after(time.Minute); e.Breach != (tidemark.Breach{}) {
		t.Errorf("breach = %+v, want nothing", e.Breach)
	}
}

// losing is a model whose logs keep records for so long.
func losing(w *world, left time.Duration) {
	w.model = capacity.New(capacity.Options{Loss: func(tidemark.Partition, time.Time) tidemark.Ahead {
		return tidemark.Ahead{In: left, Known: true}
	}})
}

// Source: capacity.md 2.5, t_loss when the age grows.
func TestLossComesAsFastAsTheOldestRecordAges(t *testing.T) {
	for name, c := range map[string]struct {
		arrivals float64
		members  int
		want     time.Duration // 0: not in sight
	}{
		"nobody reads":                  {120, 0, 4 * time.Hour},
		"three quarters are read":       {400, 3, 16 * time.Hour},
		"more is read than arrives":     {120, 3, 0},
		"as much is read as there came": {300, 3, 0},
	} {
		w := newWorld(t, 3, c.members)
		losing(w, 4*time.Hour)
		w.arrivals, w.perMember, w.even = c.arrivals, 100, true
		w.backlog(300_000)
		e := w.after(10 * time.Minute)
		if c.want == 0 {
			if !e.Loss.Known || !e.Loss.Never {
				t.Errorf("%s: loss = %+v, want it out of sight; %s", name, e.Loss, e.State)
			}
			continue
		}
		wantAhead(t, name, e.Loss, c.want)
	}
}

func TestLossIsUnknownWhereSomethingWasNotSeenUnlessItIsNear(t *testing.T) {
	w := newWorld(t, 3, 3)
	losing(w, time.Hour)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	w.gaps[1] = tidemark.Unreachable
	if e := w.after(time.Minute); e.Loss.Known {
		t.Errorf("loss = %+v with a partition not seen, want unknown", e.Loss)
	}
	w.staff(0)
	w.backlog(3000)
	wantAhead(t, "loss", w.after(5*time.Minute).Loss, time.Hour)
}

// Source: capacity.md 2.5: at 100 s until help and 60 s of patience, 40 % of a jump
// must be there already.
func TestJumpThatCanBeSurvived(t *testing.T) {
	for _, c := range []struct {
		busiest, hottest, perReplica float64
		limit                        time.Duration
		want                         float64
	}{
		{500, 20, 1000, time.Minute, 5},
		{400, 400, 400, time.Minute, 1},
		{500, 20, 1000, 5 * time.Minute, 50},
		{1000, 500, 1000, 0, 1},
	} {
		if got := capacity.Jump(c.busiest, c.hottest, c.perReplica, 100*time.Second, c.limit); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v: %g times, want %g", c, got, c.want)
		}
	}
}

func TestReserveIsThatOfTheBusiestReplica(t *testing.T) {
	w := newWorld(t, 3, 2) // a reads two of three partitions
	w.arrivals, w.perMember, w.even = 90, 100, true
	w.backlog(30_000)
	w.run(20 * time.Minute)
	e := w.after(15 * time.Second)
	if got, want := e.Reserve.Headroom, 0.4; !e.Reserve.Known || math.Abs(got-want) > 0.03 {
		t.Errorf("headroom = %.2f (known %t), want %.2f", got, e.Reserve.Known, want)
	}
	if !e.CapacityProven {
		t.Error("the capacity is not proven after a drain")
	}
	w.unowned = map[int]bool{1: true}
	if e := w.after(15 * time.Second); e.Reserve.Known {
		t.Errorf("reserve = %+v while nobody reads a partition, want unknown", e.Reserve)
	}
}

func TestDrainTimesAreHeldAgainstWhatHappened(t *testing.T) {
	w := newWorld(t, 24, 6)
	w.perMember, w.arrivals = 1000, 3000
	w.run(5 * time.Minute)
	if e := w.look(); e.Track.Drains != 0 {
		t.Errorf("track = %+v before the first drain", e.Track)
	}
	for range 3 {
		w.backlog(1_500_000)
		w.run(15 * time.Minute)
	}
	e := w.look()
	if e.Track.Drains != 3 || e.Track.ErrorRatio <= 0 || e.Track.ErrorRatio > 0.1 || e.Track.Coverage < 0.5 {
		t.Errorf("track = %+v after three drains", e.Track)
	}
	w.backlog(1_500_000)
	w.run(3 * time.Minute)
	w.staff(0)
	w.run(30 * time.Minute)
	w.staff(6)
	w.run(time.Hour)
	if e := w.look(); e.Track.ErrorRatio > 0.15 {
		t.Errorf("track = %+v: what was told before everybody left counts", e.Track)
	}
}
