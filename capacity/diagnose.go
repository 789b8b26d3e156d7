package capacity

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aetherlink/tidemark"
)

// How far something must leave the usual to be a finding. Source: capacity.md 2.3.
const (
	farSlower  = 0.75 // of what others read, or of what was read before: beyond what rates wander
	muchHotter = 2    // times what the others get, where one replica cannot read it
	fairGain   = 0.25 // of what more replicas should read more; less is no gain
	mostFound  = 16   // of one finding: more partitions than that are no single ones
)

// diagnose says what is wrong beyond the state: causes that a person or a scaler must
// treat differently, worst first. Where a lag is explained by one that more replicas
// do not cure, those that would ask for more replicas are ruled out.
func (l *look) diagnose(e *tidemark.Estimate, sick []tidemark.Diagnosis) (found []tidemark.Diagnosis) {
	l.group.reach.observe(l)
	if !behind(e.State) || e.State == tidemark.Stopped {
		return nil
	}
	found = append(l.stuck(e), sick...)
	found = append(found, l.hotKeys(e)...)
	if len(found) == 0 {
		found = l.downstream()
	}
	if len(found) == 0 {
		found = l.capped(e)
	}
	return found
}

// stuck finds partitions on which no commit moves. Where that is all of what one
// consumer has, and it has several, it is the consumer.
func (l *look) stuck(e *tidemark.Estimate) (found []tidemark.Diagnosis) {
	if l.whole.stuck == 0 || l.whole.stuck == l.whole.partitions {
		return nil
	}
	for i := range e.Partitions {
		p, t := &e.Partitions[i], l.crew.of(i)
		if len(found) == mostFound {
			break
		}
		if p.State != tidemark.Stalled || t.stuck == t.partitions && t.partitions > 1 {
			continue
		}
		lag, _ := l.rows[i].Lag()
		silent, owner := l.group.partitions[i].silent(l.group.newest()), l.member(int(l.crew.owners[i]))
		d := tidemark.Diagnosis{
			Finding: tidemark.StuckPartition, Topic: p.Topic, Partition: p.ID, Consumer: owner,
			Evidence: []tidemark.Figure{
				{Name: "lag", Value: float64(lag), Unit: "records"},
				{Name: "silent", Value: silent.Seconds(), Unit: "seconds"},
				{Name: "commit_period", Value: l.group.partitions[i].usual().Seconds(), Unit: "seconds"},
			},
			Because: fmt.Sprintf("no commit on %s/%d for %s while %s: a record that cannot be processed, or a call that hangs", p.Topic, p.ID, lasting(silent), records(lag)),
		}
		if t.partitions > 1 {
			d.RuledOut = fmt.Sprintf("not the consumer: %s goes on with the other %s", cmp.Or(owner, "its owner"), partitions(t.partitions-t.stuck))
		} else {
			d.RuledOut = "not the group: the other partitions go on; it may be the consumer, which has nothing else"
		}
		found = append(found, d)
	}
	return found
}

// sick finds a consumer that stands still on all it has, or is far slower than the
// others although it has as much to do. It is asked before anything is learnt: what a
// sick replica reads is not what a replica can.
func (l *look) sick(state tidemark.State) (found []tidemark.Diagnosis) {
	members := len(l.seen.Members)
	if !behind(state) || l.seen.Rebalancing() && !cooperative(l.seen) {
		return nil
	}
	for i := range l.crew.tides[:members] {
		t := &l.crew.tides[i]
		if t.partitions == 0 || members < 2 {
			continue
		}
		out := t.out(l.windows.short, l.windows)
		switch {
		case t.stuck == t.partitions && t.partitions > 1 && l.whole.stuck < l.whole.partitions:
			found = append(found, l.sickness(i, out, fmt.Sprintf("%s commits on none of its %s", l.member(i), partitions(t.partitions)),
				"not single records: all its partitions stand still, those of the others do not"))
		case l.isSlow(i, out):
			found = append(found, l.sickness(i, out, fmt.Sprintf("%s reads %s where others read %s", l.member(i), perSecond(out.PerSecond), perSecond(l.peers(i))),
				fmt.Sprintf("not the load: %d of its %s are behind, it gets %s", t.behind, partitions(t.partitions), perSecond(t.in.short.perSecond))))
			t.slow = true
		}
	}
	return found
}

