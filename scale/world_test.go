package scale_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/scale"
)

// world is a group whose consumers are as many as the scaler makes them, in
// virtual time: a fluid that arrives and is read.
type world struct {
	t          *testing.T
	partitions int
	arrivals   float64 // per second, all partitions
	capacity   float64 // of one replica, per second
	downstream float64 // of all replicas together; 0: no limit
	poisoned   bool    // partition 0 is not read
	blind      bool    // the group's commits are not seen
	out        bool    // the cluster is out of sight

	mu       sync.Mutex
	replicas int
	orders   []scale.Order
	refuse   error // what a change ends with; nil: it is carried out
	owner    string
	rolling  bool

	ends, commits []float64
	history       *lag.History
	model         *capacity.Model
	decisions     []tidemark.Decision
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, partitions: 12, arrivals: 60, capacity: 20, replicas: 4, history: lag.New(lag.Options{})}
	w.model = capacity.New(capacity.Options{TimeLag: w.history.TimeLag})
	w.ends, w.commits = make([]float64, w.partitions), make([]float64, w.partitions)
	return w
}

// Size and Change make the world a target.
func (w *world) Size(context.Context) (scale.Size, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return scale.Size{Replicas: w.replicas, Ready: w.replicas, Owner: w.owner, Rolling: w.rolling}, nil
}

func (w *world) Change(_ context.Context, o scale.Order) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders = append(w.orders, o)
	if w.refuse != nil {
		return w.refuse
	}
	if w.replicas != o.From {
		return scale.ErrConflict
	}
	w.replicas = o.To
	return nil
}

func (w *world) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.replicas
}

// byHand is somebody else changing the size.
func (w *world) byHand(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replicas = n
}

// refuses says what a change ends with from now on.
func (w *world) refuses(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = err
}

const tick = 15 * time.Second

// flow lets one tick of load pass.
func (w *world) flow() {
	replicas := w.size()
	limit := math.Inf(1)
	if w.downstream > 0 {
		limit = w.downstream / float64(replicas)
	}
	share := w.arrivals * tick.Seconds() / float64(w.partitions)
	for i := range w.ends {
		w.ends[i] += share
	}
	for r := range replicas {
		left := min(w.capacity, limit) * tick.Seconds()
		owned := w.owned(r, replicas)
		for turn, p := range owned {
			if w.poisoned && p == 0 {
				continue
			}
			read := min(w.ends[p]-w.commits[p], left/float64(len(owned)-turn))
			w.commits[p] += read
			left -= read
		}
	}
}

func (w *world) owned(replica, replicas int) (ids []int) {
	for p := range w.partitions {
		if p*replicas/w.partitions == replica {
			ids = append(ids, p)
		}
	}
	return ids
}

func (w *world) snapshot() *tidemark.Snapshot {
	now := time.Now()
	s := &tidemark.Snapshot{Cluster: "main", Began: now, Ended: now, Topics: []tidemark.Topic{{Name: "orders"}}}
	g := tidemark.Group{Name: "billing", Type: "classic", Phase: "Stable", Assignor: "range", At: now}
	replicas := w.size()
	for r := range replicas {
		m := tidemark.Member{ID: fmt.Sprintf("c-%02d", r), Assigned: []tidemark.Assignment{{Topic: "orders"}}}
		for _, p := range w.owned(r, replicas) {
			m.Assigned[0].Partitions = append(m.Assigned[0].Partitions, int32(p))
		}
		g.Members = append(g.Members, m)
	}
	reason := tidemark.Fine
	if w.blind {
		g.Reason, reason = tidemark.Unreachable, tidemark.Unreachable
	}
	s.Groups = []tidemark.Group{g}
	for p := range w.partitions {
		s.Topics[0].Partitions = append(s.Topics[0].Partitions, tidemark.Log{ID: int32(p), End: int64(w.ends[p]), At: now})
		s.Partitions = append(s.Partitions, tidemark.Partition{
			Group: "billing", Topic: "orders", ID: int32(p), Reason: reason,
			Committed: int64(w.commits[p]), LogEnd: int64(w.ends[p]),
		})
	}
	return s
}

func (w *world) view() *tidemark.View {
	snapshot := w.snapshot()
	o := tidemark.Observation{Cluster: "main", Snapshot: snapshot}
	if w.out {
		o.Failed = errors.New("no broker answers")
	} else {
		w.history.Observe(snapshot)
	}
	o.Estimates = w.model.Observe(snapshot)
	return &tidemark.View{At: snapshot.Ended, Observations: []tidemark.Observation{o}}
}

// live lets time pass with a look each tick, and checks what always holds.
func (w *world) live(s *scale.Scaler, long time.Duration, each func()) {
	w.t.Helper()
	for range int(long / tick) {
		time.Sleep(tick)
		w.flow()
		if each != nil {
			each()
		}
		before := w.size()
		for _, d := range s.Step(w.view()) {
			if (w.blind || w.out) && d.Desired < before {
				w.t.Errorf("%s: %d desired of %d in doubt: %s %q", d.At, d.Desired, before, d.Because, d.Held)
			}
			w.decisions = append(w.decisions, d)
		}
	}
}

func (w *world) last() tidemark.Decision { return w.decisions[len(w.decisions)-1] }

// target is one that acts after being watched for a minute.
func target() scale.Target {
	return scale.Target{Name: "billing", Cluster: "main", Group: "billing", Mode: scale.Act, Min: 1, Max: 12, ActionsPerHour: 60, Shadow: time.Minute}
}

// open starts a scaler over the world and stops it at the test's end.
func (w *world) open(dir string, c scale.Config) (s *scale.Scaler, stop func()) {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	journal, err := scale.OpenJournal(dir, log)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err = scale.New(scale.Options{
		Config: c, Journal: journal, Log: log,
		Changer: func(scale.Target) (scale.Changer, error) { return w, nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, func() {
		cancel()
		if err := errors.Join(<-ended, journal.Close()); err != nil {
			w.t.Error(err)
		}
	}
}
