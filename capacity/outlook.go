package capacity

import (
	"time"

	"github.com/aetherlink/tidemark"
)

// verdict says whether the lag ends, from the state and the drain time that it has.
// Only rates that differ beyond noise make a never: what is too close to tell may
// never drain. Source: capacity.md 2.4, P(n ≤ 0) > 10 %.
func verdict(s tidemark.State, d tidemark.Drain) tidemark.Verdict {
	switch s {
	case tidemark.Idle, tidemark.CaughtUp:
		return tidemark.NothingToDrain
	case tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		return tidemark.NeverDrains
	case tidemark.Draining:
		if d.Known {
			return tidemark.Drains
		}
		return tidemark.MayNeverDrain
	case tidemark.Steady:
		return tidemark.MayNeverDrain
	default:
		return ""
	}
}

// loss returns how long until retention deletes what the group has not read. A danger
// that was seen counts though other partitions were not seen; that there is none
// takes all of them.
func (l *look) loss(partitions []tidemark.PartitionEstimate) tidemark.Ahead {
	soonest := tidemark.Ahead{Never: true, Known: true}
	for i := range partitions {
		a := l.lossOn(i, &partitions[i])
		switch {
		case a.Known && !a.Never && (soonest.Never || !soonest.Known || a.In < soonest.In):
			soonest = a
		case !a.Known && soonest.Never:
			soonest = tidemark.Ahead{}
		}
	}
	return soonest
}

// lossOn is loss for one partition. The oldest unread record grows older by 1 − x/λ
// seconds per second: by one while nobody reads, not at all while the reader keeps
// pace with what arrives. 4 h are left to who reads nothing, 16 h to who reads three
// quarters of what arrives. Source: capacity.md 2.5.
func (l *look) lossOn(i int, e *tidemark.PartitionEstimate) tidemark.Ahead {
	row := &l.rows[i]
	lag, known := row.Lag()
	switch {
	case !row.Reason.Blinds() && row.Lost() > 0:
		return tidemark.Ahead{Known: true}
	case !known || l.seen.Reason.Blinds():
		return tidemark.Ahead{}
	case lag == 0 || e.State == tidemark.CaughtUp || e.State == tidemark.Draining:
		return tidemark.Ahead{Never: true, Known: true}
	case l.model.options.Loss == nil:
		return tidemark.Ahead{}
	}
	a := l.model.options.Loss(*row, l.seen.At)
	if !a.Known || a.Never || e.State == tidemark.Stalled || e.State == tidemark.Stopped || !e.Arrivals.Known || !e.Consumption.Known {
		return a
	}
	ageing := 1 - e.Consumption.PerSecond/e.Arrivals.PerSecond
	if e.State == tidemark.Steady || ageing <= 0 {
		return tidemark.Ahead{Never: true, Known: true}
	}
	return in(a.In.Seconds() / ageing)
}

// in is a number of seconds ahead; more than a year is out of sight.
func in(seconds float64) tidemark.Ahead {
	if seconds > 365*24*3600 {
		return tidemark.Ahead{Never: true, Known: true}
	}
	return tidemark.Ahead{In: time.Duration(max(0, seconds) * float64(time.Second)), Known: true}
}

// breach returns how long until the thresholds of the group are passed.
func (l *look) breach(e *tidemark.Estimate) (b tidemark.Breach) {
	if l.model.options.Thresholds == nil {
		return b
	}
	limits := l.model.options.Thresholds(l.seen.Name)
	if limits.LagRecords > 0 {
		b.Lag = l.lagBreach(e.State, float64(limits.LagRecords))
	}
	if limits.TimeLag > 0 {
		b.TimeLag = l.timeLagBreach(e, limits.TimeLag)
	}
	return b
}

// lagBreach is (L − B)/(λ − x) while the lag grows. 400 of 500 records and 2/s more
// arriving than are read: 50 s.
func (l *look) lagBreach(s tidemark.State, limit float64) tidemark.Ahead {
	left := limit - float64(l.total.Records)
	switch {
	case left <= 0:
		return tidemark.Ahead{Known: true}
	case s == tidemark.Unknown:
		return tidemark.Ahead{}
	case !grows(s):
		return tidemark.Ahead{Never: true, Known: true}
	case !l.in.Known || !l.out.Known && s != tidemark.Stopped:
		return tidemark.Ahead{}
	case l.in.PerSecond <= l.out.PerSecond:
		return tidemark.Ahead{Never: true, Known: true}
	}
	return in(left / (l.in.PerSecond - l.out.PerSecond))
}

