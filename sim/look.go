package sim

import (
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/policy"
)

// epoch is second 0 of every run.
func epoch() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

func (w *world) time() time.Time { return epoch().Add(time.Duration(w.now) * time.Second) }

// looker looks at the world every 15 s, and loses one look of a hundred.
type looker struct {
	world   *world
	history *lag.History
	model   *capacity.Model // nil: nobody reads its estimates
	rows    []tidemark.Partition
	logs    []tidemark.Log
	members []tidemark.Member
	owners  []int // of whom members tells
}

func newLooker(w *world, estimates bool) *looker {
	l := &looker{world: w}
	if estimates {
		l.history = lag.New(lag.Options{Window: time.Hour})
		l.model = capacity.New(capacity.Options{TimeLag: l.history.TimeLag})
	}
	return l
}

func (l *looker) due() bool {
	w := l.world
	return w.now%lookEvery == 0 && !w.silent.has(w.now) && w.random.Float64() >= 0.01
}

// look is what a policy may see now.
func (l *looker) look() policy.Sight {
	w := l.world
	snapshot := l.snapshot()
	sight := policy.Sight{
		At: w.time(), Limits: policy.Limits{Min: 1, Max: w.Partitions}, Group: snapshot.Groups[0], Rows: snapshot.Partitions,
		Wanted: len(w.replicas), Ready: w.ready(), Arrived: w.logs.over(w.now-60, w.now),
	}
	l.effort(&sight)
	if l.model != nil {
		l.history.Observe(snapshot)
		sight.Estimate = l.model.Observe(snapshot)[0]
	}
	return sight
}

// effort adds what replicas would tell of themselves.
func (l *looker) effort(sight *policy.Sight) {
	w := l.world
	w.count()
	seconds := float64(max(1, w.now-w.looked))
	for m := range w.members {
		mine := &w.members[m]
		busy := mine.worked / seconds / w.speed(w.now)
		sight.Busy += busy / float64(len(w.members))
		sight.Busiest = max(sight.Busiest, busy)
		sight.Consumed += mine.worked / seconds
		mine.worked = 0
	}
	w.looked = w.now
}

// snapshot is what a look at the cluster shows. Who keeps estimates may keep what it
// was shown; for everyone else the same rows are written again.
func (l *looker) snapshot() *tidemark.Snapshot {
	w, at := l.world, l.world.time()
	if l.model != nil {
		l.rows, l.logs = make([]tidemark.Partition, 0, w.Partitions), make([]tidemark.Log, 0, w.Partitions)
	}
	l.rows, l.logs = l.rows[:0], l.logs[:0]
	now := w.logs.at(w.now)
	for i := range w.partitions {
		end := now.end(w.logs, i, w.now)
		row := tidemark.Partition{
			Group: "group", Topic: "topic", ID: int32(i), LogEnd: int64(end) + w.markers, Committed: int64(min(w.committed(i), end)),
		}
		if w.secret {
			row.Committed = tidemark.Uncommitted
		}
		if i%3 == 0 && w.hidden.has(w.now) {
			row.Reason, row.LogEnd = tidemark.Unreachable, tidemark.Unseen
		}
		l.rows = append(l.rows, row)
		if l.model != nil {
			l.logs = append(l.logs, tidemark.Log{ID: int32(i), End: row.LogEnd, At: at, Reason: row.Reason})
		}
	}
	return &tidemark.Snapshot{
		Cluster: "sim", Began: at, Ended: at, Partitions: l.rows,
		Groups: []tidemark.Group{l.group(at)}, Topics: []tidemark.Topic{{Name: "topic", Partitions: l.logs}},
	}
}

// group is who reads, by the assignment that holds.
func (l *looker) group(at time.Time) tidemark.Group {
	w := l.world
	group := tidemark.Group{Name: "group", Type: "classic", Phase: "Stable", Assignor: w.assignor, At: at}
	if !w.settled {
		group.Phase = "PreparingRebalance"
	}
	if len(l.owners) == 0 || &l.owners[0] != &w.owners[0] || len(l.members) != len(w.members) {
		l.owners, l.members = w.owners, nil
		for m := range w.members {
			var ids []int32
			for _, i := range w.members[m].owned {
				ids = append(ids, int32(i))
			}
			l.members = append(l.members, tidemark.Member{
				ID: fmt.Sprintf("member-%03d", m), Assigned: []tidemark.Assignment{{Topic: "topic", Partitions: ids}},
			})
		}
	}
	group.Members = l.members
	return group
}
