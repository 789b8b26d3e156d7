package capacity_test

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/lag"
)

// fleet is a snapshot of many groups that all read one topic, four members each.
func fleet(groups, partitions int, now time.Time) *tidemark.Snapshot {
	s := &tidemark.Snapshot{Cluster: "main", Began: now, Ended: now}
	topic := tidemark.Topic{Name: "orders"}
	members := make([]tidemark.Member, 4)
	for m := range members {
		members[m] = tidemark.Member{ID: fmt.Sprintf("member-%d", m), Assigned: []tidemark.Assignment{{Topic: "orders"}}}
	}
	for id := range int32(partitions) {
		topic.Partitions = append(topic.Partitions, tidemark.Log{ID: id, End: 2_000_000, At: now})
		owner := &members[int(id)%len(members)].Assigned[0]
		owner.Partitions = append(owner.Partitions, id)
	}
	s.Topics = []tidemark.Topic{topic}
	for g := range groups {
		name := fmt.Sprintf("group-%06d", g)
		s.Groups = append(s.Groups, tidemark.Group{Name: name, Phase: "Stable", Members: members, At: now})
		for id := range int32(partitions) {
			s.Partitions = append(s.Partitions, tidemark.Partition{Group: name, Topic: "orders", ID: id, Committed: 1_999_900, LogEnd: 2_000_000})
		}
	}
	return s
}

// later is the same fleet a look later, with so many records more per partition,
// all of them read.
func later(s *tidemark.Snapshot, interval time.Duration, records int64) *tidemark.Snapshot {
	next := *s
	next.Began, next.Ended = s.Began.Add(interval), s.Ended.Add(interval)
	next.Groups = slices.Clone(s.Groups)
	for i := range next.Groups {
		next.Groups[i].At = next.Began
	}
	next.Topics = slices.Clone(s.Topics)
	for i := range next.Topics {
		next.Topics[i].Partitions = slices.Clone(s.Topics[i].Partitions)
		for j := range next.Topics[i].Partitions {
			next.Topics[i].Partitions[j].At = next.Began
			next.Topics[i].Partitions[j].End += records
		}
	}
	if records > 0 {
		next.Partitions = slices.Clone(s.Partitions)
		for i := range next.Partitions {
			next.Partitions[i].Committed += records
			next.Partitions[i].LogEnd += records
		}
	}
	return &next
}

// BenchmarkObserve observes a million group-partitions: 1,000 groups of 1,000.
func BenchmarkObserve(b *testing.B) {
	for _, records := range []int64{0, 1500} {
		b.Run(fmt.Sprintf("%d records arrive", records), func(b *testing.B) {
			m, s := capacity.New(capacity.Options{}), fleet(1000, 1000, epoch)
			for range 10 {
				m.Observe(s)
				s = later(s, 15*time.Second, records)
			}
			runtime.GC()
			b.ReportAllocs()
			var spent time.Duration
			for b.Loop() {
				before := processor(b)
				m.Observe(s)
				spent += processor(b) - before
				b.StopTimer()
				s = later(s, 15*time.Second, records)
				b.StartTimer()
			}
			b.ReportMetric(spent.Seconds()/float64(b.N), "cpu-s/op")
		})
	}
}

// BenchmarkTrouble observes groups that are all behind, with time lags, the forecast
// of losses, a hot partition and no diagnosis spared: the most that a look can cost.
// Source: capacity.md 3.5, 5 ms a group of 1,000 partitions, 5,000 groups in 15 s.
func BenchmarkTrouble(b *testing.B) {
	for _, size := range []struct{ groups, partitions int }{{20, 1000}, {5000, 24}} {
		b.Run(fmt.Sprintf("%d groups of %d partitions", size.groups, size.partitions), func(b *testing.B) {
			history := lag.New(lag.Options{})
			m := capacity.New(capacity.Options{
				TimeLag: history.TimeLag, Loss: history.Loss,
				Thresholds: func(string) tidemark.Thresholds { return tidemark.Thresholds{LagRecords: 1e9, TimeLag: time.Hour} },
			})
			s := fleet(size.groups, size.partitions, epoch)
			look := func() {
				history.Observe(s)
				for _, e := range m.Observe(s) {
					g, _ := s.Group(e.Group)
					w, ok := capacity.WorkOf(g, s.Of(e.Group), e, tidemark.Target{})
					if ok {
						w.Least()
					}
				}
			}
			next := func() {
				s = later(s, 15*time.Second, 1500)
				for i := range s.Partitions {
					s.Partitions[i].Committed -= 700
				}
				s.Topics[0].Partitions[3].End += 40_000
			}
			for range 8 {
				look()
				next()
			}
			runtime.GC()
			var spent time.Duration
			for b.Loop() {
				before := processor(b)
				look()
				spent += processor(b) - before
				b.StopTimer()
				next()
				b.StartTimer()
			}
			b.ReportMetric(1e3*spent.Seconds()/float64(b.N)/float64(size.groups), "cpu-ms/group")
			b.ReportMetric(spent.Seconds()/float64(b.N), "cpu-s/look")
		})
	}
}

// processor returns how long the processors have worked for this process: the one
// figure that busy neighbours do not change.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