func grows(s tidemark.State) bool {
	return s == tidemark.Growing || s == tidemark.Stalled || s == tidemark.Stopped
}

// timeLagBreach is (x_c·T − B_c)/(λ_c − x_c) for the consumer that gets there first,
// and the time left to a record that nobody reads. Source: capacity.md 2.5.
func (l *look) timeLagBreach(e *tidemark.Estimate, limit time.Duration) tidemark.Ahead {
	soonest := tidemark.Ahead{Never: true, Known: e.TimeLag.Known}
	for i := range e.Partitions {
		p := &e.Partitions[i]
		switch {
		case p.TimeLag.Known && p.TimeLag.Value >= limit:
			return tidemark.Ahead{Known: true}
		case p.TimeLag.Known && (p.State == tidemark.Stalled || p.State == tidemark.Stopped):
			soonest = sooner(soonest, in((limit - p.TimeLag.Value).Seconds()))
		}
	}
	if e.State == tidemark.Unknown || !soonest.Known {
		return tidemark.Ahead{}
	}
	for i := range l.crew.tides {
		t := &l.crew.tides[i]
		arrives, read := t.in.short.rate(), t.out(l.windows.short, l.windows)
		if t.partitions == 0 || !l.isRead() || t.stuck == t.partitions || t.inFlight(l.windows) || trend(arrives, read) != tidemark.Growing {
			continue
		}
		left := read.PerSecond*limit.Seconds() - float64(t.lag)
		soonest = sooner(soonest, in(left/(arrives.PerSecond-read.PerSecond)))
	}
	return soonest
}

func sooner(a, b tidemark.Ahead) tidemark.Ahead {
	if a.Never || !b.Never && b.In < a.In {
		return b
	}
	return a
}

// The time that more replicas take to take part, and how late a record may be where
// no threshold says so. Sources: capacity.md 2.5, contracts.md 8.
const (
	leadTime       = 100 * time.Second
	defaultTimeLag = 5 * time.Minute
)

// reserve returns what the present replicas could bear, by the busiest of them as
// partitions are dealt out now.
func (l *look) reserve(service tidemark.Rate) tidemark.Reserve {
	busiest, hottest := 0.0, 0.0
	for i := range l.crew.tides {
		t := &l.crew.tides[i]
		if t.partitions == 0 {
			continue
		}
		if t.in.short.unknown > 0 || i == len(l.seen.Members) {
			return tidemark.Reserve{}
		}
		busiest, hottest = max(busiest, t.in.short.perSecond), max(hottest, t.hottest)
	}
	if !service.Known || service.PerSecond == 0 || busiest == 0 {
		return tidemark.Reserve{}
	}
	limit := time.Duration(0)
	if l.model.options.Thresholds != nil {
		limit = l.model.options.Thresholds(l.seen.Name).TimeLag
	}
	if limit == 0 {
		limit = defaultTimeLag
	}
	return tidemark.Reserve{
		Headroom: 1 - busiest/service.PerSecond,
		Jump:     Jump(busiest, hottest, service.PerSecond, leadTime, limit),
		Known:    true,
	}
}

// Jump returns by how many times what arrives may rise at once without any record
// waiting for longer than limit, if more replicas take part after lead: what the
// busiest replica can bear, over 1 − T*/D, and never more than one replica can read
// of the hottest partition. All in records per second.
//
// Of 500/s and 20/s on the hottest partition, at 1,000/s per replica, 100 s and a
// limit of 60 s: 2 / 0.4 = 5 times. With a limit of 5 minutes there is time for any
// number of replicas: 50 times, one replica for the hottest partition.
// Source: capacity.md 2.5, physics bound.
func Jump(busiest, hottest, perReplica float64, lead, limit time.Duration) float64 {
	most := perReplica / max(hottest, rounding)
	if limit >= lead {
		return most
	}
	return min(most, perReplica/max(busiest, rounding)/(1-limit.Seconds()/lead.Seconds()))
}
