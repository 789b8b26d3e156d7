package kafka_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// trouble is one kind of fault: what makes it, and returns what heals it.
type trouble struct {
	name string
	make func(s *soak, r *rand.Rand) (heal func())
}

// troubles are the kinds of faults, each in the words of who would report it.
func troubles() []trouble {
	return []trouble{
		{"leaders are not available", answers(kerr.LeaderNotAvailable, kfake.Fault{Keys: ends})},
		{"one topic's leaders are not available", answers(kerr.LeaderNotAvailable, kfake.Fault{Keys: ends, Topic: "orders"})},
		{"two partitions have no leader", answers(kerr.LeaderNotAvailable, kfake.Fault{Keys: ends, Topic: "orders", Partitions: []int32{0, 3}})},
		{"a broker is not the leader", answers(kerr.NotLeaderForPartition, kfake.Fault{Keys: ends, Nodes: []int32{1}})},
		{"a topic is denied", answers(kerr.TopicAuthorizationFailed, kfake.Fault{Keys: ends, Topic: "events"})},
		{"all topics are denied", answers(kerr.TopicAuthorizationFailed, kfake.Fault{Keys: ends})},
		{"ends are not available after an election", answers(kerr.OffsetNotAvailable, kfake.Fault{Keys: ends})},
		{"our leader epoch is fenced", answers(kerr.FencedLeaderEpoch, kfake.Fault{Keys: ends, Nodes: []int32{0}})},
		{"the leader epoch is not known", answers(kerr.UnknownLeaderEpoch, kfake.Fault{Keys: ends, Nodes: []int32{2}})},
		{"a broker's disk has failed", answers(kerr.KafkaStorageError, kfake.Fault{Keys: ends, Nodes: []int32{1}})},
		{"a replica is not available", answers(kerr.ReplicaNotAvailable, kfake.Fault{Keys: ends, Topic: "events", Partitions: []int32{1}})},
		{"a topic is not known to its leaders", answers(kerr.UnknownTopicOrPartition, kfake.Fault{Keys: ends, Topic: "orders"})},
		{"ends take too long to tell", answers(kerr.RequestTimedOut, kfake.Fault{Keys: ends})},
		{"brokers fail without saying why", answers(kerr.UnknownServerError, kfake.Fault{Keys: ends, Nodes: []int32{2}})},
		{"coordinators are loading", answers(kerr.CoordinatorLoadInProgress, kfake.Fault{Keys: commits})},
		{"one group's coordinator is loading", answers(kerr.CoordinatorLoadInProgress, kfake.Fault{Keys: commits, Group: "billing"})},
		{"coordinators are not available", answers(kerr.CoordinatorNotAvailable, kfake.Fault{Keys: commits})},
		{"a broker is not the coordinator", answers(kerr.NotCoordinator, kfake.Fault{Keys: commits, Nodes: []int32{0}})},
		{"a group is denied", answers(kerr.GroupAuthorizationFailed, kfake.Fault{Keys: commits, Group: "mailing"})},
		{"commits cannot be read, without saying why", answers(kerr.UnknownServerError, kfake.Fault{Keys: commits, Nodes: []int32{1}})},
		{"a broker does not list its groups", answers(kerr.CoordinatorNotAvailable, kfake.Fault{Keys: lists, Nodes: []int32{0}})},
		{"nobody lists groups", answers(kerr.CoordinatorLoadInProgress, kfake.Fault{Keys: lists})},
		{"listing groups is denied", answers(kerr.ClusterAuthorizationFailed, kfake.Fault{Keys: lists})},
		{"the metadata lack a leader", answers(kerr.LeaderNotAvailable, kfake.Fault{Keys: metadata, Topic: "events", Partitions: []int32{2}})},
		{"the metadata deny a topic", answers(kerr.TopicAuthorizationFailed, kfake.Fault{Keys: metadata, Topic: "events"})},
		{"the metadata fail on a topic", answers(kerr.UnknownServerError, kfake.Fault{Keys: metadata, Topic: "orders"})},
		{"a topic is denied everywhere", answers(kerr.TopicAuthorizationFailed, kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata, kmsg.ListOffsets}, Topic: "orders"})},
		{"leaders move", func(s *soak, _ *rand.Rand) func() { s.cluster.ShufflePartitionLeaders(); return func() {} }},
		{"one leader moves", func(s *soak, r *rand.Rand) func() {
			_ = s.cluster.MoveTopicPartition("orders", r.Int32N(4), r.Int32N(3)) // it may be down
			return func() {}
		}},
		{"coordinators move", func(s *soak, _ *rand.Rand) func() { s.cluster.RehashCoordinators(); return func() {} }},
		{"a broker is killed", (*soak).kill},
		{"a broker swallows everything", line(func(l *wire) { l.swallows = true })},
		{"all brokers swallow everything", all(func(l *wire) { l.swallows = true })},
		{"a broker refuses connections", line(func(l *wire) { l.refuses, l.broken = true, true })},
		{"all brokers refuse connections", all(func(l *wire) { l.refuses, l.broken = true, true })},
		{"a broker's name does not resolve", line(func(l *wire) { l.unnamed, l.broken = true, true })},
		{"connections break", all(func(l *wire) { l.broken = true })},
		{"answers break off in the middle", line(func(l *wire) { l.cuts = true })},
		{"a broker is slow", line(func(l *wire) { l.delay = 300 * time.Millisecond })},
		{"a broker is too slow", line(func(l *wire) { l.delay = 2 * time.Second })},
		{"all brokers are slow", all(func(l *wire) { l.delay = 200 * time.Millisecond })},
		{"groups are listed twice while they move", (*soak).listTwice},
	}
}

