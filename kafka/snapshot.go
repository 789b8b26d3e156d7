package kafka

import (
	"cmp"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// snapshot puts together what is known by now. It shares names and members with
// what the collector keeps, and nothing that the next look changes.
func (l *look) snapshot() *tidemark.Snapshot {
	s := &tidemark.Snapshot{
		Cluster: l.name, Began: l.began,
		Brokers:    l.brokersSeen(),
		Topics:     l.topicsSeen(),
		Groups:     make([]tidemark.Group, 0, len(l.groups)),
		Partitions: make([]tidemark.Partition, 0, l.partitions()),
	}
	for _, g := range l.sortedGroups() {
		s.Groups = append(s.Groups, g.seen())
		if g.failed != nil {
			l.gap(cmp.Or(g.unheard, g.unmet), g.failed, "group %s", g.Name)
		}
		attended := g.attended()
		for _, r := range g.reads {
			from := len(s.Partitions)
			s.Partitions = l.join(s.Partitions, g, r)
			if attended && !r.owned {
				unsubscribed(s.Partitions[from:])
			}
			g.Lost += r.lost.count(s.Partitions[from:])
		}
		s.Groups[len(s.Groups)-1].Lost = g.Lost
	}
	s.Gaps = l.gaps
	s.Requests = l.sent.counts()
	s.Ended = time.Now()
	return s
}

func (l *look) brokersSeen() []tidemark.Broker {
	brokers := slices.Clone(l.cluster.brokers)
	for i := range brokers {
		b := l.broker(brokers[i].ID)
		brokers[i].Up = b != nil && b.failed == nil
	}
	for _, b := range l.brokers {
		if b.failed != nil {
			l.gap(tidemark.Unreachable, b.failed, "groups and logs of broker %d", b.ID)
		}
	}
	brokers = append(brokers, l.cluster.left...)
	slices.SortFunc(brokers, byID)
	return brokers
}

func (l *look) topicsSeen() []tidemark.Topic {
	n := 0
	for _, t := range l.cluster.sorted {
		n += len(t.logs)
	}
	all := make([]tidemark.Log, 0, n)
	topics := make([]tidemark.Topic, 0, len(l.cluster.sorted))
	for _, t := range l.cluster.sorted {
		from := len(all)
		for i := range t.logs {
			log := t.logs[i].Log
			log.Reason = t.logs[i].reason()
			all = append(all, log)
		}
		topics = append(topics, tidemark.Topic{
			Name: t.name, ID: t.id, Partitions: all[from:len(all):len(all)],
			Retention: t.keeps.retention, Compacted: t.keeps.compacted,
		})
		if t.failed != nil {
			l.gap(reasonOf(t.failed), t.failed, "end offsets of topic %s", t.name)
		}
	}
	return topics
}

// seen is the group as snapshots have it.
func (g *group) seen() tidemark.Group {
	out := g.Group
	out.Reason, out.Unmet = g.unheard, g.unmet
	if g.hidden {
		out.Reason = cmp.Or(g.unheard, tidemark.Denied)
	}
	return out
}

func (c *Collector) sortedGroups() []*group {
	groups := make([]*group, 0, len(c.groups))
	for _, g := range c.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *group) int { return cmp.Compare(a.Name, b.Name) })
	return groups
}

// partitions is at least as many as the snapshot will have.
func (l *look) partitions() int {
	n := 0
	for _, g := range l.groups {
		for _, r := range g.reads {
			n += len(r.offsets)
			if t := l.cluster.topics[r.topic]; t != nil {
				n += max(0, len(t.logs)-len(r.offsets))
			}
		}
	}
	return n
}

