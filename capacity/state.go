package capacity

import (
	"cmp"
	"time"

	"github.com/aetherlink/tidemark"
)

// state says in one word how the group is doing: the first that applies.
//
//	unknown    something was not seen, or nothing but uncommitted partitions
//	idle       no lag, and nobody reads or nothing arrives
//	caught_up  no lag; or every consumer's is in flight, and no record late
//	stopped    nobody reads
//	stalled    on some partition no commit moves
//	unknown    three looks are needed for a rate
//	draining, growing, steady   what is read against what arrives, beyond noise
//
// One partition on which no commit moves makes the group stalled: its lag as a
// whole never ends. There is no hysteresis; that states do not flap comes from
// measuring from commit to commit, from the noise that [trend] asks for, and from
// what [inFlight] explains. Source: contracts.md 3, capacity.md 2.3.
func (l *look) state() tidemark.State {
	nobody := !l.isRead()
	switch {
	case !l.total.Complete:
		return tidemark.Unknown
	case l.total.Records == 0 && (nobody || l.whole.in.quiet()):
		return tidemark.Idle
	case l.total.Records == 0:
		return tidemark.CaughtUp
	case nobody:
		return tidemark.Stopped
	case l.whole.stuck > 0:
		return tidemark.Stalled
	case l.allInFlight():
		return tidemark.CaughtUp
	case !l.in.Known || !l.out.Known:
		return tidemark.Unknown
	}
	return l.trend()
}

// trend compares the rates of the short window and, if their difference is noise,
// those of the long one, provided that both point the same way: 500 records fewer
// in a minute may be noise, 2,500 fewer in five are not. The window that decided is
// the one whose rates are reported.
func (l *look) trend() tidemark.State {
	short := trend(l.in, l.out)
	if short != tidemark.Steady {
		return short
	}
	in, out := l.whole.in.long.rate(), l.consumption(l.windows.long)
	long := trend(in, out)
	falls, fell := l.out.PerSecond > l.in.PerSecond, out.PerSecond > in.PerSecond
	if !in.Known || !out.Known || long == tidemark.Steady || falls != fell {
		return tidemark.Steady
	}
	l.in, l.out = in, out
	return long
}

// isRead says whether anybody reads: a member, or a consumer that only commits.
func (l *look) isRead() bool {
	return len(l.seen.Members) > 0 || l.group.alone(l.windows)
}

func (l *look) allInFlight() (all bool) {
	for i := range l.crew.tides {
		t := &l.crew.tides[i]
		if t.partitions > 0 && !t.inFlight(l.windows) {
			return false
		}
		all = all || t.partitions > 0
	}
	return all
}

// waiting is what waits on one partition.
type waiting struct {
	lag   int64
	known bool
	late  bool // for longer than commits and looks explain
	in    *influx
}

// late says that a record has waited for half as long again as commits that come now
// and then, and looks that come now and then, explain. One record alone is never late: a transaction's marker stays
// behind for ever.
func (l *look) late(lag int64, t tidemark.TimeLag, period time.Duration) bool {
	return lag > 1 && t.Known && t.Value-t.Error > l.windows.inFlight(period)*3/2
}

// partitionState is [look.state] for partition number i, with the reason.
func (l *look) partitionState(i int, e *tidemark.PartitionEstimate, w waiting) (tidemark.State, tidemark.Reason) {
	c, known, lag := &l.group.partitions[i], w.known, w.lag
	switch {
	case !known && e.Reason == tidemark.Fine && l.seen.Reason.Blinds():
		return tidemark.Unknown, l.seen.Reason
	case !known && e.Reason == tidemark.Fine && l.rows[i].Committed == tidemark.Uncommitted:
		return tidemark.Unknown, tidemark.NeverCommitted
	case !known:
		return tidemark.Unknown, e.Reason
	case lag == 0 && (w.in.quiet() || !l.isRead()):
		return tidemark.Idle, e.Reason
	case lag == 0:
		return tidemark.CaughtUp, e.Reason
	case !l.isRead():
		return tidemark.Stopped, e.Reason
	case lag > 1 && l.overdue(c) && !l.owned(i) && l.anyOwned():
		return tidemark.Stopped, e.Reason
	case lag > 1 && l.overdue(c):
		return tidemark.Stalled, cmp.Or(e.Reason, tidemark.Stuck)
	case !w.late && inFlight(lag, 1, w.in.recent(c.usual(), l.windows), c.usual(), l.windows):
		return tidemark.CaughtUp, e.Reason
	}
	reason := e.Reason
	if l.seen.Rebalancing() {
		reason = cmp.Or(reason, tidemark.RebalanceRunning)
	}
	if !e.Arrivals.Known || !e.Consumption.Known {
		return tidemark.Unknown, reason
	}
	return trend(e.Arrivals, e.Consumption), reason
}

// overdue says that no commit moved for three usual periods and 90 s. Until a
// period is known it takes the long window: who commits every four minutes must
// not be called stalled before the first commit was seen. One record is never
// overdue: a transaction's marker stays behind for ever (the caller's lag > 1).
// Source: contracts.md 3, capacity.md 2.3.
func (l *look) overdue(c *commits) bool {
	patience := l.windows.patience(c.usual())
	if c.period == 0 {
		patience = l.windows.long
	}
	pausing := l.seen.Rebalancing() && !cooperative(l.seen)
	return len(l.seen.Members) > 0 && !pausing && c.silent(l.group.newest()) >= patience
}

func (l *look) owned(i int) bool { return int(l.crew.owners[i]) < len(l.seen.Members) }

func (l *look) anyOwned() bool {
	for i := range l.seen.Members {
		if len(l.seen.Members[i].Assigned) > 0 {
			return true
		}
	}
	return false
}
