package compat_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/compat"
	"github.com/aetherlink/tidemark/metrics"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// orders is the cluster of testdata/kafka_exporter.txt after as many seconds: one
// record a second arrives on partition 0, and billing commits two a second there.
// The group payments has the new protocol; kafka_exporter does not list it.
func orders(seconds int64) *tidemark.View {
	log := func(id int32, start, end int64) tidemark.Log {
		return tidemark.Log{ID: id, Leader: 1, PreferredLeader: 1, Replicas: 3, InSync: 3, Start: start, End: end}
	}
	end := 1000 + seconds
	commit := func(group string, id int32, at, start, end int64) tidemark.Partition {
		return tidemark.Partition{Group: group, Topic: "orders", ID: id, Committed: at, LogStart: start, LogEnd: end}
	}
	beyond := commit("reset", 0, 5000, 100, end)
	beyond.Reason = tidemark.Truncated
	return &tidemark.View{At: noon, Observations: []tidemark.Observation{{Cluster: "main", Snapshot: &tidemark.Snapshot{
		Brokers: []tidemark.Broker{{ID: 1, Address: "kafka-1:9092", Up: true}, {ID: 2, Address: "kafka-2:9092", Up: true}},
		Topics:  []tidemark.Topic{{Name: "orders", Partitions: []tidemark.Log{log(0, 100, end), log(1, 0, 1000)}}},
		Groups: []tidemark.Group{
			{Name: "billing", Type: "consumer", Members: make([]tidemark.Member, 2)},
			{Name: "late"},
			{Name: "payments", Type: "consumer", Members: make([]tidemark.Member, 1)},
			{Name: "reset"},
		},
		Partitions: []tidemark.Partition{
			commit("billing", 0, 700+2*seconds, 100, end),
			commit("billing", 1, tidemark.Uncommitted, 0, 1000),
			commit("late", 0, 40, 100, end),
			commit("late", 1, 900, 0, 1000),
			commit("payments", 0, 990, 100, end),
			beyond,
		},
	}}}}
}

func ours(t *testing.T, v *tidemark.View) compat.Page {
	t.Helper()
	var out bytes.Buffer
	if err := new(metrics.Page).Write(&out, v); err != nil {
		t.Fatal(err)
	}
	return read(t, out.String())
}

func read(t *testing.T, text string) compat.Page {
	t.Helper()
	p, err := compat.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func recorded(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/kafka_exporter.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// say writes a report as lines.
func say(r compat.Report) string {
	var b strings.Builder
	value := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprint(*v)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "%s %s %s %s\n", d.Series, value(d.Theirs), value(d.Ours), d.Reason)
	}
	return b.String()
}

// TestEveryDifferenceToARecordedPageHasItsReason compares with a page in the form
// that kafka_exporter documents, read 5 s after our first look and 5 s before our second.
func TestEveryDifferenceToARecordedPageHasItsReason(t *testing.T) {
	r := compat.Compare(compat.Pages{Before: ours(t, orders(0)), Theirs: read(t, recorded(t)), After: ours(t, orders(10))})
	const want = `kafka_consumergroup_current_offset{consumergroup="billing",topic="orders",partition="0"} 710 720 moved
kafka_consumergroup_current_offset{consumergroup="billing",topic="orders",partition="1"} -1 - never_committed
kafka_consumergroup_current_offset{consumergroup="payments",topic="orders",partition="0"} - 990 group_type
kafka_consumergroup_current_offset_sum{consumergroup="billing",topic="orders"} 719 720 sum_of_minus_ones
kafka_consumergroup_current_offset_sum{consumergroup="payments",topic="orders"} - 990 group_type
kafka_consumergroup_lag{consumergroup="billing",topic="orders",partition="0"} 295 290 moved
kafka_consumergroup_lag{consumergroup="billing",topic="orders",partition="1"} -1 - never_committed
kafka_consumergroup_lag{consumergroup="late",topic="orders",partition="0"} 965 910 deleted_unread
kafka_consumergroup_lag{consumergroup="payments",topic="orders",partition="0"} - 20 group_type
kafka_consumergroup_lag{consumergroup="reset",topic="orders",partition="0"} -3995 - beyond_the_end
kafka_consumergroup_lag_sum{consumergroup="billing",topic="orders"} 295 290 moved
kafka_consumergroup_lag_sum{consumergroup="late",topic="orders"} 1065 1010 deleted_unread
kafka_consumergroup_lag_sum{consumergroup="payments",topic="orders"} - 20 group_type
kafka_consumergroup_lag_sum{consumergroup="reset",topic="orders"} -3995 - beyond_the_end
kafka_consumergroup_members{consumergroup="billing"} 0 2 group_type
kafka_consumergroup_members{consumergroup="payments"} - 1 group_type
kafka_topic_partition_current_offset{topic="orders",partition="0"} 1005 1010 moved
kafka_topic_partition_under_replicated_partition{topic="orders",partition="1"} 1 0 
`
	if got := say(r); got != want {
		t.Errorf("differences are\n%s\nwant\n%s", got, want)
	}
	if got, want := r.Unexplained(), 1; got != want {
		t.Errorf("%d are not explained, want %d", got, want)
	}
	if r.Same < 15 {
		t.Errorf("only %d series are the same", r.Same)
	}
}

