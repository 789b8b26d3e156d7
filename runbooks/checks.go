package runbooks

import (
	"fmt"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
)

// A mark stands before what was checked already, so that nobody checks it again.
const (
	fine     = "✓ "
	wrong    = "✗ "
	unsure   = "? "
	fewLooks = 4 // looks that a snapshot may miss before its age is a finding: TidemarkBlind's limit
)

// lookInterval is the default time between looks; the View does not say the real one.
const lookInterval = 15 * time.Second

// mark makes one line of a check; a page without live values has none.
func (f *facts) mark(mark, format string, values ...any) string {
	if f.view == nil {
		return ""
	}
	return "**" + mark + fmt.Sprintf(format, values...) + "**"
}

// Consuming says whether commits advance.
func (f *facts) Consuming() string {
	c := f.estimate.Consumption
	switch {
	case !f.fresh || !c.Known:
		return f.mark(unsure, "the consumer's rate is unknown: it takes three looks, all of them complete")
	case f.estimate.State == tidemark.Stopped:
		return f.mark(wrong, "the group has no members → nobody reads; go on with the consumers' health")
	case c.PerSecond > 0:
		return f.mark(fine, "the consumer's rate is %s, not 0 → not crashed", perSecond(c.PerSecond))
	case f.total.Complete && f.total.Records == 0:
		return f.mark(fine, "the consumer's rate is 0/s, and nothing waits → not stuck")
	}
	return f.mark(wrong, "the consumer's rate is 0/s while records wait → stuck or crashed; go on with the consumers' health")
}

// Balance compares what arrives with what is consumed.
func (f *facts) Balance() string {
	in, out := f.estimate.Arrivals, f.estimate.Consumption
	switch {
	case !f.fresh || !in.Known || !out.Known:
		return f.mark(unsure, "arrivals %s, consumption %s: which is more cannot be said", f.Arrivals(), f.Consumption())
	case f.estimate.State == tidemark.Growing:
		return f.mark(wrong, "%s arrive and %s are consumed → too little capacity; it grows until there is more", perSecond(in.PerSecond), perSecond(out.PerSecond))
	case f.estimate.State == tidemark.Draining:
		return f.mark(fine, "%s arrive and %s are consumed → a one-time backlog; gone in %s", perSecond(in.PerSecond), perSecond(out.PerSecond), f.ETA())
	case f.estimate.State == tidemark.Steady:
		return f.mark(wrong, "%s arrive and %s are consumed → as much as it can, and the backlog stays", perSecond(in.PerSecond), perSecond(out.PerSecond))
	case f.estimate.State == tidemark.CaughtUp || f.estimate.State == tidemark.Idle:
		return f.mark(fine, "%s arrive and %s are consumed, and nothing is left behind", perSecond(in.PerSecond), perSecond(out.PerSecond))
	}
	return f.mark(wrong, "%s arrive and %s are consumed", perSecond(in.PerSecond), perSecond(out.PerSecond))
}

// Membership says who is in the group.
func (f *facts) Membership() string {
	n := len(f.members.Members)
	switch {
	case !f.fresh || f.members.Reason.Blinds():
		return f.mark(unsure, "who is in the group is unknown")
	case n == 0:
		return f.mark(wrong, "the group has no members → the consumers are down, or cannot reach Kafka")
	case f.members.Rebalancing():
		return f.mark(wrong, "%s, and the group is between two assignments (%s) → if that lasts, a member joins and leaves in a loop", several(n, "member"), plain(f.members.Phase))
	case f.pipeline.Thresholds.MembersMin > n:
		return f.mark(wrong, "%s, and the pipeline asks for %d", several(n, "member"), f.pipeline.Thresholds.MembersMin)
	}
	return f.mark(fine, "%s, assignment stable", several(n, "member"))
}

// Brokers says whether all of Kafka answers.
func (f *facts) Brokers() string {
	s := f.look.Snapshot
	switch {
	case f.look.Failed != nil:
		return f.mark(wrong, "the latest look brought nothing: %s", plain(f.look.Failed.Error()))
	case s == nil || len(s.Brokers) == 0:
		return f.mark(unsure, "the brokers are unknown: the cluster was never seen")
	}
	var down []string
	for _, b := range s.Brokers {
		if !b.Up {
			down = append(down, fmt.Sprintf("%d (%s)", b.ID, plain(b.Address)))
		}
	}
	if len(down) > 0 {
		return f.mark(wrong, "%d of %s did not answer: %s", len(down), several(len(s.Brokers), "broker"), strings.Join(down, ", "))
	}
	return f.mark(fine, "%s of %d answer", several(len(s.Brokers), "broker"), len(s.Brokers))
}

// Logs says whether the group's topics have leaders and replicas in sync.
func (f *facts) Logs() string {
	if !f.fresh || len(f.partitions) == 0 {
		return f.mark(unsure, "leaders and replicas of the topics are unknown")
	}
	leaderless, behind, unseen := 0, 0, 0
	for _, name := range f.topics() {
		topic, _ := f.look.Snapshot.Topic(name)
		for _, l := range topic.Partitions {
			switch {
			case l.Reason.Blinds():
				unseen++
			case l.Leader < 0:
				leaderless++
			case l.InSync < l.Replicas:
				behind++
			}
		}
	}
	if unseen+leaderless+behind > 0 {
		return f.mark(wrong, "partitions of its topics: %d without a leader, %d with replicas out of sync, %d not seen → Kafka first", leaderless, behind, unseen)
	}
	return f.mark(fine, "every partition of its topics has a leader and all replicas in sync")
}

