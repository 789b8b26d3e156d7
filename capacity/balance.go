package capacity

import (
	"cmp"
	"math"
	"slices"
)

// slack is by how much a member may be busier than needed before it is worth moving
// partitions: rates of a minute are known to a few percent.
const slack = 0.1

// Balance returns who shall read each partition so that nobody is much busier than
// needed, and moves few partitions for it. If it returns the present owners, a
// rebalance would not be worth it. The same question always gets the same answer.
//
// Everyone keeps what they have. What nobody has goes, largest first, to whom has
// least to do. Then, while somebody is over the level by more than half the slack, the
// partition that evens it out best moves, or two change places. That is done only if
// somebody is over the level by more than the slack, and if it takes off at least half
// of it: figures that waver move nothing. The level is the mean load of a member,
// without those who are filled by a single partition.
//
// 8, 1, 1, 1, 1, 1, 1 and 2/s on 2 members that have four partitions each, 11 and
// 5/s: the level is 8; it moves three of the small ones, 8 and 8/s.
// Source: capacity.md 2.6, sticky worst-fit-decreasing.
func Balance(d Deal) []int {
	if d.Members <= 0 {
		return slices.Repeat([]int{-1}, len(d.Load))
	}
	s := newScale(d)
	s.giveAway()
	level := s.level()
	before := s.worst(level)
	if before <= (1+slack)*level {
		return s.owner
	}
	kept := slices.Clone(s.owner)
	for range len(s.owner) {
		m := s.busiest(level * (1 + slack/2))
		if m < 0 {
			break
		}
		s.relieve(m)
	}
	if s.worst(level) > before-slack/2*level {
		return kept
	}
	return s.owner
}

// scale is a deal in the making.
type scale struct {
	Deal
	weight []float64 // of each partition: its load, and a little for being there
	owner  []int
	sum    []float64 // per member
	count  []int
	done   []bool // members that cannot be relieved any more
}

func newScale(d Deal) *scale {
	s := &scale{Deal: d, sum: make([]float64, d.Members), done: make([]bool, d.Members)}
	total := 0.0
	for _, l := range d.Load {
		total += max(0, l)
	}
	// Partitions on which nothing arrives are shared out as well, by their number.
	little := total / float64(max(1, len(d.Load))) / 100
	if total == 0 {
		little = 1
	}
	for _, l := range d.Load {
		s.weight = append(s.weight, max(0, l)+little)
	}
	s.owner, s.count = d.kept()
	for i, m := range s.owner {
		if m >= 0 {
			s.sum[m] += s.weight[i]
		}
	}
	return s
}

// giveAway deals out what nobody has: the largest first, to the least busy.
func (s *scale) giveAway() {
	var free []int
	for i, m := range s.owner {
		if m < 0 {
			free = append(free, i)
		}
	}
	slices.SortStableFunc(free, func(a, b int) int { return cmp.Compare(s.weight[b], s.weight[a]) })
	for _, i := range free {
		if m := s.idlest(i, -1); m >= 0 {
			s.move(i, m)
		}
	}
}

// idlest returns who has least to do of those who may read a partition, but for
// one; -1: nobody may.
func (s *scale) idlest(partition, but int) int {
	least := -1
	for m := range s.sum {
		if m != but && s.may(partition, m) && (least < 0 || s.sum[m] < s.sum[least]) {
			least = m
		}
	}
	return least
}

func (s *scale) move(partition, to int) {
	if from := s.owner[partition]; from >= 0 {
		s.sum[from] -= s.weight[partition]
		s.count[from]--
	}
	s.owner[partition] = to
	s.sum[to] += s.weight[partition]
	s.count[to]++
}

// level is what a member has to do on average, without those that one partition
// fills: 8, 1, 1 and 1 on two members: 3, since one is filled by 8.
func (s *scale) level() float64 {
	heavy := slices.Sorted(slices.Values(s.weight))
	left, members := 0.0, s.Members
	for _, w := range heavy {
		left += w
	}
	for i := len(heavy) - 1; i >= 0 && members > 1 && heavy[i] > left/float64(members); i-- {
		left -= heavy[i]
		members--
	}
	return left / float64(members)
}

// worst returns the most that anybody has to do who has more than one partition.
func (s *scale) worst(level float64) float64 {
	worst := level
	for m, sum := range s.sum {
		if s.count[m] > 1 {
			worst = max(worst, sum)
		}
	}
	return worst
}

// busiest returns who has most to do and can be relieved of some of it; -1: nobody
// that is over the limit.
func (s *scale) busiest(limit float64) int {
	most := -1
	for m, sum := range s.sum {
		if s.count[m] > 1 && !s.done[m] && sum > limit && (most < 0 || sum > s.sum[most]) {
			most = m
		}
	}
	return most
}

// relieve makes the one change that leaves m and the other with the least for the
// busier of the two: a partition goes to somebody, or two change places. Of two that
// are as good it is the one that moves less.
func (s *scale) relieve(m int) {
	best, give, take, to := s.sum[m]*(1-rounding), -1, -1, -1
	try := func(i, j, other int, back float64) {
		after := math.Max(s.sum[m]-s.weight[i]+back, s.sum[other]+s.weight[i]-back)
		if after += 1e-6 * (s.weight[i] + back); after < best {
			best, give, take, to = after, i, j, other
		}
	}
	for i, owner := range s.owner {
		if owner != m {
			continue
		}
		if other := s.idlest(i, m); other >= 0 {
			try(i, -1, other, 0)
		}
	}
	if give < 0 {
		s.swaps(m, try)
	}
	if give < 0 {
		s.done[m] = true
		return
	}
	s.move(give, to)
	if take >= 0 {
		s.move(take, m)
	}
}

// swaps tries what m has against what the idlest have.
func (s *scale) swaps(m int, try func(i, j, other int, back float64)) {
	for i, owner := range s.owner {
		if owner != m {
			continue
		}
		other := s.idlest(i, m)
		for j, theirs := range s.owner {
			if other >= 0 && theirs == other && s.may(j, m) {
				try(i, j, other, s.weight[j])
			}
		}
	}
}
