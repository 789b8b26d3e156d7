package scale_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark/scale"
)

// The seed's YAML: up by one at over 500 records for 5 minutes, at most every 5
// minutes, at most the partition count; down by one at no lag for 30 minutes and
// under half a record per second, at most every 15 minutes, at least 1.
// Source: reference-deployment.md, autoscaling policy of the seed.
func TestTheSeedsPolicyDecidesAsItsTimelineByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.partitions, w.capacity, w.arrivals, w.replicas = 3, 2.7, 0, 1
		w.ends, w.commits = w.ends[:3], w.commits[:3]
		c := acting()
		c.Targets[0].Policy, c.Targets[0].Max, c.Targets[0].Shadow = "seed", 6, time.Second
		s, stop := w.open(t.TempDir(), c)
		defer stop()
		w.live(s, time.Minute, nil)
		for p := range w.ends {
			w.ends[p] += 10_000.0 / 3
		}
		began := time.Now()
		w.live(s, 2*time.Hour, nil)
		var got []string
		for _, o := range w.orders {
			got = append(got, fmt.Sprintf("%s: %d to %d", o.At.Sub(began).Round(time.Minute), o.From, o.To))
		}
		// 810 records in 5 minutes by one replica; then one of two has two partitions,
		// of which 2,658 each are left after 10 minutes: at 2.7/s gone after 26 minutes.
		// The rate is over a minute, so it is under 0.5 after 28; 30 minutes later 2
		// replicas, and 15 more 1.
		want := []string{"5m0s: 1 to 2", "10m0s: 2 to 3", "58m0s: 3 to 2", "1h13m0s: 2 to 1"}
		if !slices.Equal(got, want) {
			t.Errorf("changes %q, want %q", got, want)
		}
	})
}

func TestTheSeedsPolicyIsHeldToThePartitionsAndNotToItsMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.partitions, w.capacity, w.arrivals, w.replicas = 3, 2.7, 20, 1
		w.ends, w.commits = w.ends[:3], w.commits[:3]
		c := scale.Config{Mode: scale.Act, Targets: []scale.Target{target()}}
		c.Targets[0].Policy, c.Targets[0].Shadow = "seed", time.Second
		s, stop := w.open(t.TempDir(), c)
		defer stop()
		w.live(s, 2*time.Hour, nil)
		if got, want := w.size(), 3; got != want {
			t.Errorf("replicas = %d, want %d", got, want)
		}
	})
}
