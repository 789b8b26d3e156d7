package mirror_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/mirror"
)

const offsets = "mm2-offsets.main.internal"

// TestMain looks a name up once: bubbles cannot be the first to do so.
func TestMain(m *testing.M) {
	_, _ = net.DefaultResolver.LookupHost(context.Background(), "localhost")
	os.Exit(m.Run())
}

// TestAMirrorIsWhereItsLastRecordsSay has records as those that the MirrorMaker 2 of
// Kafka 4.3.1 writes, among others.
func TestAMirrorIsWhereItsLastRecordsSay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.create(offsets, 3)
		for _, r := range [][2]string{
			{`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"orders"}]`, `{"offset":41}`},
			{`["MirrorSourceConnector",{"cluster":"main","partition":1,"topic":"orders"}]`, `{"offset":7}`},
			{`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"gone"}]`, `{"offset":7}`},
			{`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"broken"}]`, `{"offset":7}`},
			{`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"orders"}]`, `{"offset":99}`},
			{`["MirrorSourceConnector",{"cluster":"other","partition":2,"topic":"orders"}]`, `{"offset":1}`},
			{`["MirrorCheckpointConnector",{"consumerGroupId":"g","partition":3,"topic":"orders"}]`, `{"offset":0}`},
			{`["MirrorHeartbeatConnector",{"sourceClusterAlias":"main","targetClusterAlias":"backup"}]`, `{"offset":0}`},
			{`["jdbc",{"table":"orders"}]`, `{"id":12}`},
			{"\xff\x00", "\xff"},
			{`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"gone"}]`, ""},
			{`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"broken"}]`, `{"offset":"many"}`},
		} {
			w.say(r[0], r[1])
		}
		m := w.mirror(mirror.Config{From: "main", To: "backup"})
		time.Sleep(time.Second)
		told := m.Foreign()
		want := []tidemark.Position{{Topic: "orders", Partition: 0, Next: 100}, {Topic: "orders", Partition: 1, Next: 8}}
		if told.Group != "MirrorSourceConnector-backup" || !slices.Equal(told.Positions, want) || time.Since(told.At) > 2*time.Second {
			t.Errorf("told %+v, want %v now", told, want)
		}

		w.say(`["MirrorSourceConnector",{"cluster":"main","partition":1,"topic":"orders"}]`, `{"offset":8}`)
		time.Sleep(20 * time.Second)
		if got := m.Foreign(); got.Positions[1].Next != 9 || time.Since(got.At) > 20*time.Second {
			t.Errorf("20 s later told %+v, want 9 as next of orders/1", got)
		}
	})
}

func TestPositionsThatAreOldSaySo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.mirror(mirror.Config{From: "a", To: "b", Alias: "main"})
		time.Sleep(10 * time.Minute)
		if told := m.Foreign(); !told.At.IsZero() || len(told.Positions) > 0 {
			t.Errorf("told %+v, but there is no such topic yet", told)
		}
		w.create(offsets, 1)
		w.say(`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"orders"}]`, `{"offset":41}`)
		time.Sleep(time.Minute)
		known := m.Foreign()
		if len(known.Positions) != 1 || time.Since(known.At) > time.Minute {
			t.Fatalf("told %+v, want one position, fresh", known)
		}
		w.cluster.Close()
		gone := time.Now()
		time.Sleep(10 * time.Minute)
		if told := m.Foreign(); told.At.After(gone) {
			t.Errorf("told as of %v, but the cluster is gone since %v", told.At, gone)
		}
	})
}

func TestATopicMadeAnewForgetsWhatTheOldOneSaid(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.create(offsets, 1)
		for range 5 {
			w.say(`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"orders"}]`, `{"offset":41}`)
		}
		m := w.mirror(mirror.Config{From: "main", To: "backup"})
		time.Sleep(time.Minute)
		if err := w.cluster.DeleteTopic(offsets); err != nil {
			t.Fatal(err)
		}
		w.create(offsets, 1)
		say(t, w.client(), `["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"payments"}]`, `{"offset":1}`)
		time.Sleep(10 * time.Minute)
		want := []tidemark.Position{{Topic: "payments", Next: 2}}
		if told := m.Foreign(); !slices.Equal(told.Positions, want) {
			t.Errorf("told %v, want %v", told.Positions, want)
		}
	})
}