func (l *look) sickness(i int, out tidemark.Rate, because, ruledOut string) tidemark.Diagnosis {
	t := &l.crew.tides[i]
	return tidemark.Diagnosis{
		Finding: tidemark.SickReplica, Consumer: l.member(i), Because: because + ": restart it, more replicas do not help", RuledOut: ruledOut,
		Evidence: []tidemark.Figure{
			{Name: "reads", Value: out.PerSecond, Unit: "records/s"},
			{Name: "others_read", Value: l.peers(i), Unit: "records/s"},
			{Name: "lag", Value: float64(t.lag), Unit: "records"},
			{Name: "behind", Value: float64(t.behind), Unit: "partitions"},
		},
	}
}

// isSlow says that a consumer never waits, is behind on most of what it has, gets no
// more than others, and reads far less than they do or, where they need not show what
// they can, than a replica of the group has shown.
func (l *look) isSlow(i int, out tidemark.Rate) bool {
	t := &l.crew.tides[i]
	if !t.saturated(out, l.windows) || 2*t.behind < t.partitions || t.in.short.unknown > 0 {
		return false
	}
	saturated, others, gets := 0, 0, 0.0
	for j := range l.crew.tides[:len(l.seen.Members)] {
		o := &l.crew.tides[j]
		if j == i || o.partitions == 0 {
			continue
		}
		others++
		gets += o.in.short.perSecond
		saturated += b2i(o.saturated(o.out(l.windows.short, l.windows), l.windows))
	}
	if others == 0 || t.in.short.perSecond > 1.5*gets/float64(others) {
		return false
	}
	reference := l.peers(i)
	if 2*saturated < others && l.group.service.proven.Known {
		reference = max(reference, l.group.service.proven.PerSecond)
	}
	return out.PerSecond+noise*out.Error < farSlower*reference
}

// peers returns the median of what the other consumers read.
func (l *look) peers(i int) float64 {
	var rates []float64
	for j := range l.crew.tides[:len(l.seen.Members)] {
		if o := &l.crew.tides[j]; j != i && o.partitions > 0 && o.stuck < o.partitions {
			rates = append(rates, o.out(l.windows.short, l.windows).PerSecond)
		}
	}
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}

// hotKeys finds partitions that get more than one replica can read, and far more than
// the others: no number of replicas helps them.
func (l *look) hotKeys(e *tidemark.Estimate) (found []tidemark.Diagnosis) {
	total := l.whole.in.short.perSecond
	n := float64(len(e.Partitions))
	if n < 2 || l.whole.in.short.unknown > 0 || l.shares() {
		return nil
	}
	for i := range e.Partitions {
		p, t := &e.Partitions[i], l.crew.of(i)
		gets := p.Arrivals.PerSecond
		others := (total - gets) / (n - 1)
		if !behind(p.State) || p.Reason == tidemark.Stuck || t.slow || gets-noise*p.Arrivals.Error <= muchHotter*others {
			continue
		}
		limit := l.group.service.limit(t.out(l.windows.short, l.windows))
		if limit == 0 || gets+p.Arrivals.Error < limit {
			continue
		}
		d := tidemark.Diagnosis{
			Finding: tidemark.HotKey, Topic: p.Topic, Partition: p.ID, Consumer: l.member(int(l.crew.owners[i])),
			Evidence: []tidemark.Figure{
				{Name: "arrivals", Value: gets, Unit: "records/s"},
				{Name: "share", Value: gets / total, Unit: "ratio"},
				{Name: "others_get", Value: others, Unit: "records/s"},
				{Name: "one_replica_reads", Value: limit, Unit: "records/s"},
			},
			Because:  fmt.Sprintf("%s/%d gets %s, %.0f times the others, and one replica reads %s", p.Topic, p.ID, perSecond(gets), gets/max(others, rounding), perSecond(limit)),
			RuledOut: "more replicas do not help: one partition has one reader; spread its keys, or make the reader faster",
		}
		if before := l.group.hot.before(p.Topic, p.ID); before != "" {
			d.Because += "; the hot key moves, it was on " + before
		}
		found = append(found, d)
	}
	l.group.hot.observe(found)
	return found
}

// heat remembers which partition was hot before the one that is now.
type heat struct{ now, past string }

func (h *heat) before(topic string, id int32) string {
	if here := place(topic, id); h.now != here {
		return h.now
	}
	return h.past
}

func (h *heat) observe(found []tidemark.Diagnosis) {
	if len(found) != 1 {
		return
	}
	if here := place(found[0].Topic, found[0].Partition); h.now != here {
		h.past, h.now = h.now, here
	}
}

func place(topic string, id int32) string { return fmt.Sprintf("%s/%d", topic, id) }

// reach is the most that a group was seen to read with each number of replicas, all
// of which had more to do than they could.
type reach struct {
	sizes []size
	full  int64 // since when all have had; 0: they do not now
	have  int
}

type size struct {
	replicas int
	most     float64 // records per second
	at       int64
}

