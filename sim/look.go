package sim

import (
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/policy"
)

// epoch is second 0 of every run.
func epoch() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

func (w *world) time() time.Time { return epoch().Add(time.Duration(w.now) * time.Second) }

// snapshot is what a look at the cluster shows.
func (w *world) snapshot() *tidemark.Snapshot {
	at := w.time()
	group := tidemark.Group{Name: "group", Type: "classic", Phase: "Stable", Assignor: "range", At: at}
	if !w.settled {
		group.Phase = "PreparingRebalance"
	}
	for m := range w.members {
		from, to := owned(w.Partitions, w.members, m)
		var ids []int32
		for i := from; i < to; i++ {
			ids = append(ids, int32(i))
		}
		group.Members = append(group.Members, tidemark.Member{
			ID: fmt.Sprintf("member-%03d", m), Assigned: []tidemark.Assignment{{Topic: "topic", Partitions: ids}},
		})
	}
	s := &tidemark.Snapshot{Cluster: "sim", Began: at, Ended: at, Groups: []tidemark.Group{group}}
	topic := tidemark.Topic{Name: "topic"}
	for i := range w.partitions {
		reason, end := tidemark.Fine, int64(w.arrived[w.now]*w.share[i])
		if i%3 == 0 && w.hidden.has(w.now) {
			reason, end = tidemark.Unreachable, tidemark.Unseen
		}
		committed := min(int64(w.partitions[i].committed), int64(w.arrived[w.now]*w.share[i]))
		topic.Partitions = append(topic.Partitions, tidemark.Log{ID: int32(i), End: end, At: at, Reason: reason})
		s.Partitions = append(s.Partitions, tidemark.Partition{
			Group: "group", Topic: "topic", ID: int32(i), Committed: committed, LogEnd: end, Reason: reason,
		})
	}
	s.Topics = []tidemark.Topic{topic}
	return s
}

// sight is what a policy may see now, but for the estimate.
func (w *world) sight(s *tidemark.Snapshot) policy.Sight {
	sight := policy.Sight{
		At: w.time(), Limits: policy.Limits{Min: 1, Max: w.Partitions}, Group: s.Groups[0], Rows: s.Partitions,
		Wanted: len(w.replicas), Ready: w.ready(), Arrived: w.average(60),
	}
	seconds := float64(max(1, w.now-w.looked))
	for m, n := range w.worked {
		busy := n / seconds / w.speed(w.now)
		sight.Busy += busy / float64(len(w.worked))
		sight.Busiest = max(sight.Busiest, busy)
		sight.Consumed += n / seconds
		w.worked[m] = 0
	}
	w.looked = w.now
	return sight
}

// average returns the mean arrivals per second over the last seconds.
func (w *world) average(seconds int) float64 {
	from := max(0, w.now-seconds)
	return (w.arrived[w.now] - w.arrived[from]) / float64(max(1, w.now-from))
}
