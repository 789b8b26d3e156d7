package kafka

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// Foreign is a reader whose positions are no commits of this cluster: MirrorMaker 2,
// which keeps its own where it writes to. It is in snapshots as a group of the type
// foreign, without members.
type Foreign struct {
	Group     string
	At        time.Time // when Positions were told; zero: never yet
	Positions []tidemark.Position
}

// foreign is the type of groups that are none of Kafka's.
const foreign = "foreign"

// foreignFresh is how long a foreign reader's positions are believed: MirrorMaker 2
// writes its own every minute, unless it is told otherwise.
const foreignFresh = 2 * time.Minute

// readForeign takes up the readers that are no groups of this cluster: after the
// groups, whose names go first, and before the ends, as with all commits.
func (l *look) readForeign() {
	if l.foreign == nil {
		return
	}
	for _, f := range l.foreign() {
		g := l.claimForeign(f)
		if g == nil {
			continue
		}
		g.At, g.unheard = f.At, tidemark.Fine
		switch {
		case f.At.IsZero():
			g.unheard, g.failed = tidemark.Unreachable, errors.New("nobody has told its positions yet")
		case l.began.Sub(f.At) > foreignFresh:
			g.unheard, g.failed = tidemark.Unreachable, fmt.Errorf("its positions are those of %s", f.At.Format(time.DateTime))
		}
		g.stand(f.Positions, l)
	}
}

func (l *look) claimForeign(f Foreign) *group {
	name := nameOf(f.Group)
	if !l.watches(name) {
		return nil
	}
	g := l.groups[name]
	switch {
	case g == nil:
		g = &group{told: f.Group}
		g.Name, g.Type, g.Coordinator = name, foreign, -1
		l.groups[name] = g
	case g.Type != foreign || g.listedIn == l:
		l.gap(tidemark.Unreachable, fmt.Errorf("a group of that name is known already"), "foreign group %s", name)
		return nil
	}
	g.listedIn, g.listedAt, g.failed, g.rival = l, l.began, nil, -1
	return g
}

// stand takes up where a foreign reader is, all of it: what is no longer told is gone.
func (g *group) stand(positions []tidemark.Position, l *look) {
	for _, r := range g.reads {
		r.committed = false
		r.clear()
	}
	for _, p := range positions {
		name := nameOf(p.Topic)
		if p.Next < 0 || !l.choose.topics.chooses(name) {
			continue
		}
		if r := g.reading(name); r.partition(p.Partition) {
			r.committed = true
			r.offsets[p.Partition] = p.Next
		}
	}
	g.reads = slices.DeleteFunc(g.reads, func(r *reading) bool { return !r.committed })
}