// Room says whether more replicas can help.
func (f *facts) Room() string {
	r := f.estimate.Replicas
	switch {
	case !f.fresh || !r.Known || r.Useful == 0:
		return f.mark(unsure, "replicas: have %s, needed %s, useful %s", f.Have(), f.Needed(), f.Useful())
	case r.Needed > r.Useful:
		return f.mark(wrong, "%s needed, and %s let only %d work → infeasible by %d; add partitions or throttle as well", several(r.Needed, "replica"), several(len(f.partitions), "partition"), r.Useful, r.Needed-r.Useful)
	case r.Needed > r.Have:
		return f.mark(wrong, "%s, needed %d; the partitions allow up to %d → scale out", several(r.Have, "replica"), r.Needed, r.Useful)
	}
	return f.mark(fine, "%s, needed %d → more replicas change nothing", several(r.Have, "replica"), r.Needed)
}

// Skew says whether one partition has most of the lag.
func (f *facts) Skew() string {
	p, lag, known := f.hottest()
	switch {
	case !known:
		return f.mark(unsure, "how the lag is spread is unknown")
	case f.estimate.State == tidemark.CaughtUp || f.estimate.State == tidemark.Idle:
		return f.mark(fine, "no partition is behind by more than what is in flight")
	case f.estimate.Skew >= 2:
		return f.mark(wrong, "partition %d of %s has %s, %s times the mean → more replicas do not help it", p.ID, code(p.Topic), several(lag, "record"), significant(f.estimate.Skew))
	}
	if f.total.Missing > 0 {
		return f.mark(unsure, "the lag of %d partitions is not known; of the others %d of %s is the worst, with %s", f.total.Missing, p.ID, code(p.Topic), several(lag, "record"))
	}
	return f.mark(fine, "the lag is spread: the worst partition, %d of %s, has %s", p.ID, code(p.Topic), several(lag, "record"))
}

// Stuck names the partitions that do not move, and their owners.
func (f *facts) Stuck() string {
	if !f.fresh {
		return f.mark(unsure, "which partitions move is unknown")
	}
	var stuck []string
	for _, p := range f.estimate.Partitions {
		if p.State == tidemark.Stalled {
			stuck = append(stuck, fmt.Sprintf("%d of %s, owned by %s", p.ID, code(p.Topic), f.owner(p.Topic, p.ID)))
		}
	}
	switch {
	case len(stuck) == 0 && f.total.Missing > 0:
		return f.mark(unsure, "no partition is stalled of those that were seen; %d were not", f.total.Missing)
	case len(stuck) == 0:
		return f.mark(fine, "no partition is stalled at this moment")
	}
	return f.mark(wrong, "stalled: partition %s", strings.Join(stuck, "; "))
}

func (f *facts) owner(topic string, id int32) string {
	for _, m := range f.members.Members {
		for _, a := range m.Assigned {
			for _, p := range a.Partitions {
				if a.Topic == topic && p == id {
					return code(m.Client) + " on " + code(m.Host)
				}
			}
		}
	}
	return "nobody"
}

// Lost says whether retention has deleted what was not read.
func (f *facts) Lost() string {
	switch {
	case !f.fresh || f.total.Missing > 0:
		return f.mark(unsure, "whether unread records were deleted is unknown")
	case f.total.Lost > 0:
		return f.mark(wrong, "%s deleted before the group had read them; they are gone", several(f.total.Lost, "record"))
	}
	return f.mark(fine, "no unread record has been deleted yet")
}

// Complete says whether everything was seen.
func (f *facts) Complete() string {
	switch {
	case !f.fresh:
		return f.mark(wrong, "the group was not seen in the latest look")
	case f.total.Complete:
		return f.mark(fine, "the lag of all %d partitions is known again", f.total.Partitions)
	}
	return f.mark(wrong, "of %d partitions %d are not known and %d were never committed", f.total.Partitions, f.total.Missing, f.total.Uncommitted)
}

// Seen says how old the latest look is.
func (f *facts) Seen() string {
	if f.view == nil {
		return ""
	}
	age, known := f.look.Age(f.view.At)
	switch {
	case !known:
		return f.mark(wrong, "the cluster was never seen")
	case age > fewLooks*lookInterval:
		return f.mark(wrong, "the cluster was last seen %s ago", span(age))
	}
	return f.mark(fine, "the cluster was seen %s ago", span(age))
}

// Gaps are what the latest look did not see, and why.
func (f *facts) Gaps() (lines []string) {
	if f.look.Snapshot == nil {
		return nil
	}
	for _, g := range f.look.Snapshot.Gaps {
		line := plain(g.What) + ": " + g.Reason.String()
		if g.Err != nil {
			line += ", " + plain(g.Err.Error())
		}
		lines = append(lines, line)
	}
	return lines
}
