package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/aetherlink/tidemark/capacity"
)

// How the group behaves, in seconds. Source: capacity.md 3.3.
const (
	startDelay  = 60 // ± 30 %
	eagerPause  = 10 // everyone stops
	movedPause  = 5  // cooperative: only what changes hands
	commitEvery = 5
	lookEvery   = 15
	measured    = 300 // what a load-aware assignor goes by
)

// world is the group at one second of a scenario.
//
// Most of the time most members keep up, and then nothing of theirs is counted: they
// have read everything up to now. Only who falls behind is followed partition by
// partition, which makes a day of 96 partitions a matter of milliseconds.
type world struct {
	*Scenario
	assignor   string
	random     *rand.Rand
	now        int
	era        int // which one it is
	partitions []partition
	owners     []int // of each partition; -1: nobody, it is changing hands
	members    []member
	replicas   []int   // when each is ready
	stopped    int     // until when a rebalance stops everyone
	settled    bool    // no rebalance runs
	pausedTo   int     // when the rebalance that runs is over
	waiting    int     // members that are behind, and partitions that are nobody's
	widest     float64 // the largest share of a member
	flowed     float64 // what arrived while all members kept up, not yet counted as worked
	restarted  int     // replicas of the rolling deploy that have been restarted
	rebalances int
	looked     int
}

// partition is how far one partition has been read. While its owner keeps up, read
// and oldest stand still, and committed counts only until the owner's next commit.
type partition struct {
	read, committed float64
	phase           int // when it commits
	oldest          int // the second in which its oldest unread record came
}

// member is one consumer.
type member struct {
	owned  []int
	share  float64 // of all that arrives, as long as this era lasts
	behind bool
	since  int     // when it had read everything, if it is not behind
	worked float64 // records since the look before
}

func newWorld(s *Scenario, assignor string, replicas int) *world {
	w := &world{
		Scenario: s, assignor: assignor, random: rand.New(rand.NewPCG(s.random, 3)),
		partitions: make([]partition, s.Partitions), owners: slices.Repeat([]int{-1}, s.Partitions),
		replicas: make([]int, replicas), settled: true,
	}
	// A phase common to all partitions would hide from the looks what is in flight.
	for p := range w.partitions {
		w.partitions[p].phase = w.random.IntN(w.commitEvery)
	}
	w.seat(w.deal(replicas))
	return w
}

// want makes the group have that many replicas, some of which may have to start.
func (w *world) want(n int) {
	if n < len(w.replicas) {
		w.replicas = w.replicas[:n]
		return
	}
	for len(w.replicas) < n {
		w.replicas = append(w.replicas, w.now+w.delay())
	}
}

// delay is how long one replica takes to start.
func (w *world) delay() int { return int(startDelay * (0.7 + 0.6*w.random.Float64())) }

// ready counts the replicas that run.
func (w *world) ready() int {
	n := 0
	for _, at := range w.replicas {
		n += b2i(at <= w.now)
	}
	return n
}

// second lets one second pass.
func (w *world) second() {
	if next := w.era + 1; next < len(w.logs.eras) && w.logs.eras[next].from <= w.now {
		w.count()
		w.era = next
		w.weigh()
	}
	w.deploy()
	w.rebalance()
	if w.now >= w.stopped {
		w.read()
	}
	w.now++
	if w.waiting > 0 {
		w.commit()
	}
}

// deploy restarts one replica after the other, each when the one before takes part.
func (w *world) deploy() {
	if w.deploys == 0 || w.now < w.deploys || w.restarted >= len(w.replicas) {
		return
	}
	if !w.settled || len(w.members) < len(w.replicas) {
		return
	}
	w.replicas[w.restarted] = w.now + w.delay()
	w.restarted++
}

// rebalance begins when replicas came or went, and ends. Who joins during one is part
// of it. Members commit what they have read of what they give away.
func (w *world) rebalance() {
	if !w.settled && w.now >= w.pausedTo {
		w.settled = true
		w.count()
		w.seat(w.deal(w.ready()))
	}
	if w.settled && (w.ready() != len(w.members) || w.uneven()) {
		w.begin()
	}
}

// begin takes from the members what they will give away.
func (w *world) begin() {
	w.settled = false
	w.rebalances++
	w.count()
	if w.assignor != capacity.AssignLoadAware {
		w.stopped, w.pausedTo = w.now+eagerPause, w.now+eagerPause
		w.halt()
		return
	}
	w.pausedTo = w.now + movedPause
	next := w.deal(w.ready())
	for i, owner := range w.owners {
		if next[i] != owner {
			w.stop(owner)
			w.partitions[i].committed = w.partitions[i].read
			next[i] = -1
		}
	}
	w.seat(next)
}

// uneven says that a load-aware assignor would move something. It is asked every
// minute, and not while rates are those of an earlier deal.
func (w *world) uneven() bool {
	return w.assignor == capacity.AssignLoadAware && w.now%60 == 0 && w.now-w.pausedTo >= 2*measured &&
		!slices.Equal(w.deal(len(w.members)), w.owners)
}

// halt makes everyone stop and commit.
func (w *world) halt() {
	for m := range w.members {
		w.stop(m)
	}
	for i := range w.partitions {
		w.partitions[i].committed = w.partitions[i].read
	}
}

