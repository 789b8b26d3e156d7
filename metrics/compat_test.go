package metrics_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
)

// TestKafkaExportersFamiliesAreHereLetterByLetter restates the table of lag.md 2.1.
// What reads ZooKeeper is left out: no series of it has been written since Kafka 2.
func TestKafkaExportersFamiliesAreHereLetterByLetter(t *testing.T) {
	families := map[string]metrics.Family{}
	for _, f := range metrics.Families() {
		families[f.Name] = f
	}
	for _, want := range []struct{ name, labels, help string }{
		{"kafka_brokers", "", "Number of Brokers in the Kafka Cluster."},
		{"kafka_broker_info", "id address", "Information about the Kafka Broker."},
		{"kafka_topic_partitions", "topic", "Number of partitions for this Topic"},
		{"kafka_topic_partition_current_offset", "topic partition", "Current Offset of a Broker at Topic/Partition"},
		{"kafka_topic_partition_oldest_offset", "topic partition", "Oldest Offset of a Broker at Topic/Partition"},
		{"kafka_topic_partition_leader", "topic partition", "Leader Broker ID of this Topic/Partition"},
		{"kafka_topic_partition_replicas", "topic partition", "Number of Replicas for this Topic/Partition"},
		{"kafka_topic_partition_in_sync_replica", "topic partition", "Number of In-Sync Replicas for this Topic/Partition"},
		{"kafka_topic_partition_leader_is_preferred", "topic partition", "1 if Topic/Partition is using the Preferred Broker"},
		{"kafka_topic_partition_under_replicated_partition", "topic partition", "1 if Topic/Partition is under Replicated"},
		{"kafka_consumergroup_current_offset", "consumergroup topic partition", "Current Offset of a ConsumerGroup at Topic/Partition"},
		{"kafka_consumergroup_current_offset_sum", "consumergroup topic", "Current Offset of a ConsumerGroup at Topic for all partitions"},
		{"kafka_consumergroup_lag", "consumergroup topic partition", "Current Approximate Lag of a ConsumerGroup at Topic/Partition"},
		{"kafka_consumergroup_lag_sum", "consumergroup topic", "Current Approximate Lag of a ConsumerGroup at Topic for all partitions"},
		{"kafka_consumergroup_members", "consumergroup", "Amount of members in a consumer group"},
	} {
		got := families[want.name]
		if labels := strings.TrimSpace("cluster " + want.labels); got.Help != want.help || strings.Join(got.Labels, " ") != labels || got.Type != metrics.Gauge {
			t.Errorf("%s is %+v, want the gauge %q with %q", want.name, got, want.help, labels)
		}
	}
}

