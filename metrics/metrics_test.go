package metrics_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// orders is a cluster whose numbers are all known: 600 records behind of 3,000.
func orders() tidemark.Observation {
	log := func(id int32) tidemark.Log {
		return tidemark.Log{ID: id, Leader: 1, PreferredLeader: 1, Replicas: 3, InSync: 3, End: 1000, At: noon}
	}
	commit := func(id int32, offset int64) tidemark.Partition {
		return tidemark.Partition{Group: "billing", Topic: "orders", ID: id, Committed: offset, LogEnd: 1000}
	}
	timeLag := tidemark.TimeLag{Value: 90 * time.Second, Error: 7500 * time.Millisecond, Known: true}
	estimate := func(id int32, lag tidemark.TimeLag) tidemark.PartitionEstimate {
		return tidemark.PartitionEstimate{Topic: "orders", ID: id, State: tidemark.Draining, TimeLag: lag}
	}
	return tidemark.Observation{
		Cluster: "main",
		Snapshot: &tidemark.Snapshot{
			Cluster: "main", Began: noon.Add(-250 * time.Millisecond), Ended: noon,
			Brokers: []tidemark.Broker{{ID: 1, Address: "kafka-1:9092", Up: true}, {ID: 2, Address: "kafka-2:9092", Up: true}},
			Topics:  []tidemark.Topic{{Name: "orders", Retention: 7 * 24 * time.Hour, Compacted: true, Partitions: []tidemark.Log{log(0), log(1), log(2)}}},
			Groups: []tidemark.Group{{Name: "billing", Type: "consumer", Phase: "Stable", Assignor: "uniform", Coordinator: 2, At: noon, Moved: noon.Add(-4 * time.Second), Lost: 17, Members: []tidemark.Member{
				{ID: "a", Client: "billing-a", Host: "/10.0.0.1", Assigned: []tidemark.Assignment{{Topic: "orders", Partitions: []int32{0, 1}}}},
				{ID: "b", Client: "billing-b", Host: "/10.0.0.2", Assigned: []tidemark.Assignment{{Topic: "orders", Partitions: []int32{2}}}},
			}}},
			Partitions: []tidemark.Partition{commit(0, 700), commit(1, 800), commit(2, 900)},
			Requests:   []tidemark.RequestCount{{API: "ListOffsets", N: 40}, {API: "OffsetFetch", N: 20}},
		},
		Estimates: []tidemark.Estimate{{
			Cluster: "main", Group: "billing", State: tidemark.Draining, TimeLag: timeLag, Skew: 1.5,
			Arrivals:        tidemark.Rate{PerSecond: 2.25, Known: true},
			Consumption:     tidemark.Rate{PerSecond: 5, Known: true},
			ReplicaCapacity: tidemark.Rate{PerSecond: 2.7, Known: true},
			Loss:            tidemark.Ahead{In: 26 * time.Hour, Known: true},
			Reserve:         tidemark.Reserve{Headroom: 0.4, Known: true},
			Track:           tidemark.Track{Drains: 4, ErrorRatio: 0.05, Coverage: 0.75},
			Drain:           tidemark.Drain{P10: 3 * time.Minute, P50: 4 * time.Minute, P90: 6 * time.Minute, Known: true},
			Replicas:        tidemark.Replicas{Have: 2, Needed: 3, Useful: 3, PartitionsNeeded: 3, Known: true},
			Partitions: []tidemark.PartitionEstimate{
				estimate(0, timeLag), estimate(1, tidemark.TimeLag{Value: time.Minute, Known: true}), estimate(2, tidemark.TimeLag{Known: true}),
			},
		}},
	}
}

func view(observations ...tidemark.Observation) *tidemark.View {
	return &tidemark.View{At: noon.Add(time.Second), Observations: observations}
}

// values returns the samples of one family by their labels, as {a="b"} without the name.
func values(t *testing.T, v *tidemark.View, name string) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for s := range metrics.Samples(v) {
		if s.Name != name {
			continue
		}
		var labels []string
		for label, value := range s.Labels() {
			if label != "cluster" {
				labels = append(labels, label+"="+value)
			}
		}
		found[strings.Join(labels, " ")] = s.Value
	}
	return found
}