func TestWhatATransactionTookBackWasNeverSaid(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.create(offsets, 1)
		writer := w.client(kgo.TransactionalID("connect"))
		for offset, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			if err := writer.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			say(t, writer, `["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"orders"}]`, fmt.Sprintf(`{"offset":%d}`, offset))
			if err := writer.EndTransaction(t.Context(), end); err != nil {
				t.Fatal(err)
			}
		}
		m := w.mirror(mirror.Config{From: "main", To: "backup"})
		time.Sleep(time.Minute)
		want := []tidemark.Position{{Topic: "orders", Next: 1}}
		if told := m.Foreign(); !slices.Equal(told.Positions, want) || time.Since(told.At) > 20*time.Second {
			t.Errorf("told %+v, want %v, fresh", told, want)
		}
	})
}

func TestAMirrorIsBehindAsAGroupOfTheClusterThatItReads(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.create(offsets, 1)
		w.create("orders", 1)
		for range 10 {
			if err := w.writer.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		w.say(`["MirrorSourceConnector",{"cluster":"main","partition":0,"topic":"orders"}]`, `{"offset":5}`)
		m := w.open(mirror.Config{From: "main", To: "backup"})
		o := w.options()
		o.Foreign = func() []kafka.Foreign { return []kafka.Foreign{m.Foreign()} }
		collector, err := kafka.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer collector.Close()
		if snapshot, err := collector.Snapshot(t.Context()); err != nil || snapshot.Total(snapshot.Groups[0]).Complete {
			t.Errorf("before it is known the total is complete: %+v %v", snapshot, err)
		}
		w.run(m)
		time.Sleep(time.Minute)
		snapshot, err := collector.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		group, seen := snapshot.Group("MirrorSourceConnector-backup")
		if total := snapshot.Total(group); !seen || !total.Complete || total.Records != 4 {
			t.Errorf("total is %+v, want 4, complete", total)
		}
	})
}

// world is a cluster in memory that is mirrored to itself.
type world struct {
	t       *testing.T
	net     kfake.VirtualNetwork
	cluster *kfake.Cluster
	writer  *kgo.Client
}

func inWorld(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		var err error
		if w.cluster, err = kfake.NewCluster(kfake.ListenFn(w.net.Listen), kfake.Ports(9092)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.cluster.Close)
		w.writer = w.client()
		test(t, w)
	})
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.DisableClientMetrics())...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

func (w *world) options() kafka.Options {
	return kafka.Options{Config: kafka.Config{Name: "main", Brokers: []string{"localhost:9092"}}, Dial: w.net.DialContext}
}

func (w *world) create(topic string, partitions int32) {
	w.t.Helper()
	if err := w.cluster.CreateTopic(topic, partitions, nil); err != nil {
		w.t.Fatal(err)
	}
}

// say writes what Connect writes. An empty value is none.
func (w *world) say(key, value string) { say(w.t, w.writer, key, value) }

func say(t *testing.T, writer *kgo.Client, key, value string) {
	t.Helper()
	r := &kgo.Record{Topic: offsets, Key: []byte(key)}
	if value != "" {
		r.Value = []byte(value)
	}
	if err := writer.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) mirror(c mirror.Config) *mirror.Mirror {
	w.t.Helper()
	m := w.open(c)
	w.run(m)
	return m
}

func (w *world) open(c mirror.Config) *mirror.Mirror {
	w.t.Helper()
	m, err := mirror.Open(mirror.Options{Config: c, Kafka: w.options()})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) run(m *mirror.Mirror) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	w.t.Cleanup(func() { cancel(); <-done })
}
