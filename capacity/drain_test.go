package capacity_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

func known(perSecond float64) tidemark.Rate {
	return tidemark.Rate{PerSecond: perSecond, Error: perSecond / 1000, Known: true}
}

// Source: capacity.md 2.4, ETA = B/n.
func TestDrainTimeIsLagOverTheNetRate(t *testing.T) {
	d := capacity.Backlog{Records: 804, Arrivals: known(122), Capacity: known(163)}.Drain()
	if got, want := d.P50.Seconds(), 804.0/41; math.Abs(got-want) > 0.2 {
		t.Errorf("P50 = %.1f s, want %.1f s", got, want)
	}
	if d.P10 >= d.P50 || d.P50 >= d.P90 {
		t.Errorf("quantiles %s, %s, %s are not in order", d.P10, d.P50, d.P90)
	}
}

func TestNoDrainTimeWhereArrivalsExceedOrMayExceedCapacity(t *testing.T) {
	rate := func(perSecond, deviation float64) tidemark.Rate {
		return tidemark.Rate{PerSecond: perSecond, Error: deviation, Known: true}
	}
	for _, b := range []capacity.Backlog{
		{Records: 100, Arrivals: known(10), Capacity: known(9)},
		{Records: 100, Arrivals: known(10), Capacity: known(10)},
		{Records: 100, Arrivals: rate(10, 1), Capacity: rate(11, 1)}, // P(n ≤ 0) = 24 %
		{Records: 100, Capacity: known(9)},
		{Records: 100, Arrivals: known(9)},
	} {
		if d := b.Drain(); d.Known {
			t.Errorf("%+v drains in %s, want never", b, d.P50)
		}
	}
}

// The inverse Gaussian is the law of the first passage of a Brownian motion, so a
// simulated one must find its quantiles. Source: capacity.md 2.4.
func TestDrainQuantilesAreThoseOfARandomWalk(t *testing.T) {
	const trials, step = 4000, 0.05
	w := newWorld(t, 1, 1)
	b := capacity.Backlog{Records: 200, Arrivals: tidemark.Rate{PerSecond: 6, Known: true}, Capacity: tidemark.Rate{PerSecond: 10, Known: true}}
	times := make([]float64, trials)
	for i := range times {
		for left := b.Records; left > 0; times[i] += step {
			left += -4*step + math.Sqrt(16*step)*w.random.NormFloat64()
		}
	}
	slices.Sort(times)
	d := b.Drain()
	for q, got := range map[float64]time.Duration{0.1: d.P10, 0.5: d.P50, 0.9: d.P90} {
		if want := times[int(q*trials)]; math.Abs(got.Seconds()/want-1) > 0.04 {
			t.Errorf("P%.0f = %.1f s, want %.1f s", 100*q, got.Seconds(), want)
		}
	}
}

// Source: capacity.md 2.4, table "net, max per consumer": mean absolute error 6 %
// at ρ 0.3, 11 to 12 % at ρ 0.6, with 24 partitions, 6 replicas and 10 min outage.
func TestDrainTimeIsRightWithin6PercentAtThreeTenthsAnd12AtSixTenthsOfCapacity(t *testing.T) {
	for _, c := range []struct{ rho, limit float64 }{{0.3, 0.06}, {0.6, 0.12}} {
		t.Run(fmt.Sprintf("ρ %.1f", c.rho), func(t *testing.T) {
			w := newWorld(t, 24, 6)
			w.perMember = 1000
			w.arrivals = c.rho * 6000
			w.run(10 * time.Minute)
			w.staff(0)
			wantState(t, w.after(10*time.Minute), tidemark.Stopped)
			w.staff(6)
			off, n := w.drainError()
			if n < 10 {
				t.Fatalf("only %d drain times, want at least 10", n)
			}
			if off > c.limit {
				t.Errorf("mean absolute error of %d drain times = %.1f %%, want %.0f %%", n, 100*off, 100*c.limit)
			}
			t.Logf("mean absolute error of %d drain times: %.1f %%", n, 100*off)
		})
	}
}

// drainError lets the group drain and returns how far its drain times were off, as
// a mean share of what it really took until no more was behind than arrives
// between two commits.
func (w *world) drainError() (mean float64, n int) {
	type promise struct{ at, end time.Time }
	var promises []promise
	for {
		if w.behind() <= w.arrivals*w.commits.Seconds() {
			for _, p := range promises {
				mean += math.Abs(p.end.Sub(p.at).Seconds()/w.now.Sub(p.at).Seconds()-1) / float64(len(promises))
			}
			return mean, len(promises)
		}
		for _, e := range w.run(time.Second) {
			if e.State == tidemark.Draining && e.Drain.Known {
				promises = append(promises, promise{w.now, w.now.Add(e.Drain.P50)})
			}
		}
	}
}

func TestDrainTimeIsThatOfTheSlowestConsumerAndNamesIt(t *testing.T) {
	w := newWorld(t, 4, 4)
	w.arrivals, w.perMember, w.even = 100, 100, true
	w.backlog(40_000)
	w.partitions[2].end += 40_000
	e := w.after(2 * time.Minute)
	wantState(t, e, tidemark.Draining)
	if got, want := e.Drain.Consumer, "c"; got != want {
		t.Errorf("consumer = %q, want %q", got, want)
	}
	if got, want := e.Drain.Partition, int32(2); got != want {
		t.Errorf("partition = %d, want %d", got, want)
	}
	if got, want := e.Drain.P50.Seconds(), (50_000-120*75)/75.0; math.Abs(got/want-1) > 0.02 {
		t.Errorf("P50 = %.0f s, want %.0f s", got, want)
	}
}

func TestCommitsOnceAMinuteByEachMemberAtItsOwnTimeGiveASteadyDrainTime(t *testing.T) {
	w := newWorld(t, 24, 6)
	w.commits = time.Minute
	w.perMember, w.arrivals = 1000, 3600
	w.run(20 * time.Minute)
	w.backlog(5e6)
	w.run(8 * time.Minute)
	for _, e := range w.run(15 * time.Minute) {
		wantState(t, e, tidemark.Draining)
		if want := float64(e.Lag.Records) / 2400; !e.Drain.Known || math.Abs(e.Drain.P50.Seconds()/want-1) > 0.12 {
			t.Fatalf("drain time %.0f s (known %t), want %.0f s within 12 %%; because %s", e.Drain.P50.Seconds(), e.Drain.Known, want, e.Because)
		}
	}
}

func TestGroupThatFallsWhileOneConsumerGrowsHasNoDrainTime(t *testing.T) {
	w := newWorld(t, 4, 4)
	w.arrivals, w.perMember, w.share = 100, 50, []float64{0.6, 0.1, 0.1, 0.2}
	w.backlog(400_000)
	e := w.after(5 * time.Minute)
	wantState(t, e, tidemark.Draining)
	if e.Drain.Known {
		t.Errorf("drain time %s although the consumer of orders/0 never gets there", e.Drain.P50)
	}
	if got, want := e.Drain.Consumer, "a"; got != want {
		t.Errorf("consumer = %q, want %q", got, want)
	}
}