func absent(t *testing.T, v *tidemark.View, names ...string) {
	t.Helper()
	for _, name := range names {
		if got := values(t, v, name); len(got) > 0 {
			t.Errorf("%s = %v, want it absent", name, got)
		}
	}
}

func has(t *testing.T, v *tidemark.View, name, labels string, want float64) {
	t.Helper()
	if got, is := values(t, v, name)[labels]; !is || got != want {
		t.Errorf("%s{%s} = %v (there: %v), want %v", name, labels, got, is, want)
	}
}

func TestLagOfAHealthyGroupIsToldInBothNames(t *testing.T) {
	v := view(orders())
	has(t, v, "kafka_consumergroup_lag", "consumergroup=billing topic=orders partition=0", 300)
	has(t, v, "kafka_consumergroup_lag_sum", "consumergroup=billing topic=orders", 600)
	has(t, v, "kafka_consumergroup_current_offset_sum", "consumergroup=billing topic=orders", 2400)
	has(t, v, "kafka_consumergroup_members", "consumergroup=billing", 2)
	has(t, v, "tidemark_group_lag_records", "consumergroup=billing", 600)
	has(t, v, "tidemark_group_complete", "consumergroup=billing", 1)
	has(t, v, "tidemark_group_topic_lag_seconds", "consumergroup=billing topic=orders", 90)
	has(t, v, "tidemark_group_lost_records_total", "consumergroup=billing", 17)
	has(t, v, "tidemark_kafka_requests_total", "api=OffsetFetch", 20)
}

func TestOnePartitionNotSeenTakesTheSumsAway(t *testing.T) {
	o := orders()
	o.Snapshot.Partitions[1].Reason = tidemark.Unreachable
	v := view(o)
	absent(t, v, "kafka_consumergroup_lag_sum", "kafka_consumergroup_current_offset_sum", "tidemark_group_lag_records",
		"tidemark_group_topic_lag_records", "tidemark_group_topic_lag_seconds", "tidemark_group_uncommitted_partitions")
	has(t, v, "tidemark_group_lag_known_records", "consumergroup=billing", 400)
	has(t, v, "tidemark_group_complete", "consumergroup=billing", 0)
	if got, want := len(values(t, v, "kafka_consumergroup_lag")), 2; got != want {
		t.Errorf("%d partitions have a lag, want %d", got, want)
	}
}

func TestPartitionNeverCommittedIsCountedAndIsNoLag(t *testing.T) {
	o := orders()
	o.Snapshot.Partitions[2].Committed = tidemark.Uncommitted
	v := view(o)
	has(t, v, "kafka_consumergroup_lag_sum", "consumergroup=billing topic=orders", 500)
	has(t, v, "kafka_consumergroup_current_offset_sum", "consumergroup=billing topic=orders", 1500)
	has(t, v, "tidemark_group_uncommitted_partitions", "consumergroup=billing", 1)
	has(t, v, "tidemark_group_uncommitted_records", "consumergroup=billing", 1000)
	for s := range metrics.Samples(v) {
		if s.Value < 0 {
			t.Errorf("%v = %v: no series is ever -1", s.Series, s.Value)
		}
	}
}

func TestCommitBeyondTheEndIsNoLag(t *testing.T) {
	o := orders()
	o.Snapshot.Partitions[0].Committed = 5000
	o.Snapshot.Partitions[0].Reason = tidemark.Truncated
	v := view(o)
	absent(t, v, "kafka_consumergroup_lag_sum", "tidemark_group_lag_records")
	has(t, v, "kafka_consumergroup_current_offset", "consumergroup=billing topic=orders partition=0", 5000)
}

func TestGroupWhoseCoordinatorIsSilentHasNoNumbers(t *testing.T) {
	o := orders()
	o.Snapshot.Groups[0].Reason = tidemark.Unreachable
	v := view(o)
	absent(t, v, "kafka_consumergroup_lag", "kafka_consumergroup_current_offset", "kafka_consumergroup_lag_sum",
		"kafka_consumergroup_current_offset_sum", "kafka_consumergroup_members", "tidemark_group_lag_records", "tidemark_group_lag_known_records")
	has(t, v, "tidemark_group_complete", "consumergroup=billing", 0)
}

