package policy

import "github.com/aetherlink/tidemark"

// work is what the partitions of a group have to be done on them, to be dealt out
// to any number of replicas.
type work struct {
	arrivals []float64 // records per second by partition
	backlog  []float64 // records by partition
	robin    bool      // dealt out like cards, not in stretches
}

// hopeless is how many times what a replica can do one partition must get before
// the others set the size. Less may be measuring, or pass.
const hopeless = 1.2

// part is what one replica has to do.
type part struct{ arrivals, backlog float64 }

// work splits what arrives by the shares of the partitions, and says what will wait
// when a change made now takes effect. Partitions on which no commit moves are left
// out: no replica more helps them. One that alone gets more than a replica can do
// counts as what fills a replica, for the same reason: the others set the size.
func (p *Tidemark) work(s Sight, arrivals, capacity float64) work {
	w := work{robin: s.Group.Assignor == "roundrobin"}
	sum := 0.0
	for i := range s.Estimate.Partitions {
		sum += s.Estimate.Partitions[i].Arrivals.PerSecond
	}
	waits := max(0, arrivals-s.Estimate.Consumption.PerSecond) * lead.Seconds()
	if s.Ready < s.Wanted { // more is on the way than reads now
		waits = 0
	}
	for i := range s.Rows {
		rate, lag := 0.0, 0.0
		if e := &s.Estimate.Partitions[i]; e.Reason != tidemark.Stuck {
			share := 1 / float64(len(s.Rows))
			if sum > 0 {
				share = e.Arrivals.PerSecond / sum
			}
			records, _ := s.Rows[i].Lag()
			rate, lag = arrivals*share, float64(records)+waits*share
			if p.tried && rate > hopeless*capacity {
				rate, lag = p.filled*capacity, 0
			}
		}
		w.arrivals = append(w.arrivals, rate)
		w.backlog = append(w.backlog, lag)
	}
	return w
}

// busiest returns the most that any of so many replicas gets to do, as Kafka's range
// or round-robin assignor deals out one topic: the first get one partition more. The
// sticky ones give each as many, but which is not known before.
//
// 4, 1, 1 and 1 records per second on 2 replicas: range 5, round-robin 5; on 3: 5
// and 5; on 4: 4.
func (w *work) busiest(replicas int) (most part) {
	n := len(w.arrivals)
	if replicas < 1 || n == 0 {
		return most
	}
	each, more, from := n/replicas, n%replicas, 0
	for r := range min(replicas, n) {
		var mine part
		if w.robin {
			for i := r; i < n; i += replicas {
				mine.add(w, i)
			}
		} else {
			to := from + each
			if r < more {
				to++
			}
			for ; from < to; from++ {
				mine.add(w, from)
			}
		}
		most.arrivals, most.backlog = max(most.arrivals, mine.arrivals), max(most.backlog, mine.backlog)
	}
	return most
}

func (p *part) add(w *work, i int) {
	p.arrivals += w.arrivals[i]
	p.backlog += w.backlog[i]
}
