package sim

import "sort"

// logs is what arrives at a group: everything by the second, and which partition
// gets which share of it.
type logs struct {
	total []float64 // what has arrived by the beginning of each second
	eras  []era     // oldest first; the first begins at second 0
}

// era is a time in which the shares of the partitions do not change.
type era struct {
	from  int
	share []float64
	held  []float64 // how many records each partition held when it began
}

// newLogs returns logs of so many records each second, with shares that never change.
func newLogs(rate, share []float64) *logs {
	l := &logs{total: make([]float64, len(rate)+1)}
	for t, r := range rate {
		l.total[t+1] = l.total[t] + r
	}
	l.change(0, share)
	return l
}

// change begins an era. The latest began earlier.
func (l *logs) change(from int, share []float64) {
	held := make([]float64, len(share))
	if n := len(l.eras); n > 0 {
		for i := range held {
			held[i] = l.eras[n-1].end(l, i, from)
		}
	}
	l.eras = append(l.eras, era{from: from, share: share, held: held})
}

// at returns the era of a second.
func (l *logs) at(second int) *era {
	if last := &l.eras[len(l.eras)-1]; second >= last.from {
		return last
	}
	return &l.eras[sort.Search(len(l.eras), func(i int) bool { return l.eras[i].from > second })-1]
}

// end returns how many records a partition holds at the beginning of a second of
// the era, or at its end.
func (e *era) end(l *logs, partition, second int) float64 {
	return e.held[partition] + (l.total[second]-l.total[e.from])*e.share[partition]
}

// end is [era.end] at any second; beyond the last one nothing arrives.
func (l *logs) end(partition, second int) float64 {
	second = min(second, len(l.total)-1)
	return l.at(second).end(l, partition, second)
}

// over returns what arrived per second between two moments.
func (l *logs) over(from, to int) float64 {
	from, to = max(0, from), min(to, len(l.total)-1)
	return (l.total[to] - l.total[from]) / float64(max(1, to-from))
}

// mean returns the shares of the partitions over a while.
func (l *logs) mean(from, to int) []float64 {
	from = max(0, from)
	first := l.at(from)
	if to <= from || first == l.at(to) {
		return first.share
	}
	all := l.total[to] - l.total[from]
	if all == 0 {
		return l.at(to).share
	}
	mean := make([]float64, len(first.share))
	for i := range mean {
		mean[i] = (l.end(i, to) - l.end(i, from)) / all
	}
	return mean
}
