package capacity

import (
	"time"

	"github.com/aetherlink/tidemark"
)

// look is one group in one look: what was seen, what is remembered, and what
// follows so far.
type look struct {
	model    *Model
	snapshot *tidemark.Snapshot
	seen     *tidemark.Group
	rows     []tidemark.Partition
	group    *group
	crew     *crew
	windows  windows
	name     string // of the topic that was asked for last
	topic    *topic

	total   tidemark.Total
	whole   tide
	frozen  tide          // of the whole, the partitions on which no commit moves
	oldest  tide          // those with a record that waits for too long; its deepest is the oldest
	in, out tidemark.Rate // of the whole, over the window that decided
}

// estimate works from partitions to consumers to the group.
func (l *look) estimate() tidemark.Estimate {
	l.begin()
	partitions := make([]tidemark.PartitionEstimate, len(l.rows))
	for i := range l.rows {
		l.partition(i, &partitions[i])
	}
	for i := range l.crew.tides {
		l.whole.merge(&l.crew.tides[i])
	}
	markHot(partitions)
	l.total.Complete = l.total.Complete && !l.seen.Reason.Blinds()
	l.in, l.out = l.whole.in.short.rate(), l.consumption(l.windows.short)
	if l.in.Known {
		l.group.season.observe(l.group.newest(), l.in.PerSecond, l.windows)
	}
	state := l.state()
	drain := l.drain(state)
	sick := l.sick(state)
	l.learn()
	service := l.group.service.rate()
	e := tidemark.Estimate{
		Cluster:         l.snapshot.Cluster,
		Group:           l.seen.Name,
		State:           state,
		Because:         l.because(state, drain),
		Lag:             l.total,
		TimeLag:         oldest(partitions),
		Arrivals:        l.in,
		Consumption:     l.out,
		ReplicaCapacity: service,
		CapacityProven:  l.group.service.proven.Known,
		ThreadCapacity:  l.group.service.thread(),
		Drain:           drain,
		Track:           l.group.track.record(),
		Loss:            l.loss(partitions),
		Replicas:        l.replicas(state, service),
		Reserve:         l.reserve(service),
		Skew:            l.skew(),
		Partitions:      partitions,
	}
	e.Breach = l.breach(&e)
	e.Diagnoses = l.diagnose(&e, sick)
	return e
}

// behind says that more waits than is in flight.
func behind(s tidemark.State) bool {
	switch s {
	case tidemark.Draining, tidemark.Steady, tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		return true
	default:
		return false
	}
}

// begin lays out the moments that the tides are summed over, and how often each
// consumer commits: it does so for all its partitions at once, and where little
// arrives one partition alone shows too short a period.
func (l *look) begin() {
	l.total.Complete = true
	for i := range l.crew.tides {
		l.crew.tides[i].commits = course{at: l.group.at, n: l.group.n}
	}
	for i := range l.rows {
		t := l.crew.of(i)
		t.period = max(t.period, l.group.partitions[i].usual())
	}
}

// consumption returns what all consumers together read over a window.
func (l *look) consumption(window time.Duration) tidemark.Rate {
	var all sum
	for i := range l.crew.tides {
		if t := &l.crew.tides[i]; t.partitions > 0 {
			all.add(sumOf(t.out(window, l.windows)))
		}
	}
	return all.rate()
}

// partition estimates one partition into e and adds it to what its owner has.
func (l *look) partition(i int, e *tidemark.PartitionEstimate) {
	row, c := &l.rows[i], &l.group.partitions[i]
	lag, known := row.Lag()
	known = known && !l.seen.Reason.Blinds()
	l.total.Add(*row)

	e.Topic, e.ID, e.Reason = row.Topic, row.ID, row.Reason
	e.TimeLag = l.model.timeLag(*row, lag, known, l.seen.At)
	in := unseen()
	if a := l.log(row); a != nil {
		in = a.in
	}
	e.Arrivals = in.short.rate()
	blind := row.Reason.Blinds() || l.seen.Reason.Blinds()
	committed := row.Committed >= 0 && !blind
	if committed {
		e.Consumption = c.rate(&l.group.strip, l.windows)
	}

	t := l.crew.of(i)
	late := l.late(lag, e.TimeLag, t.period)
	e.State, e.Reason = l.partitionState(i, e, waiting{lag: lag, known: known, late: late, in: &in})
	if row.Reason == tidemark.Unsubscribed {
		return // nobody is to read it: what waits there says nothing about those who read
	}
	if late {
		t.late++
		l.oldest.deepen(i, e.TimeLag.Value.Nanoseconds())
	}
	t.behind += b2i(behind(e.State))
	t.partitions++
	t.in.add(in)
	t.hottest = max(t.hottest, in.short.perSecond)
	t.deepen(i, lag)
	if blind {
		t.blind++
	}
	if committed {
		t.committed++
		c.addTo(t, l.group.n)
	}
	if l.isRead() && (e.State == tidemark.Stalled || e.State == tidemark.Stopped) {
		t.stuck++
		l.frozen.in.add(in)
		l.frozen.deepen(i, lag)
	}
}

// log returns what is remembered of the log behind a row. Rows come by topic, so
// one topic is looked up once.
func (l *look) log(row *tidemark.Partition) *arrivals {
	if l.topic == nil || l.name != row.Topic {
		l.name, l.topic = row.Topic, l.model.topics[row.Topic]
	}
	return l.topic.log(row.ID)
}

// skew returns how many times the mean lag the deepest partition has. 12 records
// on one of 3 partitions and none on the others: 3.
func (l *look) skew() float64 {
	n := l.total.Partitions - l.total.Uncommitted
	if !l.total.Complete || n < 2 || l.total.Records == 0 {
		return 0
	}
	return float64(l.whole.deepestLag) * float64(n) / float64(l.total.Records)
}

// oldest returns the time lag of the worst partition. It is not known unless all
// are: the worst of those that were seen may not be the worst. A partition that
// was never committed has no lag, as in the total.
func oldest(partitions []tidemark.PartitionEstimate) tidemark.TimeLag {
	var worst tidemark.TimeLag
	for i := range partitions {
		p := &partitions[i]
		if p.Reason == tidemark.NeverCommitted {
			continue
		}
		if !p.TimeLag.Known {
			return tidemark.TimeLag{}
		}
		if !worst.Known || p.TimeLag.Value > worst.Value {
			worst = p.TimeLag
		}
	}
	return worst
}

// hot is how many times the mean of the others a partition must get to be hot. It
// is the skew that the seed alerts on. Source: contracts.md 2, thresholds.
const hot = 4

// markHot gives the reason to partitions that are behind because they get far more
// than their share of what arrives.
func markHot(partitions []tidemark.PartitionEstimate) {
	total := 0.0
	for i := range partitions {
		total += partitions[i].Arrivals.PerSecond
	}
	for i := range partitions {
		p := &partitions[i]
		others := (total - p.Arrivals.PerSecond) / float64(max(1, len(partitions)-1))
		behind := p.State == tidemark.Growing || p.State == tidemark.Steady || p.State == tidemark.Draining
		if behind && p.Reason == tidemark.Fine && len(partitions) > 1 && p.Arrivals.PerSecond > hot*others {
			p.Reason = tidemark.Hot
		}
	}
}
