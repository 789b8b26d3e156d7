package sim

import (
	"math"
	"math/rand/v2"
)

// How the group behaves, in seconds. Source: capacity.md 3.3.
const (
	startDelay  = 60 // ± 30 %
	rebalance   = 10 // eager: everyone stops
	commitEvery = 5
	lookEvery   = 15
)

// world is the group at one second of a scenario.
type world struct {
	*Scenario
	random     *rand.Rand
	now        int
	arrived    []float64 // by the end of each second, whole group
	partitions []partition
	replicas   []int // when each is ready
	members    int   // in the assignment that holds
	stopped    int   // until when a rebalance stops everyone
	settled    bool  // the latest rebalance is over and its assignment holds
	rebalances int
	worked     []float64 // per member, records since the look before
	looked     int
}

// partition is how far one partition has been read.
type partition struct {
	read, committed float64
	phase           int // when it commits
	oldest          int // the second in which its oldest unread record came
}

func newWorld(s *Scenario, replicas int) *world {
	w := &world{
		Scenario: s, random: rand.New(rand.NewPCG(s.random, 3)), arrived: make([]float64, length+1),
		partitions: make([]partition, s.Partitions), replicas: make([]int, replicas),
		members: replicas, settled: true, worked: make([]float64, replicas),
	}
	for t, r := range s.rate {
		w.arrived[t+1] = w.arrived[t] + r
	}
	// A phase common to all partitions would hide from the looks what is in flight.
	for p := range w.partitions {
		w.partitions[p].phase = w.random.IntN(commitEvery)
	}
	return w
}

// want makes the group have that many replicas, some of which may have to start.
func (w *world) want(n int) {
	if n < len(w.replicas) {
		w.replicas = w.replicas[:n]
		return
	}
	for len(w.replicas) < n {
		delay := startDelay * (0.7 + 0.6*w.random.Float64())
		w.replicas = append(w.replicas, w.now+int(delay))
	}
}

// ready counts the replicas that run.
func (w *world) ready() int {
	n := 0
	for _, at := range w.replicas {
		if at <= w.now {
			n++
		}
	}
	return n
}

// second lets one second pass.
func (w *world) second() {
	w.assign()
	if w.now >= w.stopped {
		for m := range w.members {
			w.work(m)
		}
	}
	w.now++
	for i := range w.partitions {
		if p := &w.partitions[i]; (w.now+p.phase)%commitEvery == 0 {
			p.committed = p.read
		}
	}
}

// assign begins a rebalance when replicas came or went, and ends it. Who joins
// during one is part of it. Members commit what they have read when they stop.
func (w *world) assign() {
	if w.now >= w.stopped && !w.settled {
		w.settled, w.members = true, w.ready()
		w.worked = make([]float64, w.members)
	}
	if w.settled && w.ready() != w.members {
		w.settled, w.stopped = false, w.now+rebalance
		w.rebalances++
		for i := range w.partitions {
			w.partitions[i].committed = w.partitions[i].read
		}
	}
}

// owned returns the partitions of one member: from to to, the end not included, as
// the range assignor of Kafka deals them out.
func owned(partitions, members, m int) (from, to int) {
	each, more := partitions/members, partitions%members
	from = m*each + min(m, more)
	return from, from + each + b2i(m < more)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// work lets one member spend its second on what it owns: on all of its partitions
// that have records, the same on each.
func (w *world) work(m int) {
	from, to := owned(w.Partitions, w.members, m)
	left := w.speed(w.now)
	if w.limit > 0 {
		left = min(left, w.limit/float64(w.members))
	}
	mine := w.partitions[from:to]
	behind := 0.0
	for i := range mine {
		behind += w.behind(from + i)
	}
	w.worked[m] += min(left, behind)
	if behind <= left {
		for i := range mine {
			mine[i].read += w.behind(from + i)
		}
		return
	}
	for left > 1e-6 {
		open := 0
		for i := range mine {
			open += b2i(w.behind(from+i) > 1e-9)
		}
		each := left / float64(max(1, open))
		for i := range mine {
			n := min(each, w.behind(from+i))
			mine[i].read += n
			left -= n
		}
	}
}

// behind returns how many records of a partition can be read.
func (w *world) behind(i int) float64 {
	if i == 0 && w.frozen.has(w.now) {
		return 0
	}
	return max(0, w.end(i)-w.partitions[i].read)
}

// end returns how many records a partition holds by the end of this second.
func (w *world) end(i int) float64 {
	return w.arrived[min(w.now+1, length)] * w.share[i]
}

// late returns how many seconds the oldest unread record has waited.
func (w *world) late() int {
	worst := w.now
	for i := range w.partitions {
		p := &w.partitions[i]
		for p.oldest < w.now && w.arrived[p.oldest+1]*w.share[i] <= p.read+1e-6*math.Max(1, p.read*1e-6) {
			p.oldest++
		}
		worst = min(worst, p.oldest)
	}
	return w.now - worst
}
