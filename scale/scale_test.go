package scale_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark/scale"
	"github.com/aetherlink/tidemark/test/race"
)

func acting() scale.Config { return scale.Config{Mode: scale.Act, Targets: []scale.Target{target()}} }

func TestABacklogIsScaledOutForAndTheSizeComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, stop := w.open(t.TempDir(), acting())
		defer stop()
		w.live(s, 30*time.Minute, nil)
		calm := w.size()
		w.arrivals = 150
		w.live(s, 30*time.Minute, nil)
		if got := w.size(); got <= calm || got*20 < 150 {
			t.Errorf("at 150/s replicas = %d, want enough: more than 7", got)
		}
		w.arrivals = 40
		w.live(s, 3*time.Hour, nil)
		if got := w.size(); got > 4 {
			t.Errorf("at 40/s replicas = %d, want at most 4", got)
		}
		if got := len(w.orders); got > 8 {
			t.Errorf("changes = %d, want few", got)
		}
	})
}

func TestNothingShrinksOnMissingDataHoweverItGoesMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, stop := w.open(t.TempDir(), acting())
		defer stop()
		random := rand.New(rand.NewPCG(1, 2))
		long := 250 * time.Hour // some 10,000 outages
		if race.On() {
			long /= 20
		}
		w.live(s, long, func() {
			if random.IntN(3) > 0 {
				return
			}
			w.blind, w.out = random.IntN(4) == 0, random.IntN(4) == 0
			w.arrivals = 20 + 200*random.Float64()
		})
		if len(w.orders) == 0 {
			t.Error("nothing was ever changed: the test shows nothing")
		}
		for _, o := range w.orders {
			if o.To < 1 || o.To > 12 {
				t.Errorf("an order leaves the bounds: %+v", o)
			}
		}
	})
}

func TestAFreezeHoldsTheSizeFromTheNextLookOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		dir := t.TempDir()
		s, stop := w.open(dir, acting())
		w.live(s, 30*time.Minute, nil)
		if err := s.Do("", scale.Hand{Did: "froze", By: "kim", Why: "incident"}); err != nil {
			t.Fatal(err)
		}
		before := w.size()
		w.arrivals = 220
		w.live(s, 20*time.Minute, nil)
		if got := w.size(); got != before {
			t.Errorf("replicas = %d while frozen, want %d", got, before)
		}
		if got, want := strings.Join(w.last().Held, "; "), "kim: incident"; !strings.Contains(got, want) {
			t.Errorf("held by %q, want %q in it", got, want)
		}
		stop()

		s, stop = w.open(dir, acting()) // a freeze outlives the process
		defer stop()
		w.live(s, 20*time.Minute, nil)
		if got := w.size(); got != before {
			t.Errorf("replicas = %d after a restart, want %d", got, before)
		}
		if err := s.Do("", scale.Hand{Did: "thawed", By: "kim"}); err != nil {
			t.Fatal(err)
		}
		w.live(s, 10*time.Minute, nil)
		if got := w.size(); got <= before {
			t.Errorf("replicas = %d once thawed, want more than %d", got, before)
		}
	})
}

func TestASizeThatSomebodyElseChangedIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, stop := w.open(t.TempDir(), acting())
		defer stop()
		w.live(s, 30*time.Minute, nil)
		w.arrivals = 150
		w.live(s, 10*time.Minute, nil)
		grown := len(w.orders)
		w.byHand(w.orders[grown-1].From) // undone
		w.live(s, 14*time.Minute, nil)
		if got := len(w.orders); got != grown {
			t.Errorf("changed again %d times within 15 minutes of somebody's change", got-grown)
		}
		w.live(s, 20*time.Minute, nil)
		if got := len(w.orders); got == grown {
			t.Fatal("never tried again")
		}
		w.byHand(w.orders[len(w.orders)-1].From) // undone a second time
		grown = len(w.orders)
		w.live(s, 3*time.Hour, nil)
		if got := len(w.orders); got != grown {
			t.Errorf("changed again %d times though it was undone twice", got-grown)
		}
		if err := s.Do("billing", scale.Hand{Did: "resumed", By: "kim"}); err != nil {
			t.Fatal(err)
		}
		w.live(s, 20*time.Minute, nil)
		if got := len(w.orders); got == grown {
			t.Error("does nothing though resumed")
		}
	})
}

func TestGrowthThatBringsNothingStopsAfterTwoSteps(t *testing.T) {
	for name, trouble := range map[string]func(*world){
		"a poisoned partition": func(w *world) { w.poisoned = true },
		"a limit downstream":   func(w *world) { w.downstream = 50 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := acting()
				c.Targets[0].Step = 1
				s, stop := w.open(t.TempDir(), c)
				defer stop()
				w.live(s, time.Hour, nil)
				before := len(w.orders)
				trouble(w)
				w.live(s, 6*time.Hour, nil)
				if got, want := len(w.orders)-before, 2; got > want {
					t.Errorf("changes = %d, want at most %d; %s %q", got, want, w.last().Because, w.last().Held)
				}
			})
		})
	}
}