func TestFailedLookLeavesOnlyWhatSaysWhy(t *testing.T) {
	o := orders()
	o.Failed = errors.New("dial kafka-1:9092: refused")
	v := view(o)
	v.Pipelines = []tidemark.Pipeline{{Name: "billing", Group: "billing", Thresholds: tidemark.Thresholds{LagRecords: 500}}}
	v.Decisions = []tidemark.Decision{{Target: "billing", Cluster: "main", Group: "billing", Present: 2, Desired: 2}}
	stays := []string{
		"tidemark_desired_replicas",
		"tidemark_group_complete", "tidemark_group_state", "tidemark_pipeline_threshold",
		"tidemark_look_age_seconds", "tidemark_group_age_seconds", "tidemark_gaps", "tidemark_broker_up",
	}
	for s := range metrics.Samples(v) {
		if !slices.Contains(stays, s.Name) {
			t.Errorf("%v is there after a failed look", s.Series)
		}
	}
	has(t, v, "tidemark_desired_replicas", "consumergroup=billing target=billing", 2)
	has(t, v, "tidemark_look_age_seconds", "", 1)
	has(t, v, "tidemark_gaps", "reason=unreachable", 1)
	has(t, v, "tidemark_broker_up", "broker=1", 0)
	has(t, v, "tidemark_group_complete", "consumergroup=billing", 0)
	has(t, v, "tidemark_group_state", "consumergroup=billing state=unknown", 1)
	has(t, v, "tidemark_group_state", "consumergroup=billing state=draining", 0)
}

func TestClusterNeverSeenHasOneGapAndNoAge(t *testing.T) {
	v := view(tidemark.Observation{Cluster: "main", Failed: errors.New("refused")})
	has(t, v, "tidemark_gaps", "reason=unreachable", 1)
	absent(t, v, "tidemark_look_age_seconds", "kafka_brokers")
}

func TestBrokerThatLeftIsDownAndNoMember(t *testing.T) {
	o := orders()
	o.Snapshot.Brokers = append(o.Snapshot.Brokers, tidemark.Broker{ID: 3, Address: "kafka-3:9092", Left: noon})
	v := view(o)
	has(t, v, "kafka_brokers", "", 2)
	has(t, v, "tidemark_broker_up", "broker=3", 0)
	if got, want := len(values(t, v, "kafka_broker_info")), 2; got != want {
		t.Errorf("%d brokers have an info, want %d", got, want)
	}
}

func TestDrainIsAbsentUnlessItEnds(t *testing.T) {
	o := orders()
	has(t, view(o), "tidemark_group_drain_seconds", "consumergroup=billing quantile=0.9", 360)
	o.Estimates[0].Drain.Known = false
	absent(t, view(o), "tidemark_group_drain_seconds")
}

func TestReplicasAreCountedBeforeTheModelKnowsHowManyItTakes(t *testing.T) {
	o := orders()
	o.Estimates[0].Replicas.Known = false
	has(t, view(o), "tidemark_group_replicas", "consumergroup=billing", 2)
	has(t, view(o), "tidemark_group_replicas_useful", "consumergroup=billing", 3)
	absent(t, view(o), "tidemark_group_replicas_needed", "tidemark_group_partitions_needed")
	o.Snapshot.Groups[0].Reason = tidemark.Denied
	absent(t, view(o), "tidemark_group_replicas", "tidemark_group_replicas_useful")
}

func TestWhatIsNotInSightHasNoTime(t *testing.T) {
	o := orders()
	has(t, view(o), "tidemark_group_loss_seconds", "consumergroup=billing", 93_600)
	has(t, view(o), "tidemark_group_last_commit_age_seconds", "consumergroup=billing", 5)
	o.Estimates[0].Loss.Never = true
	o.Estimates[0].Track.Drains = 0
	o.Snapshot.Groups[0].Moved = time.Time{}
	absent(t, view(o), "tidemark_group_loss_seconds", "tidemark_eta_error_ratio", "tidemark_eta_coverage_ratio", "tidemark_group_last_commit_age_seconds")
}

