package kafka_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// world is a cluster of three brokers in memory, with a network that can be cut.
type world struct {
	t       *testing.T
	cluster *kfake.Cluster
	net     network
	client  *kgo.Client
}

// inWorld runs a test in virtual time.
func inWorld(t *testing.T, test func(t *testing.T, w *world), opts ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		var err error
		w.cluster, err = kfake.NewCluster(append([]kfake.Opt{kfake.ListenFn(w.net.Listen), kfake.Ports(9092, 9093, 9094)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.cluster.Close)
		w.client, err = kgo.NewClient(
			kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.VirtualNetwork.DialContext), kgo.MaxVersions(w.versions()),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
		)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.client.Close)
		test(t, w)
	})
}

// versions are those of our own requests.
func (w *world) versions() *kversion.Versions {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.OffsetCommit.Int16(), 9) // the last one with topic names
	return versions
}

func (w *world) options() kafka.Options {
	return kafka.Options{
		Config: kafka.Config{Name: "main", Brokers: []string{"localhost:9092", "localhost:9093", "localhost:9094"}},
		Dial:   w.net.DialContext,
	}
}

func (w *world) collector(change ...func(*kafka.Options)) *kafka.Collector {
	w.t.Helper()
	o := w.options()
	for _, c := range change {
		c(&o)
	}
	c, err := kafka.Open(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) topic(name string, records int) {
	w.t.Helper()
	if err := w.cluster.CreateTopic(name, 4, nil); err != nil {
		w.t.Fatal(err)
	}
	w.produce(name, records)
}

// produce appends so many records to each of the four partitions.
func (w *world) produce(topic string, records int) {
	w.t.Helper()
	for p := range int32(4) {
		for range records {
			if err := w.client.ProduceSync(w.t.Context(), &kgo.Record{Topic: topic, Partition: p, Value: []byte("x")}).FirstErr(); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// commit commits one offset per partition, from 0 on.
func (w *world) commit(group, topic string, offsets ...int64) {
	w.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	about := kmsg.NewOffsetCommitRequestTopic()
	about.Topic = topic
	for id, o := range offsets {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = int32(id), o
		about.Partitions = append(about.Partitions, p)
	}
	req.Topics = append(req.Topics, about)
	resp, err := req.RequestWith(w.t.Context(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range resp.Topics[0].Partitions {
		if p.ErrorCode != 0 {
			w.t.Fatalf("commit %s on %s: error code %d", group, topic, p.ErrorCode)
		}
	}
}

// join starts a consumer of a topic that stays in its group and commits nothing.
func (w *world) join(group, topic string, opts ...kgo.Opt) {
	w.t.Helper()
	m, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.VirtualNetwork.DialContext), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.DisableAutoCommit(), kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(m.Close)
	if _, err := w.cluster.WaitGroupStable(w.t.Context(), group, 1); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(time.Second) // virtual: the members learn what they own
}

func look(t *testing.T, c *kafka.Collector) *tidemark.Snapshot {
	t.Helper()
	s, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lags writes a group's partitions as "3 3 ? 0 truncated": lag, or ? if unknown,
// and the reason if there is one.
func lags(s *tidemark.Snapshot, group string) string {
	var out []string
	for _, p := range s.Of(group) {
		text := "?"
		if lag, known := p.Lag(); known {
			text = strconv.FormatInt(lag, 10)
		}
		if p.Reason != tidemark.Fine {
			text += ":" + p.Reason.String()
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s = %s, want %s", what, g, w)
	}
}

func gaps(s *tidemark.Snapshot) string {
	var out []string
	for _, g := range s.Gaps {
		out = append(out, g.What+": "+g.Reason.String())
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func up(s *tidemark.Snapshot) map[int32]bool {
	up := map[int32]bool{}
	for _, b := range s.Brokers {
		up[b.ID] = b.Up
	}
	return up
}

// requests is what was sent between two snapshots, the earlier of which may be nil.
func requests(before, s *tidemark.Snapshot) map[string]int64 {
	n := map[string]int64{}
	for _, r := range s.Requests {
		n[r.API] = r.N
	}
	if before == nil {
		return n
	}
	for _, r := range before.Requests {
		if n[r.API] -= r.N; n[r.API] == 0 {
			delete(n, r.API)
		}
	}
	return n
}

// network is the virtual network with ports that can be made to swallow
// everything, as a firewall that drops packets does.
type network struct {
	kfake.VirtualNetwork
	latency time.Duration // of a round trip

	mu   sync.Mutex
	hole map[string]bool // by port
}

// swallow makes a broker a hole, or heals it. Broker 0 is at port 9092.
func (n *network) swallow(broker int32, yes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hole == nil {
		n.hole = map[string]bool{}
	}
	n.hole[strconv.Itoa(9092+int(broker))] = yes
}

func (n *network) swallows(port string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hole[port]
}

// DialContext waits for its deadline where packets are dropped.
func (n *network) DialContext(ctx context.Context, kind, address string) (net.Conn, error) {
	_, port, _ := net.SplitHostPort(address)
	if n.swallows(port) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(n.latency)
	conn, err := n.VirtualNetwork.DialContext(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	lossy := &swallowing{Conn: conn, network: n, port: port}
	if n.latency > 0 {
		lossy.late, lossy.gone = make(chan late, 1000), make(chan struct{})
		go lossy.deliver()
	}
	return lossy, nil
}

// swallowing is a connection whose writes go nowhere while its port is a hole, and
// arrive late if the network has a latency: each by itself, as on a real one.
type swallowing struct {
	net.Conn
	network *network
	port    string
	late    chan late
	gone    chan struct{}
	once    sync.Once
}

type late struct {
	due  time.Time
	text []byte
}

func (s *swallowing) Write(b []byte) (int, error) {
	switch {
	case s.network.swallows(s.port):
	case s.late != nil:
		s.late <- late{time.Now().Add(s.network.latency), slices.Clone(b)}
	default:
		return s.Conn.Write(b)
	}
	return len(b), nil
}

func (s *swallowing) deliver() {
	for {
		select {
		case <-s.gone:
			return
		case l := <-s.late:
			select {
			case <-s.gone:
				return
			case <-time.After(time.Until(l.due)):
				_, _ = s.Conn.Write(l.text)
			}
		}
	}
}

func (s *swallowing) Close() error {
	if s.gone != nil {
		s.once.Do(func() { close(s.gone) })
	}
	return s.Conn.Close()
}

// grow adds partitions to a topic, up to a number.
func (w *world) grow(topic string, partitions int32) {
	w.t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	about := kmsg.NewCreatePartitionsRequestTopic()
	about.Topic, about.Count = topic, partitions
	req.Topics = append(req.Topics, about)
	resp, err := req.RequestWith(w.t.Context(), w.client)
	if err != nil || resp.Topics[0].ErrorCode != 0 {
		w.t.Fatalf("grow %s: %v %v", topic, err, resp)
	}
}