func TestAChangeWaitsForAPersonWhoAgreesToThisVeryOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := acting()
		c.Mode = scale.Approve
		s, stop := w.open(t.TempDir(), c)
		defer stop()
		w.live(s, 30*time.Minute, nil)
		before := w.size()
		w.arrivals = 150
		w.live(s, 10*time.Minute, nil)
		d := w.last()
		if d.Outcome != scale.Waiting || w.size() != before {
			t.Fatalf("outcome = %s with %d replicas, want it to wait with %d", d.Outcome, w.size(), before)
		}
		if err := s.Do("billing", scale.Hand{Did: "approved", By: "kim", Order: "another"}); err == nil {
			t.Error("an order that does not exist can be approved")
		}
		if err := s.Do("billing", scale.Hand{Did: "approved", By: "kim", Order: d.Order}); err != nil {
			t.Fatal(err)
		}
		w.live(s, time.Minute, nil)
		if got, want := w.size(), d.Desired; got != want {
			t.Errorf("replicas = %d once approved, want %d", got, want)
		}
	})
}

func TestATargetIsWatchedBeforeItActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.arrivals = 150
		c := acting()
		c.Targets[0].Shadow = 2 * time.Hour
		s, stop := w.open(t.TempDir(), c)
		defer stop()
		w.live(s, 119*time.Minute, nil)
		if len(w.orders) > 0 {
			t.Errorf("acted after %s", w.orders[0].At)
		}
		if got, want := strings.Join(w.last().Held, "; "), "of being watched"; !strings.Contains(got, want) {
			t.Errorf("held by %q, want %q in it", got, want)
		}
		w.live(s, 5*time.Minute, nil)
		if len(w.orders) == 0 {
			t.Error("does not act after its time")
		}
	})
}

func TestAGeneralModeIsTheMostThatAnyTargetMayDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.arrivals = 150
		c := acting()
		c.Mode = "" // recommend
		s, stop := w.open(t.TempDir(), c)
		defer stop()
		w.live(s, time.Hour, nil)
		if len(w.orders) > 0 || w.last().Outcome != scale.Recommended {
			t.Errorf("changed %d times, outcome %s; want only to recommend", len(w.orders), w.last().Outcome)
		}
	})
}

func TestNothingShrinksInTimesThatForbidItAndGrowingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC
		w := newWorld(t)
		c := acting()
		c.Freezes = []scale.Freeze{{Name: "quiet hours", When: scale.Window{From: "01:00", To: "06:00"}, Only: "down"}}
		s, stop := w.open(t.TempDir(), c)
		defer stop()
		w.live(s, 65*time.Minute, nil)
		before := w.size()
		w.arrivals = 150
		w.live(s, 30*time.Minute, nil)
		grown := w.size()
		if grown <= before {
			t.Errorf("replicas = %d in quiet hours, want more than %d", grown, before)
		}
		w.arrivals = 20
		w.live(s, 4*time.Hour, nil)
		if got := w.size(); got < grown {
			t.Errorf("replicas = %d in quiet hours, want %d still", got, grown)
		}
		w.live(s, 2*time.Hour, nil)
		if got := w.size(); got >= grown {
			t.Errorf("replicas = %d in the morning, want fewer than %d", got, grown)
		}
	})
}

func TestLoadThatIsExpectedFindsItsReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight UTC
		w := newWorld(t)
		w.arrivals = 10
		c := acting()
		c.Targets[0].Schedule = []scale.Prescale{{Name: "office hours", When: scale.Window{From: "08:00", To: "17:00"}, Min: 6}}
		s, stop := w.open(t.TempDir(), c)
		defer stop()
		w.live(s, 7*time.Hour+55*time.Minute, nil)
		night := w.size()
		w.live(s, 10*time.Minute, nil)
		if got, want := w.size(), 6; got != want {
			t.Errorf("replicas at 08:05 = %d, want %d", got, want)
		}
		w.live(s, 10*time.Hour, nil)
		if got := w.size(); got > night {
			t.Errorf("replicas in the evening = %d, want %d as in the night", got, night)
		}
	})
}

func TestAnOrderStandsInTheJournalBeforeItIsCarriedOutAndWhatCameOfItAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.arrivals = 150
		w.refuses(errors.New("the API is down"))
		s, stop := w.open(t.TempDir(), acting())
		defer stop()
		w.live(s, 30*time.Minute, nil)
		w.refuses(nil)
		w.live(s, 5*time.Minute, nil)
		st, err := s.Why("billing", 1000)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(st.Journal)
		known := map[string]bool{}
		failed, done := 0, 0
		for _, e := range st.Journal {
			switch {
			case e.Order != nil:
				known[e.Order.ID] = true
			case e.Result != nil && !known[e.Result.Order]:
				t.Errorf("the result of %s stands before it", e.Result.Order)
			case e.Result != nil && e.Result.Error != "":
				failed++
			case e.Result != nil:
				done++
			}
		}
		if failed == 0 || done == 0 {
			t.Errorf("failed %d, done %d; want both in the journal", failed, done)
		}
	})
}

func TestAnotherAutoscalersSizeIsNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.arrivals, w.owner = 150, "HorizontalPodAutoscaler crm"
		s, stop := w.open(t.TempDir(), acting())
		defer stop()
		w.live(s, time.Hour, nil)
		if len(w.orders) > 0 {
			t.Errorf("changed %d times", len(w.orders))
		}
		if got, want := strings.Join(w.last().Held, "; "), "HorizontalPodAutoscaler crm sets this size"; !strings.Contains(got, want) {
			t.Errorf("held by %q, want %q in it", got, want)
		}
	})
}
