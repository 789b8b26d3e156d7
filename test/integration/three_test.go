//go:build linux

package integration

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/shard"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestWhatChangesOnThreeBrokers shares one cluster: what moves, is made anew, is taken
// back in transactions, and is shared among several of us.
func TestWhatChangesOnThreeBrokers(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	client := newClient(t, cluster.Bootstrap())
	collector := open(t, kafka.Config{Brokers: cluster.Bootstrap()})

	t.Run("LeadersThatMoveTakeNoNumberWithThem", func(t *testing.T) {
		fill(t, client, "orders", 3, 50, 50, 50, 50, 50, 50)
		commit(t, client, "billing", "orders", 40, 40, 40, 40, 40, 40)
		admin := kadm.NewClient(client)
		for _, replicas := range [][]int32{{1, 2, 3}, {2, 3, 1}, {3, 1, 2}} {
			var to kadm.AlterPartitionAssignmentsReq
			moved := kadm.TopicsSet{}
			for id := range int32(6) {
				to.Assign("orders", id, replicas)
				moved.Add("orders", id)
			}
			if _, err := admin.AlterPartitionAssignments(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			await(t, "all to be led by one broker", func() bool {
				_, _ = admin.ElectLeaders(t.Context(), kadm.ElectPreferredReplica, moved)
				s := look(t, collector)
				unknown := check(t, s, []string{"billing"})
				return unknown == 0 && ledBy(s, "orders") == replicas[0]
			})
		}
	})

	t.Run("AStreamsGroupIsBehindAsItsOwnToolSays", func(t *testing.T) {
		fill(t, client, "clicks", 1, 10, 20, 30)
		commit(t, client, "app", "clicks", 4, 20, 0)
		beat := streamsMember(t, client, "app", "clicks")
		var snapshot *tidemark.Snapshot
		await(t, "the member to own its tasks", func() bool {
			beat()
			snapshot = look(t, collector)
			group, _ := snapshot.Group("app")
			return len(group.Members) == 1 && len(group.Members[0].Assigned) == 1
		})
		text := cluster.Tool("org.apache.kafka.tools.streams.StreamsGroupCommand", "--describe", "--offsets", "--group", "app")
		told := streamsLags(text)
		if len(told) != 3 {
			t.Errorf("the tool tells three partitions otherwise:\n%s", text)
		}
		for at, want := range told {
			topic, id, _ := strings.Cut(at, "/")
			n, _ := strconv.Atoi(id)
			if got, known := partition(t, snapshot, "app", topic, int32(n)).Lag(); !known || got != want {
				t.Errorf("%s: lag %d (known: %v), want %d as the tool says", at, got, known, want)
			}
		}
	})

	t.Run("ATopicMadeAnewOwesNothingOfTheOldOne", func(t *testing.T) {
		fill(t, client, "renewed", 3, 50)
		commit(t, client, "archive", "renewed", 40)
		if p := partition(t, look(t, collector), "archive", "renewed", 0); p.Committed != 40 {
			t.Errorf("committed %d, want 40", p.Committed)
		}
		if _, err := kadm.NewClient(client).DeleteTopic(t.Context(), "renewed"); err != nil {
			t.Fatal(err)
		}
		await(t, "all brokers to have deleted it", func() bool { return known(look(t, collector), "archive") == 0 })
		await(t, "the name to be free", func() bool {
			_, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 3, nil, "renewed")
			return err == nil
		})
		if n := known(look(t, collector), "archive"); n > 0 {
			t.Errorf("%d partitions of the new topic are known, and nobody has committed there", n)
		}
		fresh := newClient(t, cluster.Bootstrap())
		for range 5 {
			if err := fresh.ProduceSync(t.Context(), &kgo.Record{Topic: "renewed", Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		commit(t, fresh, "archive", "renewed", 2)
		await(t, "the new topic to be known", func() bool {
			s := look(t, collector)
			if known(s, "archive") == 0 {
				return false
			}
			if lag, _ := partition(t, s, "archive", "renewed", 0).Lag(); lag != 3 {
				t.Errorf("lag = %d, want 3 or unknown", lag)
			}
			return true
		})
	})

	t.Run("TransactionsCommittedAndAbortedCountAsKafkasToolCounts", func(t *testing.T) {
		fill(t, client, "paid", 3, 10)
		commit(t, client, "ledger", "paid", 10)
		writer := newClient(t, cluster.Bootstrap(), kgo.TransactionalID("payer"))
		for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			if err := writer.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: "paid", Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := writer.EndTransaction(t.Context(), end); err != nil {
				t.Fatal(err)
			}
		}
		// Two records and two marks of the ends of their transactions.
		await(t, "the marks", func() bool {
			lag, known := partition(t, look(t, collector), "ledger", "paid", 0).Lag()
			return known && lag == 4
		})
		compareNumbers(t, look(t, collector), "ledger", cluster.Groups())
		if p := partition(t, look(t, collector), "ledger", "paid", 0); p.Reason != tidemark.Fine {
			t.Errorf("reason = %q, want none: no transaction is open", p.Reason)
		}
	})

	t.Run("ThreeShardsSeeTogetherWhatOneSeesAloneAlsoWhenOneDies", func(t *testing.T) {
		fill(t, client, "shared", 1, 10)
		for i := range 60 {
			commit(t, client, fmt.Sprintf("shared-%d", i), "shared", int64(i%10))
		}
		alone := sharedTotals(look(t, collector))
		if len(alone) != 60 {
			t.Fatalf("%d groups, want 60", len(alone))
		}
		a, b, c := share(t, cluster, "a"), share(t, cluster, "b"), share(t, cluster, "c")
		union := func(of ...*sharing) map[string]tidemark.Total {
			all := map[string]tidemark.Total{}
			for _, one := range of {
				maps.Copy(all, sharedTotals(look(t, one.collector)))
			}
			return all
		}
		await(t, "three members", func() bool { return len(a.shard.Members()) == 3 && len(c.shard.Members()) == 3 })
		if got := union(a, b, c); !maps.Equal(got, alone) {
			t.Errorf("the three see %d groups, want all 60", len(got))
		}
		c.cut.Store(true)
		died := time.Now()
		await(t, "the others to take over", func() bool { return maps.Equal(union(a, b), alone) })
		if took := time.Since(died); took > 30*time.Second {
			t.Errorf("that took %v, want less than two ticks of 15 s", took)
		}
	})
}

// ledBy returns who leads all partitions of a topic; 0 if that is not one broker.
func ledBy(s *tidemark.Snapshot, topic string) (leader int32) {
	for _, about := range s.Topics {
		if about.Name != topic {
			continue
		}
		for _, p := range about.Partitions {
			if leader != 0 && p.Leader != leader {
				return 0
			}
			leader = p.Leader
		}
	}
	return leader
}

// known counts the partitions of a group whose lag is a number.
func known(s *tidemark.Snapshot, group string) (n int) {
	for _, p := range s.Of(group) {
		if _, is := p.Lag(); is {
			n++
		}
	}
	return n
}

// streamsLags reads the table of StreamsGroupCommand: its columns are GROUP, TOPIC,
// PARTITION and OFFSET-LAG.
func streamsLags(text string) map[string]int64 {
	lags := map[string]int64{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "app" {
			if lag, err := strconv.ParseInt(f[3], 10, 64); err == nil {
				lags[f[1]+"/"+f[2]] = lag
			}
		}
	}
	return lags
}

// sharing is one of several that share the groups.
type sharing struct {
	shard     *shard.Shard
	collector *kafka.Collector
	cut       atomic.Bool // from the network, without a word
}

func share(t *testing.T, cluster *kafkatest.Cluster, name string) *sharing {
	t.Helper()
	s := &sharing{}
	o := kafka.Options{
		Config: kafka.Config{Name: "test", Brokers: cluster.Bootstrap()}, Log: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if s.cut.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return &hole{conn, &s.cut}, err
		},
	}
	var err error
	if s.shard, err = shard.Open(shard.Options{Config: shard.Config{Group: "tidemarks", Name: name}, Kafka: o}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.shard.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("shard %s ended: %v", name, err)
		}
	})
	o.Mine = s.shard.Mine
	if s.collector, err = kafka.Open(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.collector.Close)
	return s
}

func sharedTotals(s *tidemark.Snapshot) map[string]tidemark.Total {
	all := totals(s)
	maps.DeleteFunc(all, func(group string, _ tidemark.Total) bool { return !strings.HasPrefix(group, "shared-") })
	return all
}
