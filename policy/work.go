package policy

import (
	"cmp"
	"slices"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// work is what the partitions of a group have to be done on them, to be dealt out
// to any number of replicas. Running totals make one more size to try cheap.
type work struct {
	assignor string
	parts    []part // by topic and id; for the load-aware assignor the largest first
	until    []part // what those before each one make together
	topics   []int  // where each topic ends
	heaviest float64
	hands    []part // what each replica gets, written anew for each size
}

// part is what one replica has to do: arrivals per second, and a backlog.
type part struct{ arrivals, backlog float64 }

func (p part) plus(other part) part {
	return part{p.arrivals + other.arrivals, p.backlog + other.backlog}
}

func (p part) minus(other part) part {
	return part{p.arrivals - other.arrivals, p.backlog - other.backlog}
}

// atLeast is the larger of the two in both respects.
func (p part) atLeast(other part) part {
	return part{max(p.arrivals, other.arrivals), max(p.backlog, other.backlog)}
}

// hopeless is how many times what a replica can do one partition must get before
// the others set the size. Less may be measuring, or pass.
const hopeless = 1.2

// work splits what arrives by the shares of the partitions, and says what will wait
// when a change made now takes effect. Partitions on which no commit moves are left
// out: no replica more helps them. One that alone gets more than a replica can do
// counts as what fills a replica, for the same reason: the others set the size.
func (p *Tidemark) work(s Sight, arrivals, perReplica float64) work {
	sum := 0.0
	for i := range s.Estimate.Partitions {
		sum += s.Estimate.Partitions[i].Arrivals.PerSecond
	}
	waits := max(0, arrivals-s.Estimate.Consumption.PerSecond) * lead.Seconds()
	if s.Ready < s.Wanted { // more is on the way than reads now
		waits = 0
	}
	parts := make([]part, len(s.Rows))
	var topics []int
	for i := range s.Rows {
		if i > 0 && s.Rows[i].Topic != s.Rows[i-1].Topic {
			topics = append(topics, i)
		}
		e := &s.Estimate.Partitions[i]
		if e.Reason == tidemark.Stuck {
			continue
		}
		share := 1 / float64(len(s.Rows))
		if sum > 0 {
			share = e.Arrivals.PerSecond / sum
		}
		records, _ := s.Rows[i].Lag()
		parts[i] = part{arrivals * share, float64(records) + waits*share}
		if p.tried && parts[i].arrivals > hopeless*perReplica {
			parts[i] = part{arrivals: p.filled * perReplica}
		}
	}
	return newWork(s.Group.Assignor, parts, append(topics, len(parts)))
}

// newWork takes the parts of partitions, by topic and id, and where each topic ends.
func newWork(assignor string, parts []part, topics []int) work {
	w := work{assignor: assignor, parts: parts, topics: topics, until: make([]part, len(parts)+1)}
	switch assignor {
	case capacity.AssignSticky, capacity.AssignCooperative, capacity.AssignUniform:
		w.topics = []int{len(parts)} // these go by how many one has of all topics
	case capacity.AssignLoadAware:
		slices.SortFunc(w.parts, func(a, b part) int { return cmp.Compare(b.arrivals, a.arrivals) })
	}
	for i, p := range w.parts {
		w.until[i+1] = w.until[i].plus(p)
		w.heaviest = max(w.heaviest, p.arrivals)
	}
	return w
}

// busiest returns the most that any of so many replicas gets to do. Range deals out
// topic by topic, and the first get one partition more; the sticky ones give each as
// many, but which is not known before: as if they came in stretches as well.
//
// 4, 1, 1 and 1 records per second on 2 replicas: range 5, round-robin 5, by load 4;
// on 3: 5, 5 and 4.
func (w *work) busiest(replicas int) (most part) {
	switch {
	case replicas < 1 || len(w.parts) == 0:
		return most
	case w.assignor == capacity.AssignLoadAware:
		return w.balanced(replicas)
	}
	w.hands = append(w.hands[:0], make([]part, replicas)...)
	if w.assignor == capacity.AssignRoundRobin {
		for i, p := range w.parts {
			w.hands[i%replicas] = w.hands[i%replicas].plus(p)
		}
	} else {
		w.stretches(replicas)
	}
	for _, mine := range w.hands {
		most = most.atLeast(mine)
	}
	return most
}

// stretches deals out each topic in stretches.
func (w *work) stretches(replicas int) {
	from := 0
	for _, to := range w.topics {
		each, more := (to-from)/replicas, (to-from)%replicas
		for m := 0; m < replicas && from < to; m++ {
			end := from + each + b2i(m < more)
			w.hands[m] = w.hands[m].plus(w.until[end].minus(w.until[from]))
			from = end
		}
	}
}

// balanced returns what the busiest has at least if partitions are dealt out by
// load: a replica's share of all, give or take what is not worth a rebalance; the
// heaviest; the lightest two of the heaviest that are one more than there are replicas;
// and as many of the lightest as somebody must have. Largest first comes close to it.
func (w *work) balanced(replicas int) part {
	n := len(w.parts)
	share := part{w.until[n].arrivals / float64(replicas), w.until[n].backlog / float64(replicas)}
	share.arrivals *= unbalanced
	most := share.atLeast(w.parts[0])
	if n > replicas {
		most = most.atLeast(w.parts[replicas-1].plus(w.parts[replicas]))
	}
	lightest := (n + replicas - 1) / replicas
	return most.atLeast(w.until[n].minus(w.until[n-lightest]))
}

// unbalanced is how many times its share a replica may have before the load-aware
// assignor moves anything: half of its slack, on average. Source: capacity.Balance.
const unbalanced = 1.05

// beyond says that so many replicas cannot do it, however it is dealt out: it is more
// than all of them do, or one partition is more than one does.
func (w *work) beyond(replicas int, perSecond float64) bool {
	return w.until[len(w.parts)].arrivals > float64(replicas)*perSecond || w.heaviest > perSecond
}

// smallest returns the smallest size between two whose busiest replica has no more to
// do than that; the larger one if there is none.
func (w *work) smallest(from, to int, perSecond float64) int {
	for n := from; n < to; n++ {
		if !w.beyond(n, perSecond) && w.busiest(n).arrivals <= perSecond {
			return n
		}
	}
	return to
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
