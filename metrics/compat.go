package metrics

import (
	"slices"

	"github.com/aetherlink/tidemark"
)

// Compat makes a page more like those of other exporters, where ours differs on
// purpose. The zero value is our own page.
type Compat struct {
	// NoCommit writes -1 as commit and lag of a partition that was never committed,
	// if the group has a commit elsewhere on the topic. No sum ever has a -1 in it.
	NoCommit bool
	// Assigned leaves out, under kafka_exporter's names, what no member owns.
	Assigned bool
	// Names are the exporters under whose names values stand on the page once more:
	// of [Dialects].
	Names []string
}

// apply chooses what stands under kafka_exporter's names.
func (c Compat) apply(l *look) {
	for i := range l.groups {
		g := &l.groups[i]
		if c.Assigned && !g.Rebalancing() && !g.unmet() { // where no owner is told, nothing is hidden
			g.compatible = g.owned()
		}
		if c.NoCommit {
			g.compatible = slices.DeleteFunc(slices.Clone(g.compatible), reading.neverCommitted)
		}
	}
}

// owned are the partitions that a member owns, by topic.
func (g *reader) owned() []reading {
	owners := g.owners()
	var own reader
	own.Group = g.Group
	own.read(slices.DeleteFunc(slices.Clone(g.partitions), func(p tidemark.Partition) bool {
		return owners[place{p.Topic, p.ID}] == nil
	}))
	return own.topics
}

// place is one partition of one topic.
type place struct {
	topic string
	id    int32
}

// owners says who owns what.
func (g *reader) owners() map[place]*tidemark.Member {
	owners := map[place]*tidemark.Member{}
	for i := range g.Members {
		for _, a := range g.Members[i].Assigned {
			for _, id := range a.Partitions {
				owners[place{a.Topic, id}] = &g.Members[i]
			}
		}
	}
	return owners
}

func (r reading) neverCommitted() bool {
	return !slices.ContainsFunc(r.partitions, func(p tidemark.Partition) bool { return p.Committed != tidemark.Uncommitted })
}

// orMinusOne is kafka_exporter's answer for a partition never committed.
func orMinusOne(value func(*tidemark.Partition) (float64, bool)) func(*tidemark.Partition) (float64, bool) {
	return func(p *tidemark.Partition) (float64, bool) {
		if p.Committed == tidemark.Uncommitted && !p.Reason.Blinds() {
			return -1, true
		}
		return value(p)
	}
}
