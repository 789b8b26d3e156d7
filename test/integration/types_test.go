//go:build linux

package integration

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/lag"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestWhatOnlyARealBrokerHas shares one broker: the types of groups that kfake
// lacks or has otherwise, transactions, and the search by timestamp.
func TestWhatOnlyARealBrokerHas(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{SASL: true}) // one of our own, with broker 1
	client := newClient(t, cluster.Bootstrap())
	fill(t, client, "orders", 1, 10, 10, 10)
	collector := open(t, kafka.Config{Brokers: cluster.Bootstrap()})

	t.Run("AShareGroupIsBehindAsItsOwnToolSays", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		member := newClient(t, cluster.Bootstrap(), kgo.ShareGroup("sharing"), kgo.ConsumeTopics("orders"))
		go func() {
			for ctx.Err() == nil {
				member.PollFetches(ctx)
			}
		}()
		await(t, "the member to own its partitions", func() bool { return len(look(t, collector).Of("sharing")) == 3 })
		produce := func(records int) {
			for id := range int32(3) {
				for range records {
					if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: id, Value: []byte("x")}).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		await(t, "all to be read", func() bool {
			snapshot := look(t, collector)
			group, _ := snapshot.Group("sharing")
			total := snapshot.Total(group)
			if total.Uncommitted > 0 { // a partition begins at its end when it is first asked for
				produce(20)
			}
			return total.Complete && total.Uncommitted == 0 && total.Records == 0 && len(group.Members) == 1
		})
		leave()
		member.Close()
		produce(5)
		snapshot := look(t, collector)
		for _, row := range shares(t, cluster, "sharing") {
			p := partition(t, snapshot, "sharing", "orders", row.Partition)
			got, known := p.Lag()
			t.Logf("orders/%d: position %d, %d finished beyond, lag %d", row.Partition, p.Committed, p.Finished, got)
			if !row.Lag.Known || !known || got != row.Lag.N || got != 5 {
				t.Errorf("orders/%d: lag %d (known: %v), want 5 as the tool says: %d (known: %v)", row.Partition, got, known, row.Lag.N, row.Lag.Known)
			}
		}
	})

	t.Run("MembersOfAStreamsGroupOwnTheSourcesOfTheirTasks", func(t *testing.T) {
		commit(t, client, "app", "orders", 4, 4, 4)
		beat := streamsMember(t, client, "app", "orders")
		var group tidemark.Group
		var snapshot *tidemark.Snapshot
		await(t, "the member to own its tasks", func() bool {
			beat()
			snapshot = look(t, collector)
			group, _ = snapshot.Group("app")
			return len(group.Members) == 1 && len(group.Members[0].Assigned) == 1
		})
		if got := group.Members[0].Assigned[0]; got.Topic != "orders" || len(got.Partitions) != 3 {
			t.Errorf("the member owns %+v, want three partitions of orders", got)
		}
		if group.Type != "streams" || group.Reason != tidemark.Fine || len(snapshot.Gaps) > 0 {
			t.Errorf("type %q, reason %q, gaps %v; want streams and none", group.Type, group.Reason, snapshot.Gaps)
		}
		if total := snapshot.Total(group); !total.Complete || total.Partitions != 3 {
			t.Errorf("total = %+v, want one of 3 partitions, complete", total)
		}
	})

	t.Run("AnOpenTransactionIsNamedWhereItHoldsReadersBack", func(t *testing.T) {
		fill(t, client, "paid", 1, 10)
		commit(t, client, "held", "paid", 10)
		writer := newClient(t, cluster.Bootstrap(), kgo.TransactionalID("payer"))
		if err := writer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: "paid", Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		fresh := open(t, kafka.Config{Brokers: cluster.Bootstrap()})
		look(t, fresh)
		if p := partition(t, look(t, fresh), "held", "paid", 0); p.Reason != tidemark.OpenTransaction {
			t.Errorf("reason = %q, want %q", p.Reason, tidemark.OpenTransaction)
		}
		if err := writer.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
		await(t, "readers to go on", func() bool {
			return partition(t, look(t, fresh), "held", "paid", 0).Reason == tidemark.Fine
		})
	})

	t.Run("AnOldBacklogIsDatedWithinThreeLooks", func(t *testing.T) {
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, "old"); err != nil {
			t.Fatal(err)
		}
		const records, apart = 10_000, 2 * time.Second
		began := time.Now().Add(-records * apart)
		var batch []*kgo.Record
		for i := range records {
			batch = append(batch, &kgo.Record{Topic: "old", Value: []byte("x"), Timestamp: began.Add(time.Duration(i) * apart)})
		}
		if err := client.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		commit(t, client, "late", "old", 8200)
		history := lag.New(lag.Options{})
		for range 3 {
			snapshot := look(t, collector)
			history.Observe(snapshot)
			history.Learn(collector.Probe(t.Context(), history.Wants(snapshot)))
			p := partition(t, snapshot, "late", "old", 0)
			got := history.TimeLag(p, snapshot.Ended)
			want := snapshot.Ended.Sub(began.Add(8200 * apart))
			if off := (got.Value - want).Abs(); !got.Known || off > want/10 || off > got.Error+apart {
				t.Errorf("time lag = %s ± %s (known: %v), want %s", got.Value, got.Error, got.Known, want)
			}
		}
	})
}

// shares asks Kafka's own tool about a share group.
func shares(t *testing.T, cluster *kafkatest.Cluster, group string) []kafkatest.Row {
	t.Helper()
	rows, err := kafkatest.Parse(cluster.Tool("ShareGroupCommand", "--describe", "--offsets", "--group", group))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// streamsMember joins a streams group as a member that reads one topic, and
// returns its heartbeat. The client library has none.
func streamsMember(t *testing.T, client *kgo.Client, group, topic string) (beat func()) {
	coordinators := kadm.NewClient(client).FindGroupCoordinators(t.Context(), group)
	if err := coordinators.Error(); err != nil {
		t.Fatal(err)
	}
	coordinator := client.Broker(int(coordinators[group].NodeID))
	process, epoch := "process", int32(0)
	owns := []kmsg.TaskIDs{}
	return func() {
		req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = group, "3zHNTHvNQ7qFA0PTB9BcXw", epoch
		req.ActiveTasks, req.StandbyTasks, req.WarmupTasks = owns, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
		if epoch == 0 {
			req.RebalanceTimeoutMillis, req.ProcessID = 60_000, &process
			req.ClientTags = []kmsg.StreamsGroupHeartbeatRequestClientTag{}
			req.Topology = &kmsg.StreamsGroupHeartbeatRequestTopology{Subtopologies: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
				{SubtopologyID: "0", SourceTopics: []string{topic}},
			}}
		}
		told, err := coordinator.RetriableRequest(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		resp := told.(*kmsg.StreamsGroupHeartbeatResponse)
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			t.Fatalf("heartbeat: %v %v", err, resp.ErrorMessage)
		}
		epoch = resp.MemberEpoch
		if resp.ActiveTasks != nil {
			owns = resp.ActiveTasks
		}
	}
}
