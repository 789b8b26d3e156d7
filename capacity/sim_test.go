package capacity_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/lag"
)

var epoch = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// world simulates one group on one topic in steps of a second: what arrives is
// spread evenly over the partitions, each member reads what it owns at its rate,
// and commits every so often.
type world struct {
	t          *testing.T
	model      *capacity.Model
	now, next  time.Time
	random     *rand.Rand
	partitions []simulated
	members    []string
	arrivals   float64       // records per second, all partitions together
	perMember  float64       // records per second that one member can read
	commits    time.Duration // how often a member commits
	looks      time.Duration
	share      []float64    // of arrivals, by partition; nil: even
	alone      bool         // the one consumer is no member
	jitter     bool         // looks and commits come when they like
	even       bool         // arrivals without the noise of a Poisson process
	frozen     map[int]bool // not read by their owner
	limits     tidemark.Thresholds
	pace       map[int]float64 // of single members, in place of perMember
	together   float64         // what all members can read together; 0: no limit
	wander     float64         // by how much members' rates and arrivals waver from minute to minute
	waver      float64
	slow       map[int]float64 // read at that rate at most
	history    *lag.History    // nil: time lags are not known
	unowned    map[int]bool
	gaps       map[int]tidemark.Reason
	blind      tidemark.Reason
	phase      string
	kind       string // of group; empty: classic
	left       int64  // records on a topic that the group has committed on and reads no more
}

type simulated struct{ end, read, committed float64 }

// aged makes the model know time lags.
func (w *world) aged() {
	w.history = lag.New(lag.Options{})
	w.model = capacity.New(capacity.Options{TimeLag: w.history.TimeLag, Loss: w.history.Loss, Thresholds: func(string) tidemark.Thresholds { return w.limits }})
}

func (w *world) seed(n uint64) { w.random = rand.New(rand.NewPCG(n, 7)) }

func newWorld(t *testing.T, partitions, members int) *world {
	w := &world{
		t: t, now: epoch, random: rand.New(rand.NewPCG(1, 2)), model: capacity.New(capacity.Options{}),
		partitions: make([]simulated, partitions), commits: 5 * time.Second, looks: 15 * time.Second,
		frozen: map[int]bool{}, gaps: map[int]tidemark.Reason{}, phase: "Stable",
	}
	for i := range w.partitions {
		w.partitions[i].end, w.partitions[i].read, w.partitions[i].committed = 1e6, 1e6, 1e6
	}
	w.staff(members)
	return w
}

// staff makes the group have that many members.
func (w *world) staff(members int) {
	w.members = nil
	for i := range members {
		w.members = append(w.members, string(rune('a'+i)))
	}
}

func (w *world) backlog(records float64) {
	for i := range w.partitions {
		w.partitions[i].end += math.Floor(records / float64(len(w.partitions)))
	}
}

func (w *world) behind() float64 {
	n := 0.0
	for _, p := range w.partitions {
		n += p.end - p.committed
	}
	return n
}

func (w *world) owner(partition int) int {
	if w.unowned[partition] {
		return -1
	}
	return partition % max(1, len(w.members))
}

func (w *world) shareOf(partition int) float64 {
	if w.share != nil {
		return w.share[partition]
	}
	return 1 / float64(len(w.partitions))
}

func (w *world) second() {
	w.now = w.now.Add(time.Second)
	forget := math.Exp(-1.0 / 60)
	w.waver = forget*w.waver + math.Sqrt(1-forget*forget)*w.wander*w.random.NormFloat64()
	for i := range w.partitions {
		w.partitions[i].end += w.arrive(w.arrivals * w.shareOf(i))
	}
	for m := range w.members {
		w.read(m)
	}
	w.readSlowly()
	for i := range w.partitions {
		// Members commit each at a moment of their own.
		offset := time.Duration(w.owner(i)*7) * time.Second
		if (w.now.Sub(epoch)+offset)%w.commits == 0 {
			w.partitions[i].committed = math.Floor(w.partitions[i].read)
		}
	}
}

// read lets one member spend a second's work on what it owns.
func (w *world) read(member int) {
	left := w.perMember
	if pace, own := w.pace[member]; own {
		left = pace
	}
	if w.together > 0 {
		left = min(left, w.together/float64(len(w.members)))
	}
	left *= 1 + w.waver
	for left > 1e-9 {
		var open []int
		for i, p := range w.partitions {
			if _, slowly := w.slow[i]; w.owner(i) == member && !w.frozen[i] && !slowly && p.end-p.read > 1e-9 {
				open = append(open, i)
			}
		}
		if len(open) == 0 {
			return
		}
		share := left / float64(len(open))
		for _, i := range open {
			n := min(share, w.partitions[i].end-w.partitions[i].read)
			w.partitions[i].read += n
			left -= n
		}
	}
}

