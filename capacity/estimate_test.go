package capacity_test

import (
	"math"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

func TestEstimatesComeInTheOrderOfTheGroupsAndPartitionsInTheirs(t *testing.T) {
	s := &tidemark.Snapshot{
		Cluster: "main", Began: epoch, Ended: epoch,
		Groups: []tidemark.Group{{Name: "a", At: epoch}, {Name: "b", At: epoch}, {Name: "c", At: epoch}},
		Partitions: []tidemark.Partition{
			{Group: "a", Topic: "orders", ID: 2, Committed: 5, LogEnd: 5},
			{Group: "c", Topic: "invoices", ID: 0, Committed: 5, LogEnd: 9},
			{Group: "c", Topic: "orders", ID: 0, Committed: 5, LogEnd: 5},
			{Group: "c", Topic: "orders", ID: 4, Committed: 5, LogEnd: 5},
		},
	}
	estimates := capacity.New(capacity.Options{}).Observe(s)
	if got, want := len(estimates), 3; got != want {
		t.Fatalf("%d estimates, want %d", got, want)
	}
	for i, e := range estimates {
		if got, want := e.Group, s.Groups[i].Name; got != want {
			t.Errorf("estimate %d is of %q, want %q", i, got, want)
		}
		rows := s.Of(e.Group)
		if got, want := len(e.Partitions), len(rows); got != want {
			t.Fatalf("%s has %d partitions, want %d", e.Group, got, want)
		}
		for j, p := range e.Partitions {
			if p.Topic != rows[j].Topic || p.ID != rows[j].ID {
				t.Errorf("%s: partition %d is %s/%d, want %s/%d", e.Group, j, p.Topic, p.ID, rows[j].Topic, rows[j].ID)
			}
		}
	}
	wantState(t, estimates[1], tidemark.Idle)
	wantState(t, estimates[2], tidemark.Stopped)
}

func TestTimeLagIsThatOfTheWorstPartitionAndUnknownIfOneIs(t *testing.T) {
	ages := map[int32]tidemark.TimeLag{
		0: {Value: time.Minute, Error: time.Second, Known: true},
		1: {Value: time.Hour, Error: 2 * time.Second, Known: true},
		2: {Value: time.Second, Known: true},
	}
	w := newWorld(t, 4, 0)
	w.model = capacity.New(capacity.Options{TimeLag: func(p tidemark.Partition, at time.Time) tidemark.TimeLag {
		if p.ID == 3 {
			t.Error("asked for the time lag of a partition without lag")
		}
		return ages[p.ID]
	}})
	for i := range 3 {
		w.partitions[i].end += 100
	}
	if got, want := w.after(15*time.Second).TimeLag, ages[1]; got != want {
		t.Errorf("time lag = %+v, want %+v", got, want)
	}
	ages[2] = tidemark.TimeLag{}
	if got := w.after(15 * time.Second).TimeLag; got.Known {
		t.Errorf("time lag = %+v with one partition unknown, want unknown", got)
	}
}

func TestPartitionsAddedToATopicDoNotDisturbTheRates(t *testing.T) {
	w := newWorld(t, 20, 4)
	w.arrivals, w.perMember = 200, 100
	w.run(5 * time.Minute)
	w.partitions = append(w.partitions, simulated{})
	for _, e := range w.run(5 * time.Minute) {
		wantState(t, e, tidemark.CaughtUp)
		if e.Consumption.Known && math.Abs(e.Consumption.PerSecond-200) > 20 {
			t.Fatalf("consumption = %+v, want about 200/s", e.Consumption)
		}
	}
}

func TestPartitionThatNobodyOwnsIsNamedAsSuch(t *testing.T) {
	w := newWorld(t, 3, 3)
	w.arrivals, w.perMember = 60, 100
	w.run(5 * time.Minute)
	w.unowned = map[int]bool{1: true}
	e := w.after(5 * time.Minute)
	wantState(t, e, tidemark.Stalled)
	if got, want := e.Partitions[1].State, tidemark.Stopped; got != want {
		t.Errorf("partition 1 is %s, want %s; because %s", got, want, e.Because)
	}
	if got, want := e.Replicas.Have, 2; got != want {
		t.Errorf("have = %d members that own something, want %d", got, want)
	}
}

// A backlog that waits for a rate must not be reported with one, and nothing may
// come out as not a number, infinite or negative, whatever happens.
func TestNothingImpossibleComesOutWhateverIsSeen(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, 6, 3)
		w.seed(seed)
		w.jitter = true
		w.aged()
		w.limits = tidemark.Thresholds{LagRecords: 500, TimeLag: time.Minute}
		for range 300 {
			w.trouble()
			for _, e := range w.run(time.Duration(1+w.random.IntN(40)) * time.Second) {
				checkPossible(t, e)
			}
		}
	}
}