func TestMembersNotSeenAreNotZero(t *testing.T) {
	o := orders()
	o.Snapshot.Groups[0].Unmet = tidemark.Unreachable
	absent(t, view(o), "kafka_consumergroup_members", "tidemark_group_idle_members", "tidemark_group_ghost_partitions", "tidemark_group_replicas", "tidemark_partition_owner_info")
	has(t, view(o), "kafka_consumergroup_lag_sum", "consumergroup=billing topic=orders", 600)
}

func TestOnlyPartitionsInTroubleHaveAState(t *testing.T) {
	o := orders()
	o.Estimates[0].Partitions[1].State = tidemark.Stalled
	o.Estimates[0].Partitions[1].Reason = tidemark.Stuck
	o.Estimates[0].Partitions[2].State = tidemark.Unknown // too few looks: the group says so
	v := view(o)
	has(t, v, "tidemark_partition_state", "consumergroup=billing topic=orders partition=1 state=stalled reason=stuck", 1)
	if got, want := len(values(t, v, "tidemark_partition_state")), 1; got != want {
		t.Errorf("%d partitions have a state, want %d", got, want)
	}
}

func TestPartitionTimeLagIsForPipelinesAndWhoIsBehind(t *testing.T) {
	o := orders()
	has(t, view(o), "tidemark_partition_lag_seconds", "consumergroup=billing topic=orders partition=0", 90)
	o.Estimates[0].State = tidemark.CaughtUp
	absent(t, view(o), "tidemark_partition_lag_seconds")
	v := view(o)
	v.Pipelines = []tidemark.Pipeline{{Name: "money", Cluster: "main", GroupPattern: "bill.*"}}
	has(t, v, "tidemark_partition_lag_seconds", "consumergroup=billing topic=orders partition=0", 90)
}

func TestThresholdsOfAPatternFollowTheGroupsSeen(t *testing.T) {
	v := view(orders())
	v.Pipelines = []tidemark.Pipeline{
		{Name: "money", Cluster: "main", GroupPattern: "bill.*", Thresholds: tidemark.Thresholds{LagRecords: 500, Drain: 30 * time.Minute}},
		{Name: "mail", Cluster: "main", Group: "mailer", Thresholds: tidemark.Thresholds{MembersMin: 2}},
		{Name: "elsewhere", Cluster: "west", GroupPattern: ".*", Thresholds: tidemark.Thresholds{Skew: 4}},
		{Name: "part of the name", Cluster: "main", GroupPattern: "bill", Thresholds: tidemark.Thresholds{Skew: 4}},
	}
	has(t, v, "tidemark_pipeline_threshold", "consumergroup=billing pipeline=money threshold=lag_records", 500)
	has(t, v, "tidemark_pipeline_threshold", "consumergroup=billing pipeline=money threshold=drain", 1800)
	has(t, v, "tidemark_pipeline_threshold", "consumergroup=mailer pipeline=mail threshold=members_min", 2)
	if got, want := len(values(t, v, "tidemark_pipeline_threshold")), 3; got != want {
		t.Errorf("%d thresholds, want %d", got, want)
	}
}

func TestSamplesKeepToTheTable(t *testing.T) {
	families := metrics.Families()
	at, seen := 0, map[tidemark.Series]bool{}
	for s := range metrics.Samples(everything()) {
		for at < len(families) && families[at].Name != s.Name {
			at++
		}
		if at == len(families) {
			t.Fatalf("%s comes after a family that stands below it", s.Name)
		}
		if seen[s.Series] {
			t.Errorf("%v comes twice", s.Series)
		}
		seen[s.Series] = true
		for label := range s.Labels() {
			if !slices.Contains(families[at].Labels, label) {
				t.Errorf("%s has label %s, which its family does not name", s.Name, label)
			}
		}
	}
}

