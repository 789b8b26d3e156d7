package capacity

import (
	"cmp"
	"slices"
)

// Deal is the partitions of a group, to be dealt out to its members. Members are
// numbers from 0 on, in the order that Kafka sorts them by: instance or member id.
type Deal struct {
	Topics  []int     // how many partitions each topic has, in the order of Load; nil: one topic has all
	Load    []float64 // of each partition, in records per second
	Owner   []int     // who reads it now; nil: nobody. A number that is no member's: who has left
	Members int
	May     func(partition, member int) bool // nil: everyone may read everything. Only Balance asks
}

// The assignors that Assign knows, by the names that groups report, and ours.
const (
	AssignRange       = "range"
	AssignRoundRobin  = "roundrobin"
	AssignSticky      = "sticky"
	AssignCooperative = "cooperative-sticky"
	AssignUniform     = "uniform" // of the brokers, KIP-848
	AssignLoadAware   = "load-aware"
)

// Assign returns who would read each partition after the next rebalance, by the
// assignor with that name. What is not known is taken for range, Kafka's default.
//
// 4 partitions on 3 members: range gives 0 0 1 2, round-robin 0 1 2 0. Sticky and
// uniform give everyone as many and move as few as that takes.
// Source: capacity.md 2.6; the assignors of Kafka's Java client and brokers.
func Assign(assignor string, d Deal) []int {
	switch {
	case d.Members <= 0:
		return slices.Repeat([]int{-1}, len(d.Load))
	case assignor == AssignRoundRobin:
		return d.roundRobin()
	case assignor == AssignSticky, assignor == AssignCooperative, assignor == AssignUniform:
		return d.sticky()
	case assignor == AssignLoadAware:
		return Balance(d)
	}
	return d.ranges()
}

// Busiest returns the most that any member has to do after a deal.
//
// 4, 1, 1 and 1/s dealt out 0 0 1 1: 5/s.
func (d Deal) Busiest(owners []int) (perSecond float64) {
	sums := make([]float64, max(0, d.Members))
	for i, m := range owners {
		if m >= 0 && m < len(sums) {
			sums[m] += d.Load[i]
			perSecond = max(perSecond, sums[m])
		}
	}
	return perSecond
}

// ranges gives each member a stretch of every topic; the first members get one
// partition more, of every topic again.
func (d Deal) ranges() []int {
	owners := make([]int, 0, len(d.Load))
	for _, n := range d.topics() {
		each, more := n/d.Members, n%d.Members
		for m := range d.Members {
			owners = append(owners, slices.Repeat([]int{m}, each+b2i(m < more))...)
		}
	}
	return owners
}

func (d Deal) topics() []int {
	if d.Topics == nil {
		return []int{len(d.Load)}
	}
	return d.Topics
}

func (d Deal) roundRobin() []int {
	owners := make([]int, len(d.Load))
	for i := range owners {
		owners[i] = i % d.Members
	}
	return owners
}

// sticky gives everyone as many, whatever they ask for. Where that does not come out
// even, those who have most already keep one more. Who has too many gives away the
// last ones.
func (d Deal) sticky() []int {
	owners, count := d.kept()
	room := make([]int, d.Members)
	byCount := make([]int, d.Members)
	for m := range byCount {
		byCount[m] = m
	}
	slices.SortStableFunc(byCount, func(a, b int) int { return cmp.Compare(count[b], count[a]) })
	for rank, m := range byCount {
		room[m] = len(owners)/d.Members + b2i(rank < len(owners)%d.Members)
	}
	for i := len(owners) - 1; i >= 0; i-- {
		if m := owners[i]; m >= 0 && count[m] > room[m] {
			owners[i] = -1
			count[m]--
		}
	}
	for i, m := range owners {
		if m < 0 {
			least := leastOf(count)
			owners[i] = least
			count[least]++
		}
	}
	return owners
}

// kept is who keeps what before anything is moved, and how many each has.
func (d Deal) kept() (owners, count []int) {
	owners, count = slices.Repeat([]int{-1}, len(d.Load)), make([]int, d.Members)
	for i := range min(len(d.Owner), len(owners)) {
		if m := d.Owner[i]; m >= 0 && m < d.Members && d.may(i, m) {
			owners[i] = m
			count[m]++
		}
	}
	return owners, count
}

func (d Deal) may(partition, member int) bool { return d.May == nil || d.May(partition, member) }

func leastOf(count []int) int {
	least := 0
	for m := range count {
		if count[m] < count[least] {
			least = m
		}
	}
	return least
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