// join appends a group's partitions of one topic: all that the topic has, as the
// group reads them all. A topic that does not exist has none, whatever was
// committed there once.
func (l *look) join(to []tidemark.Partition, g *group, r *reading) []tidemark.Partition {
	t := l.cluster.topics[r.topic]
	switch {
	case t == nil && l.absent(r):
		return to
	case t == nil: // nobody could tell us anything about it
		return r.unseen(to, g.Name, r.topic, 0, tidemark.Unreachable)
	}
	from, asked := len(to), !g.At.Before(l.began)
	for i := range t.logs {
		log := &t.logs[i]
		p := tidemark.Partition{Group: g.Name, Topic: t.name, ID: log.ID, Committed: tidemark.Uncommitted, LogStart: log.Start, LogEnd: log.End}
		if i < len(r.offsets) {
			p.Committed = r.offsets[i]
		}
		if asked && p.Committed <= log.End {
			p.LogEnd = log.endAt(g.At, p.Committed)
		}
		blind := g.unheard
		switch {
		case p.Committed == tidemark.Uncommitted && blind != tidemark.Fine:
			p.Committed = tidemark.Unseen // it may have been committed since
		case p.Committed == tidemark.Unseen:
			blind = cmp.Or(blind, r.reason)
		}
		p.Finished = r.finished(&p)
		p.Reason = l.judge(&p, blind, log)
		to = append(to, p)
	}
	l.compareBirths(to[from:], t, r)
	if t.denied {
		to = r.unseen(to, g.Name, t.name, len(t.logs), tidemark.Denied)
	}
	return to
}

// attended says whether we know what the group's members own, and that it is anything.
func (g *group) attended() bool {
	return g.unmet == tidemark.Fine && !g.Rebalancing() && slices.ContainsFunc(g.reads, func(r *reading) bool { return r.owned })
}

// unsubscribed marks what was committed once and nobody of the group reads any more.
func unsubscribed(partitions []tidemark.Partition) {
	for i := range partitions {
		if partitions[i].Reason == tidemark.Fine {
			partitions[i].Reason = tidemark.Unsubscribed
		}
	}
}

// unseen appends the partitions from an id on that only the group tells us about.
func (r *reading) unseen(to []tidemark.Partition, group, topic string, from int, why tidemark.Reason) []tidemark.Partition {
	for i := from; i < len(r.offsets); i++ {
		to = append(to, tidemark.Partition{
			Group: group, Topic: topic, ID: int32(i), Reason: why,
			Committed: r.offsets[i], LogStart: tidemark.Unseen, LogEnd: tidemark.Unseen,
		})
	}
	return to
}

// judge says what is the matter with a partition, what was not seen first.
// A transaction counts as open when a former look has seen it.
func (l *look) judge(p *tidemark.Partition, group tidemark.Reason, log *partitionLog) tidemark.Reason {
	switch {
	case group != tidemark.Fine:
		return group
	case log.reason() != tidemark.Fine:
		return log.reason()
	case p.Committed == tidemark.Uncommitted:
		return tidemark.NeverCommitted
	case p.Committed > p.LogEnd:
		return tidemark.Truncated
	case p.Committed < p.LogStart:
		return tidemark.OvertakenByRetention
	case p.Committed < p.LogEnd && p.Committed >= log.Stable && !log.Held.IsZero() && log.Held.Before(l.began):
		return tidemark.OpenTransaction
	}
	return tidemark.Fine
}

// compareBirths tells a log that was cut from one that was made anew. Commits
// belong to the topic's id under which they last made sense; beyond the end of a
// topic of another id they are of its predecessor. The kept id may be old: a
// first sight beyond the end has the metadata read again in the next look.
func (l *look) compareBirths(partitions []tidemark.Partition, t *topic, r *reading) {
	beyond := false
	for i := range partitions {
		if partitions[i].Reason.Blinds() {
			return
		}
		beyond = beyond || partitions[i].Reason == tidemark.Truncated
	}
	if !beyond || r.born == [16]byte{} {
		r.born = t.id
	}
	l.cluster.stale = l.cluster.stale || beyond && !r.beyond
	r.beyond = beyond
	if r.born == t.id {
		return
	}
	for i := range partitions {
		if partitions[i].Reason == tidemark.Truncated {
			partitions[i].Reason = tidemark.Recreated
		}
	}
}