// everything is a view in which every family has a series.
func everything() *tidemark.View {
	main, west := orders(), orders()
	s := main.Snapshot
	s.Topics[0].Partitions[0].Held, s.Topics[0].Partitions[0].Stable = noon.Add(-time.Minute), 900
	s.Gaps = []tidemark.Gap{{What: "groups of broker 2", Reason: tidemark.Denied}}
	s.Groups = append(s.Groups, tidemark.Group{Name: `say "hi" \ to` + "\nall"})
	s.Partitions = append(s.Partitions, tidemark.Partition{Group: `say "hi" \ to` + "\nall", Topic: "orders", Committed: 999, LogEnd: 1000})
	main.Estimates = append(main.Estimates, tidemark.Estimate{
		Group: `say "hi" \ to` + "\nall", State: tidemark.Stopped,
		Partitions: []tidemark.PartitionEstimate{{Topic: "orders", State: tidemark.Stopped, Reason: tidemark.Stuck}},
	})
	west.Cluster, west.Failed = "west", errors.New("refused")
	v := view(main, west)
	v.Pipelines = []tidemark.Pipeline{{Name: "money", Cluster: "main", Group: "billing", Thresholds: tidemark.Thresholds{Skew: 4}}}
	v.Decisions = []tidemark.Decision{{Target: "billing", Cluster: "main", Group: "billing", Present: 2, Wanted: 3, Desired: 3}}
	return v
}

func page(t *testing.T, v *tidemark.View) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := new(metrics.Page).Write(&out, v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// hidden is there only where something is hidden.
const hidden = "tidemark_page_hidden_partitions"

func TestPageIsTheOneInTheGoldenFile(t *testing.T) {
	const file = "testdata/page.txt"
	got := page(t, everything())
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the page differs from %s; -update writes it:\n%s", file, got)
	}
	for _, f := range metrics.Families() {
		if f.Name != hidden && !bytes.Contains(got, []byte("# TYPE "+f.Name+" ")) {
			t.Errorf("no series of %s on the page", f.Name)
		}
	}
}

func TestPromtoolFindsOnlyTheTwoNamesThatOthersChose(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("TIDEMARK_INTEGRATION") == "" {
		t.Skip("NOT CHECKED: promtool is not here; apt-get install prometheus brings it, and TIDEMARK_INTEGRATION=1 insists on it")
	} else if err != nil {
		t.Fatal("promtool is not here; apt-get install prometheus brings it")
	}
	command := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	command.Stdin = bytes.NewReader(page(t, everything()))
	out, _ := command.CombinedOutput() // it exits with 3 for the findings below
	want := `kafka_consumergroup_current_offset_sum non-histogram and non-summary metrics should not have "_sum" suffix
kafka_consumergroup_lag_sum non-histogram and non-summary metrics should not have "_sum" suffix
`
	if got := string(out); got != want {
		t.Errorf("promtool says\n%s\nwant\n%s", got, want)
	}
}

func TestScrapesAtTheSameTimeGetTheSamePage(t *testing.T) {
	var p metrics.Page
	v, want := everything(), page(t, everything())
	pages := make(chan []byte)
	for range 8 {
		go func() {
			var out bytes.Buffer
			_ = p.Write(&out, v) // a bytes.Buffer takes everything
			pages <- out.Bytes()
		}()
	}
	for range 8 {
		if got := <-pages; !bytes.Equal(got, want) {
			t.Errorf("a scrape got another page:\n%s", got)
		}
	}
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorEndsThePage(t *testing.T) {
	if got := new(metrics.Page).Write(full{}, everything()); !errors.Is(got, errFull) {
		t.Errorf("error = %v, want %v", got, errFull)
	}
}

func TestReferenceNamesEveryFamily(t *testing.T) {
	var out strings.Builder
	if err := metrics.WriteDoc(&out); err != nil {
		t.Fatal(err)
	}
	for _, f := range metrics.Families() {
		if !strings.Contains(out.String(), "| `"+f.Name+"` | ") {
			t.Errorf("docs/metrics.md does not name %s", f.Name)
		}
	}
}
