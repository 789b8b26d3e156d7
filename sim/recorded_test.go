package sim_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/sim"
)

// looks are looks at a group on four partitions, on which perSecond arrives at each
// hour; a look in ten does not see the last partition.
func looks(hours int, perSecond func(hour float64) float64) iter.Seq2[*tidemark.Snapshot, error] {
	return func(yield func(*tidemark.Snapshot, error) bool) {
		ends := 0.0
		for k := range hours*240 + 1 {
			at := nine.Add(time.Duration(k) * 15 * time.Second)
			s := &tidemark.Snapshot{Cluster: "main", Began: at, Ended: at, Groups: []tidemark.Group{{Name: "billing", At: at}}}
			for i := range int32(4) {
				p := tidemark.Partition{Group: "billing", Topic: "orders", ID: i, Committed: 5, LogEnd: 5 + int64(ends/4)}
				if i == 3 && k%10 == 5 {
					p.Reason, p.LogEnd = tidemark.Unreachable, tidemark.Unseen
				}
				s.Partitions = append(s.Partitions, p)
			}
			if !yield(s, nil) {
				return
			}
			ends += 15 * perSecond(float64(k)/240)
		}
	}
}

var nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func TestRecordedArrivalsAreReplayed(t *testing.T) {
	r := sim.Recording{Group: "billing", PerReplica: 1000}
	s, err := r.Scenario(looks(24, func(hour float64) float64 {
		if hour < 14 {
			return 800
		}
		return 2600
	}))
	if err != nil {
		t.Fatal(err)
	}
	row := sim.Summarise(sim.Compare([]sim.Entrant{entrant(t, "clairvoyant"), entrant(t, "always P")}, []*sim.Scenario{s}), func(sim.Result) bool { return true })
	// Ten hours are scored with one replica, ten with four: three would carry 867/s each,
	// but on four partitions one of three has two of them.
	if got, want := row[0].ReplicaHours.Median, 24*(10*1+10*4)/20.0; got < want-0.5 || got > want+0.5 {
		t.Errorf("replica-hours a day = %.1f, want %.1f", got, want)
	}
	if got, want := row[1].ReplicaHours.Median, 96.0; got < want-0.01 || got > want+0.01 {
		t.Errorf("replica-hours a day of all partitions = %.2f, want %.2f", got, want)
	}
}

func TestRecordingThatCannotBeReplayedSaysWhy(t *testing.T) {
	steady := func(float64) float64 { return 100 }
	torn := func(yield func(*tidemark.Snapshot, error) bool) { yield(nil, errors.New("it is empty")) }
	for _, c := range []struct {
		r     sim.Recording
		looks iter.Seq2[*tidemark.Snapshot, error]
		want  string
	}{
		{sim.Recording{Group: "payments"}, looks(2, steady), "replay group payments: the recording has no such group; it has billing"},
		{sim.Recording{Group: "billing", PerReplica: 1}, looks(0, steady), "replay group billing: the recording has 0s of it; at least 1h0m0s are needed"},
		{sim.Recording{Group: "billing"}, looks(2, steady), "replay group billing: no replica was seen that never waited, so what one can read is not known; say it"},
		{sim.Recording{Group: "billing"}, torn, "replay group billing: it is empty"},
	} {
		if _, err := c.r.Scenario(c.looks); fmt.Sprint(err) != c.want {
			t.Errorf("error = %v\n want %s", err, c.want)
		}
	}
}

// The recording may be cut off: what came before is replayed.
func TestRecordingThatWasCutOffIsReplayedUpToTheCut(t *testing.T) {
	whole := looks(4, func(float64) float64 { return 100 })
	cut := func(yield func(*tidemark.Snapshot, error) bool) {
		n := 0
		for s, err := range whole {
			if n++; n > 480 {
				yield(nil, errors.New("cut off"))
				return
			}
			if !yield(s, err) {
				return
			}
		}
	}
	s, err := sim.Recording{Group: "billing", PerReplica: 1000}.Scenario(cut)
	if err != nil {
		t.Fatal(err)
	}
	r := sim.Compare([]sim.Entrant{entrant(t, "always P")}, []*sim.Scenario{s})[0]
	if got, want := r.ReplicaHours, 4*(119.75*5/6)/60; got < want-0.1 || got > want+0.1 {
		t.Errorf("replica-hours = %.2f, want %.2f: two hours but for a look, five sixths of them, with four replicas", got, want)
	}
}

func TestEveryScenarioHasANameOfItsOwn(t *testing.T) {
	var names []string
	for _, s := range sim.Scenarios(24, 1) {
		names = append(names, strings.ToLower(s.Name))
	}
	slices.Sort(names)
	if got, want := len(slices.Compact(slices.Clone(names))), len(names); got != want {
		t.Errorf("%d names for %d scenarios: %v", got, want, names)
	}
}
