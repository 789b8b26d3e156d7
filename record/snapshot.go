package record

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/aetherlink/tidemark"
)

// What follows is the format: writing and reading of each word side by side. A field
// more is a new version.

func (e *encoder) snapshot(s *tidemark.Snapshot) {
	e.name(s.Cluster)
	e.moment(s.Began)
	e.moment(s.Ended)
	e.count(len(s.Brokers))
	for i := range s.Brokers {
		e.broker(&s.Brokers[i])
	}
	e.count(len(s.Topics))
	for i := range s.Topics {
		e.topic(&s.Topics[i])
	}
	e.count(len(s.Groups))
	for i := range s.Groups {
		e.group(&s.Groups[i])
	}
	e.count(len(s.Partitions))
	for i := range s.Partitions {
		e.partition(&s.Partitions[i])
	}
	e.count(len(s.Gaps))
	for _, g := range s.Gaps {
		e.gap(g)
	}
	e.count(len(s.Requests))
	for _, r := range s.Requests {
		e.name(r.API)
		e.number(r.N)
	}
}

func (d *decoder) snapshot() *tidemark.Snapshot {
	return &tidemark.Snapshot{
		Cluster: d.name(), Began: d.moment(), Ended: d.moment(),
		Brokers: list(d, d.broker), Topics: list(d, d.topic), Groups: list(d, d.group),
		Partitions: list(d, d.partition), Gaps: list(d, d.gap),
		Requests: list(d, func() tidemark.RequestCount { return tidemark.RequestCount{API: d.name(), N: d.number()} }),
	}
}

func (e *encoder) broker(b *tidemark.Broker) {
	e.number(int64(b.ID))
	e.name(b.Address)
	e.flag(b.Up)
	e.moment(b.Left)
}

func (d *decoder) broker() tidemark.Broker {
	return tidemark.Broker{ID: d.id(), Address: d.name(), Up: d.flag(), Left: d.moment()}
}

func (e *encoder) topic(t *tidemark.Topic) {
	e.name(t.Name)
	e.number(int64(binary.BigEndian.Uint64(t.ID[:8])))
	e.number(int64(binary.BigEndian.Uint64(t.ID[8:])))
	e.number(int64(t.Retention))
	e.flag(t.Compacted)
	e.count(len(t.Partitions))
	for i := range t.Partitions {
		e.log(&t.Partitions[i])
	}
}

func (d *decoder) topic() tidemark.Topic {
	t := tidemark.Topic{Name: d.name()}
	binary.BigEndian.PutUint64(t.ID[:8], uint64(d.number()))
	binary.BigEndian.PutUint64(t.ID[8:], uint64(d.number()))
	t.Retention, t.Compacted = time.Duration(d.number()), d.flag()
	t.Partitions = list(d, d.log)
	return t
}

func (e *encoder) log(l *tidemark.Log) {
	e.number(int64(l.ID))
	e.number(int64(l.Leader))
	e.number(int64(l.LeaderEpoch))
	e.number(int64(l.PreferredLeader))
	e.count(l.Replicas)
	e.count(l.InSync)
	e.number(l.Start)
	e.number(l.End)
	e.moment(l.At)
	e.reason(l.Reason)
	e.moment(l.Held)
	e.number(l.Stable)
}

func (d *decoder) log() tidemark.Log {
	return tidemark.Log{
		ID: d.id(), Leader: d.id(), LeaderEpoch: d.id(), PreferredLeader: d.id(),
		Replicas: int(d.number()), InSync: int(d.number()), Start: d.number(), End: d.number(),
		At: d.moment(), Reason: d.reason(), Held: d.moment(), Stable: d.number(),
	}
}

func (e *encoder) group(g *tidemark.Group) {
	e.name(g.Name)
	e.name(g.Type)
	e.name(g.Phase)
	e.name(g.Assignor)
	e.number(int64(g.Coordinator))
	e.count(len(g.Members))
	for i := range g.Members {
		e.member(&g.Members[i])
	}
	e.moment(g.At)
	e.moment(g.Moved)
	e.reason(g.Reason)
	e.reason(g.Unmet)
	e.number(g.Lost)
}

func (d *decoder) group() tidemark.Group {
	return tidemark.Group{
		Name: d.name(), Type: d.name(), Phase: d.name(), Assignor: d.name(), Coordinator: d.id(),
		Members: list(d, d.member), At: d.moment(), Moved: d.moment(), Reason: d.reason(), Unmet: d.reason(), Lost: d.number(),
	}
}

func (e *encoder) member(m *tidemark.Member) {
	e.name(m.ID)
	e.name(m.InstanceID)
	e.name(m.Client)
	e.name(m.Host)
	e.count(len(m.Assigned))
	for _, a := range m.Assigned {
		e.name(a.Topic)
		e.count(len(a.Partitions))
		for _, id := range a.Partitions {
			e.number(int64(id))
		}
	}
}

func (d *decoder) member() tidemark.Member {
	return tidemark.Member{
		ID: d.name(), InstanceID: d.name(), Client: d.name(), Host: d.name(),
		Assigned: list(d, func() tidemark.Assignment {
			return tidemark.Assignment{Topic: d.name(), Partitions: list(d, d.id)}
		}),
	}
}

func (e *encoder) partition(p *tidemark.Partition) {
	e.name(p.Group)
	e.name(p.Topic)
	e.number(int64(p.ID))
	e.reason(p.Reason)
	e.number(p.LogStart)
	e.number(p.Committed)
	e.number(p.LogEnd)
	e.number(p.Finished)
}

func (d *decoder) partition() tidemark.Partition {
	return tidemark.Partition{
		Group: d.name(), Topic: d.name(), ID: d.id(), Reason: d.reason(),
		LogStart: d.number(), Committed: d.number(), LogEnd: d.number(), Finished: d.number(),
	}
}

// gap keeps the words of an error, not its type.
func (e *encoder) gap(g tidemark.Gap) {
	e.name(g.What)
	e.reason(g.Reason)
	e.flag(g.Err != nil)
	if g.Err != nil {
		e.text(g.Err.Error())
	}
}

func (d *decoder) gap() tidemark.Gap {
	g := tidemark.Gap{What: d.name(), Reason: d.reason()}
	if d.flag() {
		g.Err = errors.New(d.text())
	}
	return g
}
