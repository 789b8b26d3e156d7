package capacity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
)

// fault is something that goes wrong, and what shall be found.
type fault struct {
	name   string
	inject func(*world)
	want   tidemark.Finding // empty: nothing shall be found
	says   string
}

func uneven(partitions, hot int, share float64) []float64 {
	s := slices.Repeat([]float64{(1 - share) / float64(partitions-1)}, partitions)
	s[hot] = share
	return s
}

// faults happen to 24 partitions on 6 members that can read 100/s each and get 360/s
// together.
func faults() []fault {
	return []fault{
		{"one partition stands still", func(w *world) { w.frozen[5] = true }, tidemark.StuckPartition, "orders/5"},
		{"one member stands still", func(w *world) {
			for i := 2; i < 24; i += 6 {
				w.frozen[i] = true
			}
		}, tidemark.SickReplica, "c commits on none of its 4 partitions"},
		{"one member is slow", func(w *world) { w.pace = map[int]float64{3: 35} }, tidemark.SickReplica, "d reads"},
		{"a key is hot", func(w *world) { w.share = uneven(24, 7, 0.4) }, tidemark.HotKey, "orders/7"},
		{"what members call is the limit", func(w *world) {
			w.together, w.arrivals = 400, 480
			w.run(10 * time.Minute)
			w.staff(12)
		}, tidemark.DownstreamLimit, "12 replicas read"},
		{"what members call becomes slow", func(w *world) {
			w.backlog(200_000)
			w.run(10 * time.Minute)
			w.together = 200
		}, tidemark.DownstreamLimit, "all 6 replicas"},
		{"more than the partitions allow", func(w *world) { w.staff(24); w.arrivals = 3200 }, tidemark.PartitionCap, "24 partitions allow 24"},
		{"a backlog that drains", func(w *world) { w.backlog(60_000) }, "", ""},
		{"nothing", func(*world) {}, "", ""},
		{"more arrives than six can read", func(w *world) { w.arrivals = 700 }, "", ""},
		{"an uneven load that drains", func(w *world) { w.share = uneven(24, 7, 0.1); w.backlog(60_000) }, "", ""},
		{"nobody reads", func(w *world) { w.staff(0) }, "", ""},
	}
}

// tally counts what was found of one finding.
type tally struct{ right, wrong, missed int }

func (n tally) f1() float64 {
	return 2 * float64(n.right) / float64(max(1, 2*n.right+n.wrong+n.missed))
}

// Source: capacity.md 3.5, macro-F1 ≥ 0.95 on injected faults.
func TestFaultsAreFoundAndNothingElseIs(t *testing.T) {
	counts := map[tidemark.Finding]*tally{}
	of := func(f tidemark.Finding) *tally {
		if counts[f] == nil {
			counts[f] = &tally{}
		}
		return counts[f]
	}
	for _, f := range faults() {
		for seed := range uint64(4) {
			w := newWorld(t, 24, 6)
			w.seed(seed)
			w.aged()
			w.wander, w.perMember, w.arrivals = 0.05, 100, 360
			w.run(5 * time.Minute)
			w.backlog(50_000) // it shows what members can do
			w.run(10 * time.Minute)
			f.inject(w)
			e := w.after(5 * time.Minute)
			found := findings(e)
			switch {
			case f.want == "" && len(found) > 0, f.want != "" && !slices.Equal(found, []tidemark.Finding{f.want}):
				t.Logf("%s, seed %d: found %v, want %q; %s because %s; needed %+v, capacity %+v", f.name, seed, found, f.want, e.State, e.Because, e.Replicas, e.ReplicaCapacity)
			case f.want != "" && !strings.Contains(e.Diagnoses[0].Because, f.says):
				t.Errorf("%s: because %q, want it to say %q", f.name, e.Diagnoses[0].Because, f.says)
			}
			for _, one := range found {
				if one == f.want {
					of(one).right++
				} else {
					of(one).wrong++
				}
			}
			if f.want != "" && !slices.Contains(found, f.want) {
				of(f.want).missed++
			}
		}
	}
	macro := 0.0
	for finding, n := range counts {
		t.Logf("%-17s %+v F1 %.2f", finding, *n, n.f1())
		macro += n.f1() / float64(len(counts))
	}
	t.Logf("macro-F1 %.3f", macro)
	if macro < 0.95 || len(counts) < 5 {
		t.Errorf("macro-F1 = %.3f over %d findings, want 0.95 over 5", macro, len(counts))
	}
}

func findings(e tidemark.Estimate) (found []tidemark.Finding) {
	for _, d := range e.Diagnoses {
		found = append(found, d.Finding)
	}
	return slices.Compact(found)
}

func TestDiagnosisCarriesItsNumbersAndWhatItIsNot(t *testing.T) {
	for _, f := range faults() {
		w := newWorld(t, 24, 6)
		w.perMember, w.arrivals = 100, 360
		w.run(5 * time.Minute)
		w.backlog(50_000)
		w.run(10 * time.Minute)
		f.inject(w)
		for _, d := range w.after(5 * time.Minute).Diagnoses {
			if len(d.Evidence) < 3 || d.Because == "" || d.RuledOut == "" {
				t.Errorf("%s: %+v", f.name, d)
			}
			for _, n := range d.Evidence {
				if n.Name == "" || n.Unit == "" || n.Value < 0 {
					t.Errorf("%s: evidence %+v", f.name, n)
				}
			}
		}
	}
}

func TestHotKeyThatMovesIsSaidToMove(t *testing.T) {
	w := newWorld(t, 12, 4)
	w.perMember, w.arrivals = 100, 200
	w.run(5 * time.Minute)
	for _, hot := range []int{3, 8} {
		w.share = uneven(12, hot, 0.7)
		w.run(3 * time.Minute)
		for i := range w.partitions {
			if i != hot {
				w.partitions[i].read = w.partitions[i].end
			}
		}
		w.run(2 * time.Minute)
	}
	e := w.after(15 * time.Second)
	got := fmt.Sprint(e.Diagnoses)
	if !strings.Contains(got, "orders/8 gets") || !strings.Contains(got, "it was on orders/3") {
		t.Errorf("diagnoses %s, want orders/8 and that it was on orders/3; %s because %s", got, e.State, e.Because)
	}
}