// deal says who gets what, as the group's assignor does. The load-aware one goes by
// what arrived lately.
func (w *world) deal(members int) []int {
	d := capacity.Deal{Members: members, Owner: w.owners, Load: w.logs.eras[w.era].share}
	if w.assignor == capacity.AssignLoadAware {
		d.Load = w.logs.mean(w.now-measured, w.now)
	}
	return capacity.Assign(w.assignor, d)
}

// seat makes the owners those. Who got something new has to look what is there.
func (w *world) seat(owners []int) {
	for m := range w.members {
		w.stop(m)
	}
	w.members = make([]member, w.ready())
	for m := range w.members {
		w.members[m].behind = true
	}
	w.owners = owners
	for i, m := range owners {
		if m >= 0 {
			w.members[m].owned = append(w.members[m].owned, i)
		}
	}
	w.weigh()
}

// weigh works out who gets which share of what arrives, and who is behind.
func (w *world) weigh() {
	w.waiting, w.widest = 0, 0
	for m := range w.members {
		mine := &w.members[m]
		mine.share = 0
		for _, i := range mine.owned {
			mine.share += w.logs.eras[w.era].share[i]
		}
		w.widest = max(w.widest, mine.share)
		w.waiting += b2i(mine.behind)
	}
	for _, m := range w.owners {
		w.waiting += b2i(m < 0)
	}
}

// read lets one second of work pass.
func (w *world) read() {
	arriving := w.logs.total[w.now+1] - w.logs.total[w.now]
	left := w.speed(w.now)
	if w.limit > 0 {
		left = min(left, w.limit/float64(max(1, len(w.members))))
	}
	if w.waiting == 0 && arriving*w.widest <= left && !w.frozen.has(w.now) && !w.limping.has(w.now) {
		w.flowed += arriving
		return
	}
	w.count()
	for m := range w.members {
		w.work(m, arriving, left)
	}
}

// count adds what flowed to what each member has worked.
func (w *world) count() {
	if w.flowed == 0 {
		return
	}
	for m := range w.members {
		w.members[m].worked += w.flowed * w.members[m].share
	}
	w.flowed = 0
}

// work lets one member spend its second on what it owns: on all of its partitions
// that have records, the same on each.
func (w *world) work(m int, arriving, left float64) {
	mine := &w.members[m]
	if m == 0 && w.limping.has(w.now) {
		left *= limp
	}
	held := w.frozen.has(w.now) && w.owners[0] == m
	if need := arriving * mine.share; !mine.behind && need <= left && !held {
		mine.worked += need
		return
	}
	w.stop(m)
	behind := 0.0
	for _, i := range mine.owned {
		behind += w.behind(i)
	}
	mine.worked += min(left, behind)
	if behind > left {
		w.share(mine, left)
		return
	}
	for _, i := range mine.owned {
		w.partitions[i].read += w.behind(i)
	}
	if !held {
		mine.behind, mine.since = false, w.now+1
		w.waiting--
	}
}

// share deals a second out to the partitions of a member, the same to each that has
// records.
func (w *world) share(mine *member, left float64) {
	for left > 1e-6 {
		open := 0
		for _, i := range mine.owned {
			open += b2i(w.behind(i) > 1e-9)
		}
		each := left / float64(max(1, open))
		for _, i := range mine.owned {
			n := min(each, w.behind(i))
			w.partitions[i].read += n
			left -= n
		}
	}
}

// behind returns how many records of a partition can be read in this second.
func (w *world) behind(i int) float64 {
	if i == 0 && w.frozen.has(w.now) {
		return 0
	}
	return max(0, w.logs.end(i, w.now+1)-w.partitions[i].read)
}

// stop makes what a member has read be counted partition by partition.
func (w *world) stop(m int) {
	if m < 0 || w.members[m].behind {
		return
	}
	for _, i := range w.members[m].owned {
		p := &w.partitions[i]
		p.committed, p.read, p.oldest = w.committed(i), w.logs.end(i, w.now), w.now
	}
	w.members[m].behind = true
	w.waiting++
}

// flows says that whoever owns a partition keeps up.
func (w *world) flows(i int) bool { return w.owners[i] >= 0 && !w.members[w.owners[i]].behind }

// commit lets those commit who are behind and whose time it is.
func (w *world) commit() {
	for i := range w.partitions {
		if p := &w.partitions[i]; (w.now+p.phase)%w.commitEvery == 0 && !w.flows(i) {
			p.committed = p.read
		}
	}
}

// committed returns how far a partition is committed.
func (w *world) committed(i int) float64 {
	p := &w.partitions[i]
	if !w.flows(i) {
		return p.committed
	}
	if at := w.now - (w.now+p.phase)%w.commitEvery; at >= w.members[w.owners[i]].since {
		return w.logs.end(i, at)
	}
	return p.committed
}

// late returns how many seconds the oldest unread record has waited.
func (w *world) late() int {
	if w.waiting == 0 {
		return 0
	}
	worst := w.now
	for i := range w.partitions {
		if w.flows(i) {
			continue
		}
		p := &w.partitions[i]
		read := p.read + 1e-6*max(1, p.read*1e-6)
		for p.oldest < w.now && w.logs.end(i, p.oldest+1) <= read {
			p.oldest++
		}
		worst = min(worst, p.oldest)
	}
	return w.now - worst
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