// readSlowly reads what is read at a rate of its own.
func (w *world) readSlowly() {
	for i, rate := range w.slow {
		p := &w.partitions[i]
		p.read += min(rate, p.end-p.read)
	}
}

func (w *world) arrive(mean float64) float64 {
	if w.even {
		return mean
	}
	if mean > 30 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*w.random.NormFloat64()))
	}
	n, p := 0.0, w.random.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= w.random.Float64()
	}
	return n
}

// run lets time pass and returns the estimate of every look.
func (w *world) run(d time.Duration) []tidemark.Estimate {
	w.t.Helper()
	var estimates []tidemark.Estimate
	for until := w.now.Add(d); w.now.Before(until); {
		w.second()
		if w.due() {
			estimates = append(estimates, w.look())
		}
	}
	return estimates
}

// due says whether it is time for a look: on the dot, or up to 2 s off it.
func (w *world) due() bool {
	if !w.jitter {
		return w.now.Sub(epoch)%w.looks == 0
	}
	if w.now.Before(w.next) {
		return false
	}
	w.next = w.now.Round(w.looks).Add(w.looks + time.Duration(w.random.IntN(5)-2)*time.Second)
	return true
}

// after lets time pass and returns the estimate of the last look.
func (w *world) after(d time.Duration) tidemark.Estimate {
	w.t.Helper()
	estimates := w.run(d)
	if len(estimates) == 0 {
		w.t.Fatalf("no look within %s", d)
	}
	return estimates[len(estimates)-1]
}

func (w *world) look() tidemark.Estimate {
	w.t.Helper()
	s := w.snapshot()
	if w.history != nil {
		w.history.Observe(s)
	}
	estimates := w.model.Observe(s)
	if got, want := len(estimates), 1; got != want {
		w.t.Fatalf("%d estimates, want %d", got, want)
	}
	return estimates[0]
}

func (w *world) snapshot() *tidemark.Snapshot {
	group := tidemark.Group{Name: "billing", Type: cmp.Or(w.kind, "classic"), Phase: w.phase, At: w.now, Reason: w.blind, Coordinator: 2}
	for m, id := range w.members {
		a := tidemark.Assignment{Topic: "orders"}
		for i := range w.partitions {
			if w.owner(i) == m {
				a.Partitions = append(a.Partitions, int32(i))
			}
		}
		group.Members = append(group.Members, tidemark.Member{ID: id, Assigned: []tidemark.Assignment{a}})
	}
	if w.alone {
		group.Members = nil
	}
	if len(group.Members) == 0 {
		group.Phase = "Empty"
	}
	s := &tidemark.Snapshot{
		Cluster: "main", Began: w.now, Ended: w.now.Add(50 * time.Millisecond), Groups: []tidemark.Group{group},
		Brokers: []tidemark.Broker{{ID: 1, Up: true}, {ID: 2}},
	}
	topic := tidemark.Topic{Name: "orders"}
	for i, p := range w.partitions {
		reason := w.gaps[i]
		end := int64(p.end)
		log := tidemark.Log{ID: int32(i), Leader: 2, End: end, At: w.now, Reason: reason}
		row := tidemark.Partition{Group: "billing", Topic: "orders", ID: int32(i), Committed: int64(p.committed), LogEnd: end, Reason: reason}
		if reason.Blinds() {
			log.End, row.LogEnd = tidemark.Unseen, tidemark.Unseen
		}
		topic.Partitions = append(topic.Partitions, log)
		s.Partitions = append(s.Partitions, row)
	}
	s.Topics = []tidemark.Topic{topic}
	if w.left > 0 {
		s.Topics = append(s.Topics, tidemark.Topic{Name: "orders-old", Partitions: []tidemark.Log{{Leader: 2, End: w.left, At: w.now}}})
		s.Partitions = append(s.Partitions, tidemark.Partition{Group: "billing", Topic: "orders-old", LogEnd: w.left, Reason: tidemark.Unsubscribed})
	}
	return s
}

func wantState(t *testing.T, e tidemark.Estimate, want tidemark.State) {
	t.Helper()
	if got := e.State; got != want {
		t.Fatalf("state = %s, want %s; because %s", got, want, e.Because)
	}
}
