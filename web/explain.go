package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// uneven is the share of the hottest partition, over the mean, from which on it is
// the partitions that should be looked at. Source: ux.md 3.7.
const uneven = 2

// explain says about one group what is wrong, why, how long, and what to do.
func (l load) explain(members []tidemark.Member) Explanation {
	x := Explanation{Headline: l.headline(), Facts: l.facts(members), Options: l.remedies()}
	e := l.estimate
	if l.unknown() != "" || !e.Replicas.Known {
		return x
	}
	goal := "keep up it takes"
	if l.demand.Backlog > 0 {
		goal = fmt.Sprintf("be clean in %s it takes %s:", span(l.target.Drain), perSecond(l.demand.PerSecond(l.target.Drain)))
	}
	x.Takes = fmt.Sprintf("To %s %s at %s each%s.", goal, many(e.Replicas.Needed, "replica"), perSecond(e.ReplicaCapacity.PerSecond), l.reserve())
	if e.Replicas.Needed > e.Replicas.Useful {
		x.Allows = fmt.Sprintf("At most %d can work: %s.", e.Replicas.Useful, l.limit())
	}
	return x
}

func (l load) headline() string {
	name, e := l.name.Group, l.estimate
	switch e.State {
	case tidemark.Idle:
		return name + " has nothing to read."
	case tidemark.CaughtUp:
		return name + " keeps up."
	case tidemark.Draining:
		if e.Drain.Known {
			return fmt.Sprintf("%s is behind and catches up, in %s.", name, span(e.Drain.P50))
		}
		return name + " is behind and catches up, but not everywhere."
	case tidemark.Steady:
		return name + " is behind and stays so."
	case tidemark.Growing:
		return name + " is falling behind and will not catch up on its own."
	case tidemark.Stalled:
		return name + " has members, but no commit moves."
	case tidemark.Stopped:
		return name + " has no members: nobody reads what waits."
	default:
		return name + " cannot be judged yet."
	}
}

func (l load) facts(members []tidemark.Member) []Fact {
	e := l.estimate
	facts := []Fact{{"Backlog", l.backlog()}}
	if e.Arrivals.Known {
		facts = append(facts, Fact{"Arriving", perSecond(e.Arrivals.PerSecond)})
	}
	if e.Consumption.Known {
		facts = append(facts, Fact{"Processing", perSecond(e.Consumption.PerSecond) + l.by(members)})
	}
	if gap := e.Arrivals.PerSecond - e.Consumption.PerSecond; e.Arrivals.Known && e.Consumption.Known && e.State != tidemark.CaughtUp && e.State != tidemark.Idle {
		text := "none beyond noise"
		switch e.State {
		case tidemark.Growing, tidemark.Stopped, tidemark.Stalled:
			text = fmt.Sprintf("%s, which is %s more each hour", perSecond(gap), count(int64(math.Round(gap*3600))))
		case tidemark.Draining:
			text = perSecond(gap)
		case tidemark.Idle, tidemark.CaughtUp, tidemark.Steady, tidemark.Unknown:
		}
		facts = append(facts, Fact{"Gap", text})
	}
	return append(facts, Fact{"Because", strings.TrimSuffix(e.Because, ".")})
}

func (l load) backlog() string {
	t := l.estimate.Lag
	text := many(t.Records, "record")
	if !t.Complete {
		text = fmt.Sprintf("at least %s, in %d of %s", text, t.Partitions-t.Missing, many(t.Partitions, "partition"))
	}
	if l.estimate.TimeLag.Known && t.Records > 0 {
		text += fmt.Sprintf("; the oldest has waited %s", span(l.estimate.TimeLag.Value))
	}
	return text
}

// by names who reads and whether they could read faster.
func (l load) by(members []tidemark.Member) string {
	if len(members) == 0 {
		return ""
	}
	text := ", by " + many(len(members), "member")
	if len(members) == 1 {
		text += " (" + strings.TrimPrefix(members[0].Host, "/") + ")"
	}
	e := l.estimate
	best := e.ReplicaCapacity.PerSecond * capacity.Speedup(e.Lag.Partitions, e.Replicas.Have)
	switch {
	case e.State != tidemark.Growing && e.State != tidemark.Steady && e.State != tidemark.Draining, !e.ReplicaCapacity.Known:
	case e.Consumption.PerSecond >= 0.9*best:
		text += ", as fast as it was ever seen: busy, not broken"
	default:
		text += fmt.Sprintf(", though %s were possible", perSecond(best))
	}
	return text
}

// reserve says that a replica is not planned to its limit.
func (l load) reserve() string {
	if l.target.Utilisation == 1 {
		return ""
	}
	return fmt.Sprintf(", %.0f %% used", 100*l.target.Utilisation)
}