func TestValueThatMovedTooFarIsNotExplained(t *testing.T) {
	page := strings.Replace(recorded(t), `partition="0",topic="orders"} 1005`, `partition="0",topic="orders"} 1999`, 1)
	r := compat.Compare(compat.Pages{Before: ours(t, orders(0)), Theirs: read(t, page), After: ours(t, orders(10))})
	if got, want := say(r), "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"0\"} 1999 1010 \n"; !strings.Contains(got, want) {
		t.Errorf("%q is missing in\n%s", want, got)
	}
}

func TestClassicGroupThatOneSideDoesNotListIsNotExplained(t *testing.T) {
	v := orders(0)
	v.Observations[0].Snapshot.Groups[2].Type = "classic" // payments
	r := compat.Compare(compat.Pages{Before: ours(t, v), Theirs: read(t, recorded(t)), After: ours(t, v)})
	if got, want := say(r), "kafka_consumergroup_members{consumergroup=\"payments\"} - 1 \n"; !strings.Contains(got, want) {
		t.Errorf("%q is missing in\n%s", want, got)
	}
}

func TestPageIsTheSameAsItself(t *testing.T) {
	p := ours(t, orders(0))
	r := compat.Compare(compat.Pages{Before: p, Theirs: p, After: p})
	if len(r.Differences) > 0 || r.Same == 0 {
		t.Errorf("%d the same, different:\n%s", r.Same, say(r))
	}
}

func TestPartOfOneClusterIsTakenOut(t *testing.T) {
	v := orders(0)
	west := v.Observations[0]
	west.Cluster = "west"
	v.Observations = append(v.Observations, west)
	p := ours(t, v)
	if got, want := fmt.Sprint(p.Clusters()), "[main west]"; got != want {
		t.Errorf("clusters are %s, want %s", got, want)
	}
	main := p.Of("main")
	if r := compat.Compare(compat.Pages{Before: main, Theirs: p.Of("west"), After: main}); len(r.Differences) > 0 {
		t.Errorf("two equal clusters differ:\n%s", say(r))
	}
}

func TestPageThatIsNoneSaysWhatWasRead(t *testing.T) {
	if _, err := compat.Read(strings.NewReader("<html>")); err == nil || !strings.Contains(err.Error(), "read a metrics page") {
		t.Errorf("error = %v", err)
	}
}

// TestDashboardMadeForKafkaExporterFindsItsSeries has the kinds of queries that
// dashboards for kafka_exporter are made of (7589 among them), with their variables
// set as Grafana sets them to All.
func TestDashboardMadeForKafkaExporterFindsItsSeries(t *testing.T) {
	all := slices.Collect(metrics.Samples(orders(0)))
	for _, query := range []string{
		`sum(rate(kafka_topic_partition_current_offset{instance=~".*", topic=~".*"}[1m])) by (topic)`,
		`sum(delta(kafka_topic_partition_current_offset{topic=~".*"}[5m])/5) by (topic)`,
		`sum(kafka_consumergroup_lag{instance=~".*",topic=~".*"}) by (consumergroup, topic)`,
		`sum(delta(kafka_consumergroup_current_offset{topic=~".*"}[5m])/5) by (consumergroup, topic)`,
		`sum by(topic) (kafka_topic_partitions{topic=~".*"})`,
		`sum(kafka_topic_partition_current_offset) by (topic) - sum(kafka_topic_partition_oldest_offset) by (topic)`,
		`kafka_consumergroup_lag{consumergroup="billing", topic="orders", partition="0"}`,
		`max(kafka_consumergroup_lag_sum{consumergroup=~".+"}) by (consumergroup)`,
		`kafka_consumergroup_current_offset_sum{consumergroup="billing"}`,
		`kafka_consumergroup_members{consumergroup=~"bill.*"}`,
		`kafka_brokers`,
		`count(kafka_broker_info{id="1"})`,
		`kafka_topic_partition_leader{topic="orders", partition="0"}`,
		`sum(kafka_topic_partition_replicas) by (topic)`,
		`min(kafka_topic_partition_in_sync_replica) by (topic)`,
		`sum(kafka_topic_partition_under_replicated_partition) > 0`,
		`kafka_topic_partition_leader_is_preferred == 0`,
		`label_replace(kafka_consumergroup_lag, "group", "$1", "consumergroup", "(.*)")`,
	} {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			t.Fatal(err)
		}
		for _, selector := range parser.ExtractSelectors(expr) {
			if !slices.ContainsFunc(all, func(series tidemark.Sample) bool { return matches(selector, series) }) {
				t.Errorf("%s: no series for %v", query, selector)
			}
		}
	}
}

func matches(selector []*labels.Matcher, s tidemark.Sample) bool {
	values := maps.Collect(s.Labels())
	values[model.MetricNameLabel] = s.Name
	return !slices.ContainsFunc(selector, func(m *labels.Matcher) bool { return !m.Matches(values[m.Name]) })
}
