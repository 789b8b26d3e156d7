package metrics

import (
	"cmp"
	"slices"

	"github.com/aetherlink/tidemark"
)

// Granularity is the finest that a page shows groups by.
type Granularity string

// The granularities. The zero value is PerPartition.
const (
	PerPartition Granularity = ""
	PerTopic     Granularity = "topic"
	PerGroup     Granularity = "group"
)

// Detail limits how many series of groups a page has: which groups are shown topic
// by topic and partition by partition. What a group is as a whole is always there,
// and so are exact sums: they are made of everything, shown or not. The zero value
// shows everything.
//
// tidemark_page_hidden_partitions counts what is left out.
type Detail struct {
	By     Granularity
	States []tidemark.State // only groups in these states; empty: in all
	Worst  int              // only so many groups, those furthest behind; 0: all
	// Limit is how many partitions of groups are shown at most: those of the groups
	// furthest behind, a group whole or not at all. 0: all.
	Limit int
}

// apply decides for each group how finely it is shown.
func (d Detail) apply(l *look) {
	if d.By == PerPartition && len(d.States) == 0 && d.Worst == 0 && d.Limit == 0 {
		return
	}
	l.hidden = 0
	worst := make([]*reader, len(l.groups))
	for i := range l.groups {
		worst[i] = &l.groups[i]
	}
	slices.SortStableFunc(worst, func(a, b *reader) int { return cmp.Compare(b.total.Records, a.total.Records) })
	groups, partitions := 0, 0
	for _, g := range worst {
		n := len(g.partitions)
		chosen := (len(d.States) == 0 || slices.Contains(d.States, g.state())) &&
			(d.Worst == 0 || groups < d.Worst) && (d.Limit == 0 || partitions+n <= d.Limit)
		if !chosen {
			g.shown = PerGroup
			l.hidden += n
			continue
		}
		groups++
		if g.shown = d.By; d.By == PerPartition {
			partitions += n
		} else {
			l.hidden += n
		}
	}
}
