package capacity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// The words are those of contracts.md 3; the rules are those of capacity.md 2.1 to 2.3.

func TestCommitsEvery5sLookedAtEvery15sDoNotMakeTheStateFlap(t *testing.T) {
	w := newWorld(t, 3, 2)
	w.arrivals, w.perMember = 120, 100
	for i, e := range w.run(time.Hour) {
		if i > 0 && e.State != tidemark.CaughtUp {
			t.Errorf("look %d: state = %s, want caught_up; because %s", i, e.State, e.Because)
		}
	}
}

func TestCommitsRarerThanLooksAreCaughtUpNotStalled(t *testing.T) {
	for _, every := range []time.Duration{20 * time.Second, time.Minute, 4 * time.Minute} {
		w := newWorld(t, 3, 2)
		w.arrivals, w.perMember, w.commits = 120, 100, every
		w.run(3 * every)
		for _, e := range w.run(time.Hour) {
			if e.State != tidemark.CaughtUp {
				t.Fatalf("commits every %s: state = %s, want caught_up; because %s", every, e.State, e.Because)
			}
		}
	}
}

func TestNothingToReadAndNothingArrivingIsIdle(t *testing.T) {
	w := newWorld(t, 3, 2)
	e := w.after(2 * time.Minute)
	wantState(t, e, tidemark.Idle)
	if got, want := e.Because, "read to the end of 3 partitions; nothing arrives"; got != want {
		t.Errorf("because %q, want %q", got, want)
	}
	if !e.Drain.Known || e.Drain.P50 != 0 {
		t.Errorf("drain = %+v, want known and 0", e.Drain)
	}
	w.staff(0)
	wantState(t, w.after(2*time.Minute), tidemark.Idle)
}

func TestLagThatArrivalsCannotExplainDrainsAndSaysWithWhichNumbers(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember, w.even = 122, 163.0/3, true
	w.backlog(60_000)
	w.run(2 * time.Minute)
	for _, e := range w.run(8 * time.Minute) {
		wantState(t, e, tidemark.Draining)
		if got, want := e.Because, "falls by 41/s: 122/s arrive, 163/s are read"; got != want {
			t.Fatalf("because %q, want %q", got, want)
		}
	}
}

func TestBacklogKeptAtItsSizeIsSteady(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 150, 50
	w.backlog(60_000)
	w.run(2 * time.Minute)
	steady := 0
	estimates := w.run(time.Hour)
	for _, e := range estimates {
		if e.State == tidemark.Steady {
			steady++
		}
		if e.State == tidemark.Steady && e.Drain.Known {
			t.Fatalf("steady with a drain time of %s", e.Drain.P50)
		}
	}
	if share := float64(steady) / float64(len(estimates)); share < 0.95 {
		t.Errorf("steady in %.0f %% of the looks, want 95 %%", 100*share)
	}
}

func TestMoreArrivingThanReadGrowsAndNeverDrains(t *testing.T) {
	w := newWorld(t, 3, 2)
	w.arrivals, w.perMember = 300, 100
	w.run(2 * time.Minute)
	for _, e := range w.run(10 * time.Minute) {
		wantState(t, e, tidemark.Growing)
		if e.Drain.Known {
			t.Fatalf("a drain time of %s at ρ = 1.5, want none", e.Drain.P50)
		}
	}
}

func TestBehindWithoutMembersIsStoppedAtTheFirstLook(t *testing.T) {
	w := newWorld(t, 3, 0)
	w.backlog(39)
	e := w.after(15 * time.Second)
	wantState(t, e, tidemark.Stopped)
	if got, want := e.Because, "no members; 39 records wait"; got != want {
		t.Errorf("because %q, want %q", got, want)
	}
}

// The seed reports 39 records at rest as 390,000 s and pages somebody.
// Source: capacity.md 1.2.
func TestThirtyNineRecordsAtRestHaveNoDrainTime(t *testing.T) {
	w := newWorld(t, 3, 0)
	w.backlog(39)
	for _, e := range w.run(10 * time.Minute) {
		wantState(t, e, tidemark.Stopped)
		if e.Drain.Known {
			t.Fatalf("a drain time of %s without members, want none", e.Drain.P50)
		}
	}
}

