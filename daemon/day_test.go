package daemon_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// truth remembers what the lag of billing was, and from when on.
type truth struct {
	mu   sync.Mutex
	lags []lagSince
}

type lagSince struct {
	at      time.Time
	records int64
}

func (tr *truth) set(records int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lags = append(tr.lags, lagSince{time.Now(), records})
}

// during returns the least and the most the lag was between two moments.
func (tr *truth) during(began, ended time.Time) (least, most int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i, l := range slices.Backward(tr.lags) {
		if l.at.After(ended) {
			continue
		}
		if i == len(tr.lags)-1 || most == 0 && least == 0 {
			least, most = l.records, l.records
		}
		least, most = min(least, l.records), max(most, l.records)
		if l.at.Before(began) {
			break
		}
	}
	return least, most
}

// trouble is a fault and how it is healed.
type trouble struct {
	name string
	make func(b *bed) (heal func())
}

func answering(err *kerr.Error, keys ...kmsg.Key) func(b *bed) func() {
	return func(b *bed) func() {
		f := b.cluster.Fault(kfake.Fault{Keys: keys, Err: err, Count: -1})
		return f.Remove
	}
}

func at(node int32, err *kerr.Error, keys ...kmsg.Key) func(b *bed) func() {
	return func(b *bed) func() {
		f := b.cluster.Fault(kfake.Fault{Keys: keys, Nodes: []int32{node}, Err: err, Count: -1, TopLevel: keys == nil})
		return f.Remove
	}
}

func once(do func(b *bed)) func(b *bed) func() {
	return func(b *bed) func() {
		do(b)
		return func() {}
	}
}

func troubles() []trouble {
	return []trouble{
		{"leaders not available", answering(kerr.LeaderNotAvailable, kmsg.ListOffsets)},
		{"not leader on one broker", at(1, kerr.NotLeaderForPartition, kmsg.ListOffsets)},
		{"topic denied", answering(kerr.TopicAuthorizationFailed, kmsg.ListOffsets)},
		{"coordinator loading", answering(kerr.CoordinatorLoadInProgress, kmsg.OffsetFetch)},
		{"group denied", answering(kerr.GroupAuthorizationFailed, kmsg.OffsetFetch)},
		{"groups not listed by one broker", at(0, kerr.CoordinatorNotAvailable, kmsg.ListGroups)},
		{"groups not listed by any", answering(kerr.CoordinatorLoadInProgress, kmsg.ListGroups)},
		{"members not told", answering(kerr.CoordinatorNotAvailable, kmsg.DescribeGroups)},
		{"leaders move", once(func(b *bed) { b.cluster.ShufflePartitionLeaders() })},
		{"coordinators move", once(func(b *bed) { b.cluster.RehashCoordinators() })},
		{"offsets not available", answering(kerr.OffsetNotAvailable, kmsg.ListOffsets)},
	}
}

// TestADayOfFaultsShowsNothingThatWasNeverTrue runs a simulated day with a fault
// every ten minutes. In each view, what is shown as whole was true at some instant
// of the look; nothing is below zero; no alert resolves while its group is not
// seen whole; and two looks after a fault has healed all is whole again.
func TestADayOfFaultsShowsNothingThatWasNeverTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, tr := newBed(t), &truth{}
		b.publish(100)
		b.commit(0)
		tr.set(300)
		day := 24 * time.Hour
		go b.work(tr, day)

		var healed time.Time // of the latest fault; zero while one is on
		var faulty sync.Mutex
		faults := 0
		go func() {
			for list := troubles(); ; faults++ {
				if !b.sleep(7*time.Minute + 43*time.Second) {
					return
				}
				faulty.Lock()
				healed = time.Time{}
				faulty.Unlock()
				heal := list[faults%len(list)].make(b)
				b.sleep(130 * time.Second)
				heal()
				faulty.Lock()
				healed = time.Now()
				faulty.Unlock()
			}
		}()
		healed = time.Now()

		c := b.config()
		c.Clusters[0].Interval = time.Minute
		wrong := 0
		complain := func(format string, args ...any) {
			if wrong++; wrong < 10 {
				t.Errorf("after %v: %s", time.Since(b.began), fmt.Sprintf(format, args...))
			}
		}
		var before *tidemark.View
		b.run(c, day+7*time.Second, func(v *tidemark.View) {
			o := v.Observations[0]
			if o.Failed == nil && o.Snapshot != nil {
				inspect(o, tr, complain)
			}
			faulty.Lock()
			well := !healed.IsZero() && time.Since(healed) > 121*time.Second
			faulty.Unlock()
			if e, known := o.Estimate("billing"); well && (o.Failed != nil || !known || !e.Lag.Complete) {
				complain("two looks after healing billing is not whole: %v %+v", o.Failed, e.Lag)
			}
			keptAlerts(before, v, complain)
			before = v
		})
		if faults < 140 {
			t.Errorf("faults = %d, want at least 140", faults)
		}
	})
}

// sleep waits, or returns false when the test is over.
func (b *bed) sleep(d time.Duration) bool {
	select {
	case <-b.t.Context().Done():
		return false
	case <-time.After(d):
		return true
	}
}

// work appends a record a second to each partition and commits now and then, so
// that the lag rises and falls.
func (b *bed) work(tr *truth, long time.Duration) {
	time.Sleep(time.Second / 2) // never on a tick
	end, committed := int64(100), int64(0)
	for second := range int(long / (10 * time.Second)) {
		b.publish(10)
		end += 10
		if second%3 == 2 {
			committed = end - int64(second%500)*2
			committed = max(0, committed)
			b.commit(committed)
		}
		tr.set(3 * (end - committed))
		b.sleep(10 * time.Second)
	}
}

func inspect(o tidemark.Observation, tr *truth, complain func(string, ...any)) {
	for _, p := range o.Snapshot.Of("billing") {
		if lag, known := p.Lag(); known && lag < 0 {
			complain("lag of partition %d is %d", p.ID, lag)
		}
	}
	e, known := o.Estimate("billing")
	if !known || !e.Lag.Complete {
		return
	}
	least, most := tr.during(o.Snapshot.Began, o.Snapshot.Ended)
	if e.Lag.Records < least || e.Lag.Records > most {
		complain("lag = %d, and was never: between %d and %d", e.Lag.Records, least, most)
	}
}

// keptAlerts complains about an alert that was resolved while its group was out of sight.
func keptAlerts(before, after *tidemark.View, complain func(string, ...any)) {
	if before == nil {
		return
	}
	e, known := after.Observations[0].Estimate("billing")
	if after.Observations[0].Failed == nil && known && e.Lag.Complete {
		return
	}
	for _, a := range after.Alerts {
		if a.State == tidemark.AlertResolved && a.Labels["consumergroup"] == "billing" {
			complain("%s was resolved although %q is not seen whole", a.Name, "billing")
		}
	}
}