// The questions that faults are about.
var (
	ends     = []kmsg.Key{kmsg.ListOffsets}
	commits  = []kmsg.Key{kmsg.OffsetFetch}
	lists    = []kmsg.Key{kmsg.ListGroups}
	metadata = []kmsg.Key{kmsg.Metadata}
)

// answers makes brokers answer with an error.
func answers(err *kerr.Error, f kfake.Fault) func(*soak, *rand.Rand) func() {
	return func(s *soak, _ *rand.Rand) func() {
		f.Err, f.Count, f.TopLevel = err, -1, f.Keys[0] == kmsg.ListGroups
		return s.cluster.Fault(f).Remove
	}
}

// line makes something wrong with the connections to one broker.
func line(wrong func(*wire)) func(*soak, *rand.Rand) func() {
	return func(s *soak, r *rand.Rand) func() { return s.wires.make(wrong, r.IntN(3)) }
}

func all(wrong func(*wire)) func(*soak, *rand.Rand) func() {
	return func(s *soak, _ *rand.Rand) func() { return s.wires.make(wrong, 0, 1, 2) }
}

// kill takes a broker out of the cluster, until it comes back empty-handed.
func (s *soak) kill(r *rand.Rand) func() {
	id := r.Int32N(3)
	if err := s.cluster.RemoveNode(id); err != nil {
		s.t.Error(err)
	}
	return func() {
		if _, _, err := s.cluster.AddNode(id, 9092+int(id)); err != nil {
			s.t.Error(err)
		}
	}
}

// listTwice has a broker list a group that another one coordinates.
func (s *soak) listTwice(r *rand.Rand) func() {
	var healed sync.Once
	gone := make(chan struct{})
	wrong := r.Int32N(3)
	coordinator := map[string]int32{}
	for group := range reads() {
		coordinator[group] = s.cluster.CoordinatorFor(group)
	}
	s.cluster.ControlKey(kmsg.ListGroups.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-gone:
			s.cluster.DropControl()
			return nil, nil, false
		default:
		}
		s.cluster.KeepControl()
		if s.cluster.CurrentNode() != wrong || coordinator["billing"] == wrong {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		resp.Groups = append(resp.Groups, kmsg.ListGroupsResponseGroup{Group: "billing", GroupState: "Empty", GroupType: "Classic"})
		for group, at := range coordinator {
			if at == wrong {
				resp.Groups = append(resp.Groups, kmsg.ListGroupsResponseGroup{Group: group, GroupState: "Empty", GroupType: "Classic"})
			}
		}
		return resp, nil, true
	})
	return func() { healed.Do(func() { close(gone) }) }
}

// wire is the way to one broker, and what is wrong with it.
type wire struct {
	swallows, refuses, unnamed bool
	broken                     bool // what is connected breaks, once
	cuts                       bool // answers break off
	delay                      time.Duration
	conns                      map[*wired]bool
}

// wires are the ways to all brokers.
type wires struct {
	net *kfake.VirtualNetwork
	mu  sync.Mutex
	to  [3]wire
}

func (w *wires) make(wrong func(*wire), brokers ...int) (heal func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range brokers {
		wrong(&w.to[b])
		if w.to[b].broken {
			for c := range w.to[b].conns {
				_ = c.Conn.Close()
			}
		}
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, b := range brokers {
			w.to[b] = wire{conns: w.to[b].conns}
		}
	}
}

// look returns how the way to a broker is at the moment.
func (w *wires) look(b int) wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to[b]
}

func (w *wires) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	b := int(address[len(address)-1]-'0') - 2 // 9092 and on
	switch now := w.look(b); {
	case now.swallows:
		<-ctx.Done()
		return nil, ctx.Err()
	case now.refuses:
		return nil, errors.New("connection refused")
	case now.unnamed:
		return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
	}
	conn, err := w.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &wired{Conn: conn, wires: w, broker: b}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to[b].conns == nil {
		w.to[b].conns = map[*wired]bool{}
	}
	w.to[b].conns[c] = true
	return c, nil
}

// wired is one connection.
type wired struct {
	net.Conn
	wires  *wires
	broker int
}

func (c *wired) Write(b []byte) (int, error) {
	if c.wires.look(c.broker).swallows {
		return len(b), nil
	}
	time.Sleep(time.Millisecond) // half a round trip
	return c.Conn.Write(b)
}

func (c *wired) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	now := c.wires.look(c.broker)
	time.Sleep(now.delay + time.Millisecond)
	if now.cuts && n > 8 {
		_ = c.Conn.Close()
		return n / 2, err
	}
	return n, err
}

func (c *wired) Close() error {
	c.wires.mu.Lock()
	delete(c.wires.to[c.broker].conns, c)
	c.wires.mu.Unlock()
	return c.Conn.Close()
}