func TestConsumerThatHangsIsStalledAfter90s(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	for i := range w.partitions {
		w.frozen[i] = true
	}
	for _, e := range w.run(75 * time.Second) {
		if e.State == tidemark.Stalled {
			t.Fatalf("stalled before 90 s: %s", e.Because)
		}
	}
	e := w.after(45 * time.Second)
	wantState(t, e, tidemark.Stalled)
	if got, want := e.Because, "no commit for 1 min 45 s although they usually come at least every 15 s"; !strings.HasPrefix(got, want) {
		t.Errorf("because %q, want it to begin %q", got, want)
	}
	if e.Drain.Known {
		t.Errorf("a drain time of %s while stalled, want none", e.Drain.P50)
	}
}

func TestOneStuckPartitionStallsTheGroupAndIsNamedWithItsOwner(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	w.frozen[1] = true
	e := w.after(3 * time.Minute)
	wantState(t, e, tidemark.Stalled)
	for _, want := range []string{"orders/1", "owned by b", "records wait there"} {
		if !strings.Contains(e.Because, want) {
			t.Errorf("because %q, want it to name %q", e.Because, want)
		}
	}
	if got, want := e.Partitions[1].State, tidemark.Stalled; got != want {
		t.Errorf("partition 1 is %s, want %s", got, want)
	}
	if got, want := e.Partitions[1].Reason, tidemark.Stuck; got != want {
		t.Errorf("partition 1 has reason %s, want %s", got, want)
	}
	if got, want := e.Partitions[0].State, tidemark.CaughtUp; got != want {
		t.Errorf("partition 0 is %s, want %s", got, want)
	}
}

func TestRestartAfterAnHourIsNotTakenForASlowCommitHabit(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 6, 2.7
	w.run(5 * time.Minute)
	w.staff(0)
	wantState(t, w.after(time.Hour), tidemark.Stopped)
	w.staff(3)
	w.run(5 * time.Minute)
	for i := range w.partitions {
		w.frozen[i] = true
	}
	wantState(t, w.after(3*time.Minute), tidemark.Stalled)
}

func TestFirstLookAtABacklogIsUnknownAndSaysWhy(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.backlog(100_000)
	e := w.after(15 * time.Second)
	wantState(t, e, tidemark.Unknown)
	if got, want := e.Because, "a rate takes three looks"; !strings.Contains(got, want) {
		t.Errorf("because %q, want it to say %q", got, want)
	}
	if e.Arrivals.Known || e.Consumption.Known {
		t.Errorf("rates %+v and %+v after one look, want unknown", e.Arrivals, e.Consumption)
	}
	wantState(t, w.after(30*time.Second), tidemark.Draining)
}

