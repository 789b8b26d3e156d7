package capacity

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// group is what is remembered of one group.
type group struct {
	strip                // the moments at which its commits were seen
	seen       time.Time // by the latest look that knew the group
	spans      []span
	partitions []commits // in the order of Snapshot.Of
	empty      bool      // had no members at the newest moment
	roster     uint32    // of whom it consisted then
	loner      int64     // when a commit last moved although nobody was a member
	service    service
	drift      drift
	track      track
	reach      reach
	hot        heat
	season     season
}

// span is the part of a group's partitions that belongs to one topic.
type span struct {
	topic    string
	from, to int
}

// observeGroup takes in one group of a snapshot and says what follows.
func (m *Model) observeGroup(s *tidemark.Snapshot, seen *tidemark.Group) tidemark.Estimate {
	g := m.groups[seen.Name]
	if g == nil {
		g = &group{}
		m.groups[seen.Name] = g
	}
	g.seen = s.Began
	rows := s.Of(seen.Name)
	g.match(rows)
	m.crew.assign(seen.Members, g)
	if roster := m.crew.roster(); roster != g.roster {
		g.roster = roster
		if !cooperative(seen) {
			g.service.streaks = nil
		}
	}
	if at := seen.At.UnixNano(); !seen.Reason.Blinds() && at > g.newest() {
		g.observe(seen, rows, &m.crew, m.windows)
	}
	l := look{model: m, snapshot: s, seen: seen, rows: rows, group: g, crew: &m.crew, windows: m.windows}
	return l.estimate()
}

// match makes g.partitions stand for the same partitions as rows, in their order.
func (g *group) match(rows []tidemark.Partition) {
	if g.matches(rows) {
		return
	}
	type key struct {
		topic string
		id    int32
	}
	old := make(map[key]commits, len(g.partitions))
	for _, sp := range g.spans {
		for _, c := range g.partitions[sp.from:sp.to] {
			old[key{sp.topic, c.id}] = c
		}
	}
	g.spans = nil
	g.partitions = make([]commits, len(rows))
	for i, row := range rows {
		c, known := old[key{row.Topic, row.ID}]
		if !known {
			c.id = row.ID
			for j := range c.at {
				c.at[j] = tidemark.Unseen
			}
		}
		g.partitions[i] = c
		if last := len(g.spans) - 1; last < 0 || g.spans[last].topic != row.Topic {
			g.spans = append(g.spans, span{topic: row.Topic, from: i})
		}
		g.spans[len(g.spans)-1].to = i + 1
	}
}

func (g *group) matches(rows []tidemark.Partition) bool {
	if len(rows) != len(g.partitions) {
		return false
	}
	for _, sp := range g.spans {
		for i := sp.from; i < sp.to; i++ {
			if rows[i].ID != g.partitions[i].id || rows[i].Topic != sp.topic {
				return false
			}
		}
	}
	return true
}

// observe takes in the commits of one look.
func (g *group) observe(seen *tidemark.Group, rows []tidemark.Partition, who *crew, w windows) {
	at := seen.At.UnixNano()
	empty := len(seen.Members) == 0
	t := turn{strip: &g.strip, windows: w, before: g.newest(), now: at, resumed: g.empty && !empty}
	t.apart = g.n > 0 && at-g.newest() > int64(w.gap())
	remembered := g.n
	if empty && g.empty && g.advances(rows) {
		g.loner = at
	}
	t.dropped = g.add(at, max(w.spacing(), g.period()), w)
	g.empty = empty
	t.blocked = seen.Rebalancing() && !cooperative(seen) || empty && !g.alone(w)
	for i := range rows {
		c := &g.partitions[i]
		// The strip has moved on already, the commits follow in observe.
		if c.observe(&rows[i], c.last(remembered), who.badge(i), t) {
			who.of(i).moved = true
		}
	}
}

// cooperative says that in a rebalance of the group only those pause whose partitions
// change hands: who keeps theirs reads on, and what they do counts.
func cooperative(g *tidemark.Group) bool {
	return g.Type == "consumer" || g.Type == "streams" || g.Assignor == AssignCooperative || g.Assignor == AssignLoadAware
}

// advances says whether any commit moved since the newest moment.
func (g *group) advances(rows []tidemark.Partition) bool {
	for i := range rows {
		if !rows[i].Reason.Blinds() && rows[i].Committed > max(0, g.partitions[i].last(g.n)) {
			return true
		}
	}
	return false
}

// alone says that the group has no members and is read all the same, by a consumer
// that assigns its partitions to itself and only commits.
func (g *group) alone(w windows) bool {
	return g.empty && g.loner > 0 && time.Duration(g.newest()-g.loner) < w.patience(g.period())
}

// period returns how often commits usually move, the mean over the partitions
// where that was seen; 0: not known.
func (g *group) period() time.Duration {
	total, n := 0.0, 0
	for i := range g.partitions {
		if p := g.partitions[i].period; p > 0 {
			total += float64(p)
			n++
		}
	}
	return time.Duration(total / float64(max(n, 1)) * float64(time.Second))
}

// crew is who reads what of one group in one look: one tide per member, and a last
// one for what nobody owns.
type crew struct {
	owners []int32 // per partition: the member's number, or the last tide's
	badges []uint32
	tides  []tide
}

// assign works out who owns which of g's partitions.
func (c *crew) assign(members []tidemark.Member, g *group) {
	nobody := int32(len(members))
	c.owners = slices.Grow(c.owners[:0], len(g.partitions))[:len(g.partitions)]
	for i := range c.owners {
		c.owners[i] = nobody
	}
	c.tides = slices.Grow(c.tides[:0], len(members)+1)[:len(members)+1]
	c.badges = slices.Grow(c.badges[:0], len(members)+1)[:len(members)+1]
	clear(c.tides)
	clear(c.badges)
	for i := range members {
		c.badges[i] = badgeOf(members[i].ID)
		for _, a := range members[i].Assigned {
			sp := g.span(a.Topic)
			for _, id := range a.Partitions {
				if p, found := g.find(sp, id); found {
					c.owners[p] = int32(i)
				}
			}
		}
	}
}

func (c *crew) of(partition int) *tide     { return &c.tides[c.owners[partition]] }
func (c *crew) badge(partition int) uint32 { return c.badges[c.owners[partition]] }

// roster returns a number that changes when members come or go. Between two looks
// then was a rebalance, in which everyone may have paused.
func (c *crew) roster() (sum uint32) {
	for _, b := range c.badges {
		sum += b
	}
	return sum
}

// badgeOf makes a member's id small enough to remember per partition.
func badgeOf(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return max(1, h.Sum32())
}

// span returns the partitions of a topic, an empty one if there are none.
func (g *group) span(topic string) span {
	i, found := slices.BinarySearchFunc(g.spans, topic, func(s span, t string) int { return cmp.Compare(s.topic, t) })
	if !found {
		return span{}
	}
	return g.spans[i]
}

// find returns the number of a partition. Its id is its place, unless some are missing.
func (g *group) find(sp span, id int32) (int, bool) {
	if i := sp.from + int(id); id >= 0 && i < sp.to && g.partitions[i].id == id {
		return i, true
	}
	i, found := slices.BinarySearchFunc(g.partitions[sp.from:sp.to], id, func(c commits, id int32) int { return cmp.Compare(c.id, id) })
	return sp.from + i, found
}