func (l load) limit() string {
	if len(l.topics) == 1 {
		return fmt.Sprintf("topic %s has %s", l.topics[0], many(l.estimate.Lag.Partitions, "partition"))
	}
	return fmt.Sprintf("there are %s", many(l.estimate.Lag.Partitions, "partition"))
}

// remedies are what can be done, best first.
func (l load) remedies() []Option {
	show := Option{"see which partition, and who owns it", "tidemark group " + word(l.name.Group)}
	switch l.estimate.State {
	case tidemark.Stopped:
		return []Option{{"start its consumers, and wait until they have caught up", "tidemark wait group " + word(l.name.Group) + " --for 'lag<=0' --timeout 30m"}}
	case tidemark.Stalled:
		return []Option{show, {"restart that owner: its partitions go to somebody else", ""}}
	case tidemark.Unknown:
		return []Option{show}
	case tidemark.Growing, tidemark.Steady, tidemark.Draining:
		if l.unknown() == "" && l.estimate.Replicas.Known {
			return l.enlarge()
		}
		return []Option{show}
	case tidemark.Idle, tidemark.CaughtUp:
	}
	return []Option{}
}

// enlarge is what to do for a group that works, but not enough.
func (l load) enlarge() []Option {
	r, mu := l.estimate.Replicas, l.estimate.ReplicaCapacity.PerSecond
	plan := "tidemark plan " + word(l.name.Group) + " --target " + short(l.target.Drain)
	options := []Option{}
	switch {
	case r.Needed > r.Useful:
		options = append(options, Option{"more partitions and replicas: " + l.outlook(r.Needed, r.Needed), plan})
	case r.Needed > r.Have:
		options = append(options, Option{"more replicas: " + l.outlook(r.Needed, l.estimate.Lag.Partitions), plan + fmt.Sprintf(" --replicas %d", r.Needed)})
	case l.estimate.State == tidemark.Draining:
		return options // what is there will do
	}
	switch skew := l.estimate.Skew; {
	case skew >= uneven:
		options = append(options, Option{fmt.Sprintf("spread the keys: the hottest partition holds %.1f times the mean", skew), "tidemark group " + word(l.name.Group)})
	case skew > 0:
		options = append(options, Option{fmt.Sprintf("make one replica faster: the partitions are even (hottest %.1f times the mean), so it is the work per record, %s", skew, perRecord(mu)), ""})
	default:
		options = append(options, Option{"make one replica faster: a record takes " + perRecord(mu), ""})
	}
	if now := mu * capacity.Speedup(l.estimate.Lag.Partitions, r.Have); now > 0 && l.demand.Arrivals >= now {
		options = append(options, Option{fmt.Sprintf("slow the producers to less than %s, which is what %s can read", perSecond(now), many(r.Have, "replica")), ""})
	}
	return options
}

// outlook says what a size brings and, if a smaller one keeps up, that too.
func (l load) outlook(replicas, partitions int) string {
	says := func(replicas, partitions int) string {
		_, d, _ := l.with(replicas, partitions)
		size := many(replicas, "replica")
		if partitions > l.estimate.Lag.Partitions {
			size = fmt.Sprintf("%d of each", replicas)
		}
		if !d.Known {
			return size + ", never clean"
		}
		return fmt.Sprintf("%s, clean in %s", size, span(d.P50))
	}
	text := says(replicas, partitions)
	least := int(l.demand.Arrivals/l.estimate.ReplicaCapacity.PerSecond) + 1
	if partitions > l.estimate.Lag.Partitions && least < replicas && least > l.estimate.Lag.Partitions {
		text = says(least, least) + "; " + text
	}
	return text
}

func perRecord(mu float64) string {
	d := time.Duration(float64(time.Second) / mu)
	if d >= 10*time.Second {
		return span(d)
	}
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}

// short writes a duration as flags take it: 10m, 1h30m.
func short(d time.Duration) string {
	text := d.String()
	text = strings.TrimSuffix(text, "m0s")
	if text != d.String() {
		text += "m"
	}
	if hours, whole := strings.CutSuffix(text, "h0m"); whole {
		return hours + "h"
	}
	return text
}

// Text writes the explanation for a terminal, or to be sent to somebody.
func (x Explanation) Text() string {
	var b strings.Builder
	b.WriteString(x.Headline + "\n\n")
	for _, f := range x.Facts {
		fmt.Fprintf(&b, "  %-11s %s\n", f.Name, f.Text)
	}
	if x.Takes != "" {
		b.WriteString("\n  " + x.Takes + "\n")
	}
	if x.Allows != "" {
		b.WriteString("  " + x.Allows + "\n")
	}
	if len(x.Options) > 0 {
		b.WriteString("\n  Options, best first\n")
	}
	for i, o := range x.Options {
		fmt.Fprintf(&b, "    %d. %s\n", i+1, o.Text)
		if o.Command != "" {
			b.WriteString("       " + o.Command + "\n")
		}
	}
	return b.String()
}
