package capacity

import (
	"cmp"
	"time"

	"github.com/aetherlink/tidemark"
)

// learn takes the rates of consumers that had work all along for their capacity.
func (l *look) learn() {
	if l.seen.Rebalancing() && !cooperative(l.seen) {
		l.group.service.streaks = nil
		return
	}
	s := &l.group.service
	for i := range l.crew.tides[:len(l.seen.Members)] {
		t := &l.crew.tides[i]
		if out := t.out(l.windows.short, l.windows); out.Known && t.saturated(out, l.windows) && s.oneThread(t, out) {
			s.partition = l.group.partitions[t.deepest].rate(&l.group.strip, l.windows).PerSecond
		}
	}
	s.observe(l.crew, l.group.newest(), l.windows)
}

// drain returns how long the consumer that takes longest needs, and remembers it
// until it is seen how true that was.
func (l *look) drain(state tidemark.State) tidemark.Drain {
	d := l.longest(state)
	d.Verdict = verdict(state, d)
	l.group.track.observe(l.group.newest(), state, d, l.rest(), l.windows)
	return d
}

// rest returns how long what is in flight takes to be read, as long as more is read
// than arrives.
func (l *look) rest() time.Duration {
	net := l.out.PerSecond - l.in.PerSecond
	if net <= 0 {
		return 0
	}
	return time.Duration(min(float64(l.total.Records)/net, l.windows.long.Seconds()) * float64(time.Second))
}

// longest is not known if one of the consumers never gets there.
func (l *look) longest(state tidemark.State) tidemark.Drain {
	d := &l.group.drift
	d.observe(l.group.newest(), l.total.Records, l.in, l.out, state == tidemark.Draining, l.windows)
	switch state {
	case tidemark.Idle, tidemark.CaughtUp:
		return tidemark.Drain{Known: true}
	case tidemark.Draining:
	default:
		return tidemark.Drain{}
	}
	longest := tidemark.Drain{Known: true}
	for i := range l.crew.tides {
		t := &l.crew.tides[i]
		if t.partitions == 0 || t.inFlight(l.windows) {
			continue
		}
		in, out := t.in.short.rate(), t.out(l.windows.short, l.windows)
		b := Backlog{Records: float64(t.lag), Arrivals: d.widen(in), Capacity: d.widen(out)}
		d := l.foreseen(b)
		if !d.Known || d.P50 > longest.P50 {
			d.Consumer, d.Topic, d.Partition = l.member(i), l.rows[t.deepest].Topic, l.rows[t.deepest].ID
			longest = d
		}
		if !d.Known {
			break
		}
	}
	return longest
}

// foreseen returns how long a backlog takes, with what is to arrive until then where
// the time of day or of the week tells that better than the present.
// Source: capacity.md 2.4, with a forecast.
func (l *look) foreseen(b Backlog) tidemark.Drain {
	d := b.Drain()
	if !d.Known {
		return d
	}
	b.Arrivals.PerSecond *= l.group.season.over(d.P50.Seconds(), l.windows)
	return b.Drain()
}

// member returns the name of a member: its instance, else its id; of nobody: none.
func (l *look) member(i int) string {
	if i >= len(l.seen.Members) {
		return ""
	}
	m := &l.seen.Members[i]
	return cmp.Or(m.InstanceID, m.ID)
}

// replicas sizes the group for its target. Partitions on which no commit moves are
// left out: no consumer more helps them. Source: capacity.md 2.3.
//
// While no saturated window was seen the capacity is a lower bound, so the need is
// an upper one: it is capped by what is there where that keeps up, and not told
// where nothing moves.
func (l *look) replicas(state tidemark.State, service tidemark.Rate) tidemark.Replicas {
	r := tidemark.Replicas{Have: l.have(), Useful: len(l.rows)}
	arrivals := l.whole.in.short.rate()
	proven := l.group.service.proven.Known
	moves := state != tidemark.Stopped && state != tidemark.Stalled && state != tidemark.Unknown
	if !l.total.Complete || !service.Known || !arrivals.Known || !proven && !moves {
		return r
	}
	// A forecast may add replicas and never takes any. Source: capacity.md 2.2.
	expected := arrivals.PerSecond * max(1, l.group.season.after(horizon))
	d := Demand{Arrivals: max(expected, l.whole.in.long.perSecond), Backlog: float64(l.total.Records)}
	if l.whole.stuck < l.whole.partitions {
		d.Arrivals -= max(l.frozen.in.short.perSecond, l.frozen.in.long.perSecond)
		d.Backlog -= float64(l.frozen.lag)
	}
	if state == tidemark.Idle || state == tidemark.CaughtUp {
		d.Backlog = 0
	}
	r.Needed = Need(d, service.PerSecond, l.model.target(l.seen.Name))
	if !proven && d.Backlog == 0 {
		r.Needed = min(r.Needed, max(1, r.Have))
	}
	r.PartitionsNeeded = r.Needed
	if l.shares() { // many read one partition: nothing caps them
		r.Useful, r.PartitionsNeeded = max(r.Useful, r.Needed), min(r.Needed, r.Useful)
	}
	r.Known = true
	return r
}

// shares says that members share partitions, record by record (KIP-932).
func (l *look) shares() bool { return l.seen.Type == "share" }

// have counts the members that own something or, if none does, all.
func (l *look) have() int {
	owning := 0
	for _, t := range l.crew.tides[:len(l.crew.tides)-1] {
		if t.partitions > 0 {
			owning++
		}
	}
	if owning == 0 {
		return len(l.seen.Members)
	}
	return owning
}
