package drill_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/drill"
)

// try runs a script in a world, in virtual time.
func try(t *testing.T, script *drill.Script, speed float64, prepare func(*world)) (report *drill.Report, w *world, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(speed)
		if prepare != nil {
			prepare(w)
		}
		report, err = drill.Run(t.Context(), drill.Options{Script: script, World: w, Speed: speed})
	})
	return report, w, err
}

func parse(t *testing.T, lines ...string) *drill.Script {
	t.Helper()
	script, err := drill.Parse("test.drill", []byte("drill test \"A test\"\ngroup crm-events-sse\n"+strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return script
}

func TestEveryBuiltInDrillPassesInAWorldThatBehaves(t *testing.T) {
	scripts, err := drill.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		for _, speed := range []float64{1, 30} {
			report, _, err := try(t, script, speed, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !report.Passed {
				t.Errorf("at speed %g:\n%s", speed, report.Text())
			}
		}
	}
}

func TestADrainIsReportedBesideWhatWasPredicted(t *testing.T) {
	script, err := drill.Find("lag-and-recovery")
	if err != nil {
		t.Fatal(err)
	}
	report, _, err := try(t, script, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	drain := report.Drain
	if drain == nil || drain.Predicted == nil {
		t.Fatalf("drain %+v has no prediction", drain)
	}
	// 600 published and 2/s for the 5 minutes until the alert fires, worked off at
	// 2.7/s while 2/s arrive: 0.7/s net.
	if drain.From < 1200 || drain.From > 1400 {
		t.Errorf("drained from %d records, want about 1300", drain.From)
	}
	if got, want := drain.Took, time.Duration(float64(drain.From)/0.7*float64(time.Second)); got > want || got < want*9/10 {
		t.Errorf("drain took %s, want a little less than %s", got, want)
	}
	if got := drain.Predicted.Off(); got > 0.05 {
		t.Errorf("prediction is %.2f off, want at most 0.05", got)
	}
	if got, want := drain.Capacity.PerSecond, capacity; got != want {
		t.Errorf("capacity = %g, want %g", got, want)
	}
}

func TestUnknownLagMeetsNoExpectation(t *testing.T) {
	for _, line := range []string{"expect lag <= 10 within 1m", "expect lag >= 0 within 1m", "expect lag < 999999 within 1m", "expect alert Any is inactive within 1m"} {
		report, _, err := try(t, parse(t, line), 1, func(w *world) {
			w.see = func(s *drill.Sight) {
				s.Estimate.Lag = tidemark.Total{Partitions: 3, Missing: 1}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if report.Passed {
			t.Errorf("%s: passed with %q", line, report.Steps[0].Seen)
		}
		if got, want := report.Steps[0].Took, time.Minute; got != want {
			t.Errorf("%s: gave up after %s, want %s", line, got, want)
		}
	}
}

func TestMembersThatWereNotSeenAreNotNoMembers(t *testing.T) {
	report, _, err := try(t, parse(t, "expect members = 0 within 10s"), 1, func(w *world) {
		w.see = func(s *drill.Sight) { s.Members, s.MembersKnown = 0, false }
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := report.Steps[0].Seen, "members not known"; report.Passed || got != want {
		t.Errorf("passed %t, saw %q, want %q", report.Passed, got, want)
	}
}

func TestWhatWasSeenBeforeTheLastActionCountsForNothing(t *testing.T) {
	script := parse(t, "expect lag <= 10 within 10s", "stop consumers", "publish 600 events over 1s", "expect lag <= 10 within 2s")
	report, _, err := try(t, script, 1, nil) // looks happen every 5 s, so the last one is from before
	if err != nil {
		t.Fatal(err)
	}
	if got, want := report.Steps[3].Seen, "nothing seen since the last action"; report.Passed || got != want {
		t.Errorf("passed %t, saw %q, want %q", report.Passed, got, want)
	}
}

func TestAnAlertThatDidNotFireIsNotResolved(t *testing.T) {
	report, _, err := try(t, parse(t, "expect alert CrmEventsConsumerLagHigh is resolved within 1m"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := report.Steps[0].Seen, "CrmEventsConsumerLagHigh inactive, and it did not fire in this drill"; report.Passed || got != want {
		t.Errorf("passed %t, saw %q, want %q", report.Passed, got, want)
	}
}

func TestADrainWithoutABacklogMeasuresNothing(t *testing.T) {
	report, _, err := try(t, parse(t, "measure drain within 1m"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Passed || report.Drain != nil {
		t.Errorf("passed %t with drain %v, want neither", report.Passed, report.Drain)
	}
}

func TestAfterAFailureTheRestIsSkippedAndTheAlwaysBlockRuns(t *testing.T) {
	script := parse(t, "stop consumers", "expect members = 7 within 10s", "wait 1h", "always", "start consumers", "expect members = 1 within 1m", "end")
	report, w, err := try(t, script, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []drill.Verdict
	for _, s := range report.Steps {
		got = append(got, s.Verdict)
	}
	if want := []drill.Verdict{drill.Passed, drill.Failed, drill.Skipped, drill.Passed, drill.Passed}; !slices.Equal(got, want) {
		t.Errorf("verdicts %v, want %v", got, want)
	}
	if report.Passed || w.consumers != 1 {
		t.Errorf("passed %t with %d consumers, want a failure with 1", report.Passed, w.consumers)
	}
}

func TestAnInterruptedDrillCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w := newWorld(1)
		script := parse(t, "stop consumers", "expect members = 7 within 1h", "always", "start consumers", "expect members = 1 within 1m", "end")
		report, err := drill.Run(ctx, drill.Options{Script: script, World: w})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		if got, want := report.Steps[3].Verdict, drill.Passed; got != want || w.consumers != 1 {
			t.Errorf("clean-up %s with %d consumers, want %s with 1", got, w.consumers, want)
		}
		if report.Passed || report.Took > 2*time.Minute {
			t.Errorf("passed %t after %s, want a failure within two minutes", report.Passed, report.Took)
		}
	})
}

func TestAnActionThatIsNotPossibleIsAnError(t *testing.T) {
	broken := errors.New("no such deployment")
	report, w, err := try(t, parse(t, "stop consumers", "wait 1h", "always", "start consumers", "end"), 1, func(w *world) { w.broken = broken })
	if !errors.Is(err, broken) || report.Passed {
		t.Errorf("error %v, passed %t, want %v and a failure", err, report.Passed, broken)
	}
	if got, want := w.did, []drill.Verb{drill.Stop, drill.Start}; !slices.Equal(got, want) {
		t.Errorf("did %v, want %v", got, want)
	}
}

func TestADrillRefusesAWorldThatShowsAnotherGroup(t *testing.T) {
	script := parse(t, "stop consumers")
	script.Group = "billing"
	report, w, err := try(t, script, 1, func(w *world) {
		w.see = func(s *drill.Sight) { s.Estimate.Group = "crm-events-sse" }
	})
	if err == nil || report != nil || len(w.did) > 0 {
		t.Errorf("error %v, report %v, did %v; want an error before anything is done", err, report, w.did)
	}
}

func TestProgressTellsTheBeginningWhatIsSeenAndTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		_, err := drill.Run(t.Context(), drill.Options{
			Script: parse(t, "expect lag <= 10 within 10s"), World: newWorld(1),
			Progress: func(s drill.Step) { told = append(told, string(s.Verdict)+" "+s.Seen) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := told, []string{"running ", "running lag not known", "passed lag 0"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

func TestASightOfAClusterThatDidNotAnswerKnowsNothing(t *testing.T) {
	view := &tidemark.View{
		Observations: []tidemark.Observation{{
			Cluster: "main", Failed: errors.New("no broker answers"),
			Snapshot:  &tidemark.Snapshot{Groups: []tidemark.Group{{Name: "crm"}}},
			Estimates: []tidemark.Estimate{{Group: "crm", Lag: tidemark.Total{Complete: true}}},
		}},
		Alerts: []tidemark.Alert{
			{Name: "Ours", Labels: map[string]string{"cluster": "main", "consumergroup": "crm"}},
			{Name: "NobodysInParticular"},
			{Name: "AnotherGroups", Labels: map[string]string{"consumergroup": "billing"}},
			{Name: "AnotherClusters", Labels: map[string]string{"cluster": "west"}},
		},
	}
	s := drill.SightOf(view, "main", "crm")
	if s.MembersKnown || s.Estimate.Lag.Complete || !s.At.IsZero() {
		t.Errorf("sight %+v knows something", s)
	}
	var names []string
	for _, a := range s.Alerts {
		names = append(names, a.Name)
	}
	if want := []string{"Ours", "NobodysInParticular"}; !slices.Equal(names, want) {
		t.Errorf("alerts %v, want %v", names, want)
	}
}