// sizesKept bounds what is remembered; forgets is after how long.
const (
	sizesKept = 8
	forgets   = 24 * 3600 * 1e9
)

// observe takes in a look at which every replica had more to do than it could, for
// a whole window.
func (r *reach) observe(l *look) {
	now, full := l.group.newest(), l.allSaturated()
	if !full || r.have != l.have() {
		r.full, r.have = 0, l.have()
	}
	if full && r.full == 0 {
		r.full = now
	}
	if !r.lasts(l) || !l.out.Known {
		return
	}
	r.sizes = slices.DeleteFunc(r.sizes, func(s size) bool { return now-s.at > forgets })
	i := slices.IndexFunc(r.sizes, func(s size) bool { return s.replicas == r.have })
	if i < 0 {
		if len(r.sizes) == sizesKept {
			r.sizes = slices.Delete(r.sizes, 0, 1)
		}
		r.sizes = append(r.sizes, size{replicas: r.have})
		i = len(r.sizes) - 1
	}
	if s := &r.sizes[i]; l.out.PerSecond > s.most {
		s.most, s.at = l.out.PerSecond, now
	}
}

// lasts says that all have had more to do than they can for a whole window.
func (r *reach) lasts(l *look) bool {
	return r.full > 0 && l.group.newest()-r.full >= int64(l.windows.ofAdvances(l.windows.short, l.whole.period))
}

func (l *look) allSaturated() bool {
	for i := range l.crew.tides {
		t := &l.crew.tides[i]
		if t.partitions > 0 && (i == len(l.seen.Members) || !t.saturated(t.out(l.windows.short, l.windows), l.windows)) {
			return false
		}
	}
	return l.whole.partitions > 0
}

// downstream finds that more replicas did not read more, or that all of them read
// far less at once than they have: what they share is the limit.
func (l *look) downstream() []tidemark.Diagnosis {
	r := &l.group.reach
	if !r.lasts(l) || r.have < 2 {
		return nil
	}
	now, of := l.out.PerSecond, l.whole.partitions
	for _, s := range r.sizes {
		d := tidemark.Diagnosis{Finding: tidemark.DownstreamLimit, Evidence: []tidemark.Figure{
			{Name: "reads", Value: now, Unit: "records/s"},
			{Name: "replicas", Value: float64(r.have), Unit: "replicas"},
			{Name: "read_before", Value: s.most, Unit: "records/s"},
			{Name: "replicas_before", Value: float64(s.replicas), Unit: "replicas"},
		}}
		more := Speedup(of, r.have)/Speedup(of, s.replicas) - 1
		switch {
		case more > fairGain && now+noise*l.out.Error < s.most*(1+fairGain*more):
			d.Because = fmt.Sprintf("%d replicas read %s, %d read %s: what they call, or share, is the limit", r.have, perSecond(now), s.replicas, perSecond(s.most))
			d.RuledOut = "not too few replicas: all have more to do than they can, and more of them read no more"
			return []tidemark.Diagnosis{d}
		case s.replicas == r.have && now+noise*l.out.Error < farSlower*s.most:
			d.Because = fmt.Sprintf("all %d replicas together read %s, they read %s before: what they call, or share, has become slower", r.have, perSecond(now), perSecond(s.most))
			d.RuledOut = "not one replica: all are slower at once"
			return []tidemark.Diagnosis{d}
		}
	}
	return nil
}

// capped finds that it takes more replicas than there are partitions.
func (l *look) capped(e *tidemark.Estimate) []tidemark.Diagnosis {
	r := e.Replicas
	inTime := e.Drain.Known && e.Drain.P50 <= l.model.target(l.seen.Name).Drain
	if !r.Known || !e.CapacityProven || r.Needed <= r.Useful || inTime {
		return nil
	}
	return []tidemark.Diagnosis{{
		Finding: tidemark.PartitionCap,
		Evidence: []tidemark.Figure{
			{Name: "needed", Value: float64(r.Needed), Unit: "replicas"},
			{Name: "useful", Value: float64(r.Useful), Unit: "partitions"},
			{Name: "arrivals", Value: max(l.in.PerSecond, l.whole.in.long.perSecond), Unit: "records/s"},
			{Name: "one_replica_reads", Value: e.ReplicaCapacity.PerSecond, Unit: "records/s"},
		},
		Because:  fmt.Sprintf("it takes %d replicas, and %s allow %d: %d too many", r.Needed, partitions(l.total.Partitions), r.Useful, r.Needed-r.Useful),
		RuledOut: "more replicas than partitions have nothing to read; it takes more partitions, faster replicas, or longer",
	}}
}