// trouble changes one thing at random.
func (w *world) trouble() {
	i := w.random.IntN(len(w.partitions))
	switch w.random.IntN(10) {
	case 0:
		w.staff(w.random.IntN(5))
	case 1:
		w.gaps[i] = tidemark.Unreachable
	case 2:
		clear(w.gaps)
		clear(w.frozen)
		w.blind, w.phase = tidemark.Fine, "Stable"
	case 3:
		w.blind = tidemark.Denied
	case 4:
		w.partitions[i] = simulated{}
	case 5:
		w.partitions[i].read /= 2
		w.partitions[i].committed = w.partitions[i].read
	case 6:
		w.phase = "PreparingRebalance"
	case 7:
		w.frozen[i] = true
	case 8:
		w.arrivals, w.perMember = w.random.Float64()*500, w.random.Float64()*200
	case 9:
		w.now = w.now.Add(time.Duration(w.random.IntN(200)) * time.Second)
	}
}

func checkPossible(t *testing.T, e tidemark.Estimate) {
	t.Helper()
	rates := []tidemark.Rate{e.Arrivals, e.Consumption, e.ReplicaCapacity}
	for _, p := range e.Partitions {
		rates = append(rates, p.Arrivals, p.Consumption)
	}
	for _, r := range rates {
		if math.IsNaN(r.PerSecond+r.Error) || math.IsInf(r.PerSecond+r.Error, 0) || r.PerSecond < 0 || r.Error < 0 {
			t.Fatalf("impossible rate %+v in %+v", r, e)
		}
		if !r.Known && r != (tidemark.Rate{}) {
			t.Fatalf("unknown rate with a value %+v in %+v", r, e)
		}
	}
	if e.Because == "" {
		t.Fatalf("no reason given for %s", e.State)
	}
	if !e.Lag.Complete && (e.State != tidemark.Unknown || e.Drain.Known || e.Replicas.Known) {
		t.Fatalf("something is said of a lag that is not complete: %+v", e)
	}
	d := e.Drain
	if d.Known && (d.P10 < 0 || d.P10 > d.P50 || d.P50 > d.P90) {
		t.Fatalf("impossible drain time %+v", d)
	}
	if e.Replicas.Known && (e.Replicas.Needed < 1 || e.Replicas.Have < 0) {
		t.Fatalf("impossible replicas %+v", e.Replicas)
	}
	for _, a := range []tidemark.Ahead{e.Loss, e.Breach.Lag, e.Breach.TimeLag} {
		if a.In < 0 || !a.Known && a != (tidemark.Ahead{}) || a.Never && a.In != 0 {
			t.Fatalf("impossible forecast %+v in %+v", a, e)
		}
	}
	for _, d := range e.Diagnoses {
		for _, n := range d.Evidence {
			if math.IsNaN(n.Value) || math.IsInf(n.Value, 0) || n.Value < 0 {
				t.Fatalf("impossible evidence in %+v", d)
			}
		}
	}
	if r := e.Reserve; math.IsNaN(r.Headroom+r.Jump) || math.IsInf(r.Headroom+r.Jump, 0) || !r.Known && r != (tidemark.Reserve{}) {
		t.Fatalf("impossible reserve %+v", r)
	}
	if (e.Drain.Verdict == tidemark.Drains) != (e.Drain.Known && e.State == tidemark.Draining) {
		t.Fatalf("verdict %q of %s with drain %+v", e.Drain.Verdict, e.State, e.Drain)
	}
	if math.IsNaN(e.Skew) || e.Skew < 0 || e.Skew > float64(len(e.Partitions)) {
		t.Fatalf("impossible skew %g", e.Skew)
	}
}