// lines are the lines of a page that begin as told.
func lines(t *testing.T, p *metrics.Page, v *tidemark.View, begin string) (found []string) {
	t.Helper()
	var out bytes.Buffer
	if err := p.Write(&out, v); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, begin) {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	return found
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMinusOneStandsOnlyWhereItIsAskedFor(t *testing.T) {
	o := orders()
	o.Snapshot.Partitions[2].Committed = tidemark.Uncommitted
	o.Snapshot.Partitions = append(o.Snapshot.Partitions, tidemark.Partition{Group: "billing", Topic: "refunds", Committed: tidemark.Uncommitted, LogEnd: 9})
	compatible := &metrics.Page{Compat: metrics.Compat{NoCommit: true}}
	same(t, lines(t, compatible, view(o), "kafka_consumergroup_lag{"),
		`kafka_consumergroup_lag{cluster="main",consumergroup="billing",topic="orders",partition="0"} 300`,
		`kafka_consumergroup_lag{cluster="main",consumergroup="billing",topic="orders",partition="1"} 200`,
		`kafka_consumergroup_lag{cluster="main",consumergroup="billing",topic="orders",partition="2"} -1`)
	same(t, lines(t, compatible, view(o), "kafka_consumergroup_current_offset_sum"),
		`kafka_consumergroup_current_offset_sum{cluster="main",consumergroup="billing",topic="orders"} 1500`)
	same(t, lines(t, compatible, view(o), "tidemark_group_uncommitted_partitions"),
		`tidemark_group_uncommitted_partitions{cluster="main",consumergroup="billing"} 2`)
}

func TestWithoutShowAllOnlyOwnedPartitionsStandUnderKafkaExportersNames(t *testing.T) {
	o := orders()
	o.Snapshot.Groups[0].Members = o.Snapshot.Groups[0].Members[1:] // partition 2 is owned
	owned := &metrics.Page{Compat: metrics.Compat{Assigned: true}}
	same(t, lines(t, owned, view(o), "kafka_consumergroup_lag"),
		"kafka_consumergroup_lag{cluster=\"main\",consumergroup=\"billing\",topic=\"orders\",partition=\"2\"} 100",
		"kafka_consumergroup_lag_sum{cluster=\"main\",consumergroup=\"billing\",topic=\"orders\"} 100")
	same(t, lines(t, owned, view(o), "tidemark_group_lag_records"), `tidemark_group_lag_records{cluster="main",consumergroup="billing"} 600`)

	o.Snapshot.Groups[0].Phase = "PreparingRebalance"
	if got, want := len(lines(t, owned, view(o), "kafka_consumergroup_lag{")), 3; got != want {
		t.Errorf("%d partitions while they change hands, want %d", got, want)
	}
}

// fleet is three groups of 3 partitions each: 600, 60 and 6 records behind.
func fleet() *tidemark.View {
	o := orders()
	o.Snapshot.Groups, o.Snapshot.Partitions, o.Estimates = nil, nil, nil
	for i, behind := range []int64{100, 10, 1} {
		name := fmt.Sprintf("group-%d", i)
		state := []tidemark.State{tidemark.Growing, tidemark.Stopped, tidemark.CaughtUp}[i]
		o.Snapshot.Groups = append(o.Snapshot.Groups, tidemark.Group{Name: name})
		o.Estimates = append(o.Estimates, tidemark.Estimate{Group: name, State: state})
		for id := range int32(3) {
			o.Snapshot.Partitions = append(o.Snapshot.Partitions, tidemark.Partition{
				Group: name, Topic: "orders", ID: id, Committed: 1000 - behind*int64(id+1), LogEnd: 1000,
			})
		}
	}
	return view(o)
}

func TestDetailLeavesPartsOutAndNoSum(t *testing.T) {
	for _, c := range []struct {
		detail                           metrics.Detail
		partitions, topics, hiddenOfNine int
	}{
		{metrics.Detail{}, 9, 3, -1},
		{metrics.Detail{By: metrics.PerTopic}, 0, 3, 9},
		{metrics.Detail{By: metrics.PerGroup}, 0, 0, 9},
		{metrics.Detail{Worst: 2}, 6, 2, 3},
		{metrics.Detail{Limit: 5}, 3, 1, 6},
		{metrics.Detail{Limit: 2}, 0, 0, 9},
		{metrics.Detail{States: []tidemark.State{tidemark.Stopped, tidemark.CaughtUp}, Worst: 1}, 3, 1, 6},
	} {
		p := &metrics.Page{Detail: c.detail}
		if got := len(lines(t, p, fleet(), "kafka_consumergroup_lag{")); got != c.partitions {
			t.Errorf("%+v: %d partitions, want %d", c.detail, got, c.partitions)
		}
		if got := len(lines(t, p, fleet(), "kafka_consumergroup_lag_sum{")); got != c.topics {
			t.Errorf("%+v: %d topics, want %d", c.detail, got, c.topics)
		}
		same(t, lines(t, p, fleet(), "tidemark_group_lag_records{"),
			`tidemark_group_lag_records{cluster="main",consumergroup="group-0"} 600`,
			`tidemark_group_lag_records{cluster="main",consumergroup="group-1"} 60`,
			`tidemark_group_lag_records{cluster="main",consumergroup="group-2"} 6`)
		want := []string{fmt.Sprintf(`%s{cluster="main"} %d`, hidden, c.hiddenOfNine)}
		if c.hiddenOfNine < 0 {
			want = nil
		}
		same(t, lines(t, p, fleet(), hidden), want...)
	}
}

func TestDetailShowsTheWorst(t *testing.T) {
	same(t, lines(t, &metrics.Page{Detail: metrics.Detail{Worst: 1}}, fleet(), "kafka_consumergroup_lag_sum{"),
		`kafka_consumergroup_lag_sum{cluster="main",consumergroup="group-0",topic="orders"} 600`)
}

func TestOwnersAreThereToJoinOn(t *testing.T) {
	v := view(orders())
	has(t, v, "tidemark_group_info", "consumergroup=billing type=consumer phase=Stable assignor=uniform", 1)
	has(t, v, "tidemark_partition_owner_info", "consumergroup=billing topic=orders partition=2 member=b client=billing-b host=/10.0.0.2", 1)
	has(t, v, "tidemark_group_age_seconds", "consumergroup=billing", 1)
}

func TestMembersWithoutPartitionsAreIdleUnlessTheyChangeHands(t *testing.T) {
	o := orders()
	o.Snapshot.Groups[0].Members = append(o.Snapshot.Groups[0].Members, tidemark.Member{ID: "c"})
	has(t, view(o), "tidemark_group_idle_members", "consumergroup=billing", 1)
	o.Snapshot.Groups[0].Phase = "Reconciling"
	absent(t, view(o), "tidemark_group_idle_members", "tidemark_group_ghost_partitions")
}

func TestCommitsOnATopicThatNobodyReadsAreGhosts(t *testing.T) {
	o := orders()
	o.Snapshot.Partitions = append(o.Snapshot.Partitions, tidemark.Partition{Group: "billing", Topic: "retired", Committed: 5, LogEnd: 9})
	has(t, view(o), "tidemark_group_ghost_partitions", "consumergroup=billing", 1)
	o.Snapshot.Groups[0].Members = nil
	absent(t, view(o), "tidemark_group_ghost_partitions")
}

func TestOpenTransactionIsTimedAndHidesWhatLiesBehindIt(t *testing.T) {
	o := orders()
	absent(t, view(o), "tidemark_partition_open_transaction_seconds", "tidemark_group_lag_read_committed_records")
	o.Snapshot.Topics[0].Partitions[1].Held, o.Snapshot.Topics[0].Partitions[1].Stable = noon.Add(-time.Minute), 850
	has(t, view(o), "tidemark_partition_open_transaction_seconds", "topic=orders partition=1", 61)
	has(t, view(o), "tidemark_group_lag_read_committed_records", "consumergroup=billing", 300+50+100)
}

// TestOtherExportersNamesStandBesideOurs has the names of lag.md 2.4 that a dashboard
// for lag uses.
func TestOtherExportersNamesStandBesideOurs(t *testing.T) {
	p := &metrics.Page{Compat: metrics.Compat{Names: metrics.Dialects()}}
	v := view(orders())
	for _, want := range []string{
		`kminion_kafka_consumer_group_topic_partition_lag{cluster="main",group_id="billing",topic_name="orders",partition_id="0"} 300`,
		`kminion_kafka_consumer_group_topic_lag{cluster="main",group_id="billing",topic_name="orders"} 600`,
		`kminion_kafka_consumer_group_info{cluster="main",group_id="billing",protocol="uniform",state="Stable",coordinator_id="2"} 1`,
		`kminion_kafka_consumer_group_topic_assigned_partitions{cluster="main",group_id="billing",topic_name="orders"} 3`,
		`kminion_kafka_topic_high_water_mark_sum{cluster="main",topic_name="orders"} 3000`,
		`kafka_consumergroup_group_lag{cluster_name="main",group="billing",topic="orders",member_host="/10.0.0.1",consumer_id="a",client_id="billing-a",partition="0"} 300`,
		`kafka_consumergroup_group_lag_seconds{cluster_name="main",group="billing",topic="orders",member_host="/10.0.0.1",consumer_id="a",client_id="billing-a",partition="0"} 90`,
		`kafka_consumergroup_group_max_lag{cluster_name="main",group="billing"} 300`,
		`kafka_consumergroup_group_topic_sum_lag{cluster_name="main",group="billing",topic="orders"} 600`,
		`kafka_consumergroup_group_state{cluster_name="main",group="billing"} 3`,
	} {
		same(t, lines(t, p, v, want), want)
	}
	for _, name := range metrics.Dialects() {
		for _, f := range metrics.FamiliesOf(name) {
			if got := lines(t, p, v, "# TYPE "+f.Name+" "); len(got) != 1 {
				t.Errorf("%s has no series under the names of %s", f.Name, name)
			}
		}
	}
	if got := lines(t, new(metrics.Page), v, "kminion_"); len(got) > 0 {
		t.Errorf("unasked: %v", got)
	}
}