func TestPartitionNotSeenMakesTheGroupUnknownAndNamesTheBroker(t *testing.T) {
	w := newWorld(t, 12, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	w.gaps[3], w.gaps[7] = tidemark.Unreachable, tidemark.Unreachable
	e := w.after(time.Minute)
	wantState(t, e, tidemark.Unknown)
	if got, want := e.Because, "2 of 12 partitions not seen, the first orders/3: broker 2 unreachable"; got != want {
		t.Errorf("because %q, want %q", got, want)
	}
	if e.Arrivals.Known || e.Consumption.Known || e.Drain.Known || e.Replicas.Known || e.TimeLag.Known {
		t.Errorf("something is known of a group with partitions that were not seen: %+v", e)
	}
	if got, want := e.Partitions[3].State, tidemark.Unknown; got != want {
		t.Errorf("partition 3 is %s, want %s", got, want)
	}
	if !e.Partitions[0].Consumption.Known || e.Partitions[0].Consumption.PerSecond == 0 {
		t.Errorf("partition 0 was seen but its consumption is %+v", e.Partitions[0].Consumption)
	}
	clear(w.gaps)
	wantState(t, w.after(time.Minute), tidemark.CaughtUp)
}

func TestCommitsNotSeenMakeTheGroupUnknownButKeepWhatArrives(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember, w.even = 60, 100, true
	w.run(5 * time.Minute)
	w.blind = tidemark.Unreachable
	e := w.after(30 * time.Second)
	wantState(t, e, tidemark.Unknown)
	if got, want := e.Because, "commits and members were not seen: broker 2 unreachable"; got != want {
		t.Errorf("because %q, want %q", got, want)
	}
	if !e.Arrivals.Known || e.Arrivals.PerSecond != 60 {
		t.Errorf("arrivals = %+v, want 60/s", e.Arrivals)
	}
	if e.Consumption.Known {
		t.Errorf("consumption = %+v, want unknown", e.Consumption)
	}
}

// Source: capacity.md 2.1, "gap > 3 intervals: no rate across the gap".
func TestNoRateIsDrawnAcrossAGap(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	w.looks = 20 * time.Minute
	e := w.after(20 * time.Minute)
	if e.Arrivals.Known || e.Consumption.Known {
		t.Errorf("rates %+v and %+v over a gap of 20 min, want unknown", e.Arrivals, e.Consumption)
	}
	w.looks = 15 * time.Second
	wantState(t, w.after(time.Minute), tidemark.CaughtUp)
}

// Source: capacity.md 2.1, "C falls: drop the throughput sample".
func TestCommitThatIsSetBackIsNoNegativeRate(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	for i := range w.partitions {
		w.partitions[i].read -= 50_000
		w.partitions[i].committed -= 50_000
	}
	for _, e := range w.run(5 * time.Minute) {
		if e.Consumption.Known && e.Consumption.PerSecond < 250 {
			t.Fatalf("consumption = %+v while 300/s are read", e.Consumption)
		}
	}
	wantState(t, w.after(time.Minute), tidemark.Draining)
}

// Source: capacity.md 2.1, "E falls: new epoch, drop window".
func TestTopicMadeAnewBeginsItsRatesAnew(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	for i := range w.partitions {
		w.partitions[i] = simulated{}
	}
	for _, e := range w.run(5 * time.Minute) {
		if e.Arrivals.Known && e.Arrivals.PerSecond < 30 {
			t.Fatalf("arrivals = %+v while 60/s arrive", e.Arrivals)
		}
	}
}

func TestReaderThatIsNoMemberIsNotStopped(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.alone = true
	w.arrivals, w.perMember = 60, 100
	w.backlog(50_000)
	w.run(time.Minute)
	for _, e := range w.run(5 * time.Minute) {
		wantState(t, e, tidemark.Draining)
	}
	w.perMember = 0
	wantState(t, w.after(3*time.Minute), tidemark.Stopped)
}

func TestBurstAfterQuietGrowsOrIsCaughtUpButDoesNotStall(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.perMember = 100
	w.run(time.Hour)
	w.arrivals = 200
	for _, e := range w.run(10 * time.Minute) {
		wantState(t, e, tidemark.CaughtUp)
	}
}

func TestPartitionWithFarMoreThanItsShareIsHot(t *testing.T) {
	w := newWorld(t, 4, 4)
	w.arrivals, w.perMember, w.share = 100, 20, []float64{0.85, 0.05, 0.05, 0.05}
	e := w.after(10 * time.Minute)
	wantState(t, e, tidemark.Growing)
	if got, want := e.Partitions[0].Reason, tidemark.Hot; got != want {
		t.Errorf("partition 0 has reason %q, want %q", got, want)
	}
	if got, want := e.Partitions[1].Reason, tidemark.Fine; got != want {
		t.Errorf("partition 1 has reason %q, want %q", got, want)
	}
	if e.Skew < 3.5 {
		t.Errorf("skew = %.1f with nearly all lag on one of four, want nearly 4", e.Skew)
	}
}

func TestRebalanceIsNotAStall(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	w.phase = "PreparingRebalance"
	for i := range w.partitions {
		w.frozen[i] = true
	}
	e := w.after(4 * time.Minute)
	wantState(t, e, tidemark.Growing)
	if got, want := e.Partitions[0].Reason, tidemark.RebalanceRunning; got != want {
		t.Errorf("partition 0 has reason %q, want %q", got, want)
	}
}

func TestInTheSandboxEverythingHappensFasterByTheSpeed(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.model = capacity.New(capacity.Options{Speed: 15})
	w.arrivals, w.perMember, w.looks, w.commits = 60, 100, time.Second, time.Second
	w.run(20 * time.Second)
	for i := range w.partitions {
		w.frozen[i] = true
	}
	wantState(t, w.after(8*time.Second), tidemark.Stalled)
}

func TestGroupThatNeverCommittedIsUnknownNotEmpty(t *testing.T) {
	s := &tidemark.Snapshot{
		Cluster: "main", Began: epoch, Ended: epoch,
		Groups:     []tidemark.Group{{Name: "billing", At: epoch, Members: []tidemark.Member{{ID: "a"}}}},
		Partitions: []tidemark.Partition{{Group: "billing", Topic: "orders", Committed: tidemark.Uncommitted, LogEnd: 1200}},
	}
	e := capacity.New(capacity.Options{}).Observe(s)[0]
	wantState(t, e, tidemark.Unknown)
	if got, want := e.Because, "never committed; 1,200 records in 1 partition"; got != want {
		t.Errorf("because %q, want %q", got, want)
	}
	if got, want := e.Partitions[0].Reason, tidemark.NeverCommitted; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
}

func TestDrainLookedAtEverySecondIsADrainToItsEnd(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.looks, w.commits = time.Second, time.Second
	w.arrivals, w.perMember = 180, 75
	w.run(30 * time.Second)
	w.backlog(60_000) // a burst that the long window must not remember for ever
	w.run(2 * time.Minute)
	for _, e := range w.run(18 * time.Minute) {
		wantState(t, e, tidemark.Draining)
	}
}

// A consumer may have little to do on all its partitions together and leave one of
// them behind: records there wait for minutes, and the sum explains them away.
func TestHotPartitionThatIsMinutesLateKeepsItsGroupFromBeingCaughtUp(t *testing.T) {
	w := newWorld(t, 8, 2)
	w.arrivals, w.perMember, w.share = 160, 200, []float64{0.03, 0.13, 0.15, 0.13, 0.15, 0.13, 0.15, 0.13}
	w.aged()
	w.run(5 * time.Minute)
	w.slow = map[int]float64{0: 4}
	w.run(10 * time.Minute)
	for _, e := range w.run(10 * time.Minute) {
		if e.State == tidemark.CaughtUp {
			t.Fatalf("caught up although a record has waited for %s; because %s", e.TimeLag.Value, e.Because)
		}
	}
	e := w.after(15 * time.Second)
	wantState(t, e, tidemark.Steady)
	if want := "orders/0"; !strings.Contains(e.Because, want) {
		t.Errorf("because %q, want it to name %s", e.Because, want)
	}
	if got := e.Partitions[0].State; got == tidemark.CaughtUp {
		t.Errorf("partition 0 is %s", got)
	}
}

func TestRecordBehindATransactionsMarkerDoesNotMakeAGroupLate(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember, w.share = 60, 100, []float64{0, 0.5, 0.5}
	w.aged()
	w.run(5 * time.Minute)
	w.frozen[0] = true
	w.partitions[0].end++
	for _, e := range w.run(20 * time.Minute) {
		wantState(t, e, tidemark.CaughtUp)
	}
}

func TestTimeLagsDoNotMakeTheStateOfAGroupThatKeepsUpFlap(t *testing.T) {
	for _, arrivals := range []float64{0.05, 0.3, 3, 120} {
		for _, every := range []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 4 * time.Minute} {
			w := newWorld(t, 6, 2)
			w.arrivals, w.perMember, w.commits, w.jitter = arrivals, 100, every, true
			w.aged()
			w.run(4 * every)
			for _, e := range w.run(time.Hour) {
				if e.State != tidemark.CaughtUp && e.State != tidemark.Idle {
					t.Fatalf("%g/s, commits every %s: state = %s, want caught_up; because %s; %s", arrivals, every, e.State, e.Because, e.TimeLag.Value)
				}
			}
		}
	}
}

func TestOffsetsThatNobodyReadsAnyMoreDoNotMakeAGroupStand(t *testing.T) {
	w := newWorld(t, 6, 2)
	w.left = 1000
	e := w.after(20 * time.Minute)
	wantState(t, e, tidemark.CaughtUp)
	if got := e.Lag.Records; got < 1000 {
		t.Errorf("lag = %d, want those 1,000 in it", got)
	}
	if got, want := e.Partitions[len(e.Partitions)-1].State, tidemark.Stopped; got != want {
		t.Errorf("state of what nobody reads = %s, want %s", got, want)
	}
}
