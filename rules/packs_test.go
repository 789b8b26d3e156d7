package rules_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/rules"
)

func TestPacksPassTheirUnitTests(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("TIDEMARK_INTEGRATION") != "" {
		t.Fatalf("the packs' unit tests need promtool: %v", err)
	}
	if err != nil {
		t.Skip("NOT TESTED: the packs' unit tests need promtool (apt-get install prometheus)")
	}
	tests, err := filepath.Glob("builtin/tests/*.yaml")
	if err != nil || len(tests) != 2 {
		t.Fatalf("found tests %v (%v), want two files", tests, err)
	}
	out, err := exec.CommandContext(t.Context(), promtool, append([]string{"test", "rules"}, tests...)...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

// The tables of reference-deployment.md and contracts.md section 6.
func TestPacksHaveTheAlertsOfTheReference(t *testing.T) {
	want := []string{
		"CrmEventsConsumerLagHigh 5m warning",
		"CrmEventsConsumerStuck 5m critical",
		"CrmEventsDrainEtaBreached 5m critical",
		"CrmEventsFrequentRestarts 1m warning",
		"CrmEventsHighErrorRate 3m warning",
		"CrmEventsHotKeySkewHigh 12m warning",
		"CrmEventsNoClients 10m warning",
		"CrmEventsNoMessages 5m warning",
		"CrmEventsPartitionStuck 10m warning",
		"CrmEventsSLOAvailabilityBreach 5m critical",
		"CrmEventsSLOThroughputDegraded 10m warning",
		"CrmEventsServiceDown 2m critical",
		"CrmEventsTooManyClients 5m warning",
		"CrmEventsUnderReplicatedConsumers 7m info",
		"KafkaConsumerCapacityShort 15m warning",
		"KafkaConsumerDrainTooSlow 5m warning",
		"KafkaConsumerFallingBehind 10m warning",
		"KafkaConsumerGroupStopped 10m warning",
		"KafkaConsumerTimeLagHigh 5m warning",
		"KafkaHotPartition 12m warning",
		"KafkaLagDataMissing 5m warning",
		"KafkaPartitionStalled 5m warning",
		"KafkaRetentionOvertakesConsumer 5m critical",
		"TidemarkBlind 1m critical",
		"TidemarkWatchdog 0s info",
	}
	var got []string
	for r := range shipped(t) {
		if r.Alert != "" {
			got = append(got, fmt.Sprintf("%s %s %s", r.Alert, r.For, r.Labels["severity"]))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("alerts are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEveryAlertSaysWhatWhyAndWhere(t *testing.T) {
	for r := range shipped(t) {
		for _, annotation := range []string{"summary", "description", "runbook_url", "dashboard_url"} {
			if r.Alert != "" && r.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", r.Alert, annotation)
			}
		}
		want := "{{ $externalURL }}/runbooks/" + r.Alert
		if strings.Contains(r.Annotations["dashboard_url"], "/groups/") { // about one of many groups
			want += "?cluster={{ $labels.cluster | urlquery }}&group={{ $labels.consumergroup | urlquery }}"
		}
		if got := r.Annotations["runbook_url"]; r.Alert != "" && got != want {
			t.Errorf("runbook_url = %q, want %q", got, want)
		}
	}
}

func TestEveryAlertFiresInAUnitTest(t *testing.T) {
	var tests strings.Builder
	for _, file := range []string{"builtin/tests/crm-events.yaml", "builtin/tests/kafka-lag.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	for r := range shipped(t) {
		as := []string{fmt.Sprintf(`ALERTS{alertname="%s",alertstate="firing"`, r.Alert), "alertname: " + r.Alert + "\n"}
		if r.Alert != "" && !slices.ContainsFunc(as, func(s string) bool { return strings.Contains(tests.String(), s) }) {
			t.Errorf("%s fires in no unit test", r.Alert)
		}
	}
}

// A rule that selects what nobody exposes can never return anything: the seed's
// drain time was such a one.
func TestPacksSelectOnlyWhatIsThere(t *testing.T) {
	labels := map[string][]string{
		"crm_events_messages_total": {"job"}, "crm_events_sse_clients": {"job"}, "up": {"job"},
		"crm_events_http_requests_total": {"job", "path", "method", "code"}, "process_start_time_seconds": {"job"},
	}
	for _, f := range metrics.Families() {
		labels[f.Name] = f.Labels
	}
	for r := range shipped(t) {
		if r.Record != "" {
			labels[r.Record] = []string{"job", "cluster", "consumergroup", "topic", "partition"}
		}
	}
	for r := range shipped(t) {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			s, is := node.(*parser.VectorSelector)
			if !is {
				return nil
			}
			if _, known := labels[s.Name]; !known {
				t.Errorf("%s%s selects %s, which nobody exposes", r.Alert, r.Record, s.Name)
			}
			for _, m := range s.LabelMatchers {
				if m.Name != "__name__" && !slices.Contains(labels[s.Name], m.Name) {
					t.Errorf("%s%s selects %s by %s, which it does not have", r.Alert, r.Record, s.Name, m.Name)
				}
			}
			return nil
		})
	}
}

func TestEveryRecordedLagSeriesHasAValueWhileDraining(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state, b.world.rate = 600, tidemark.Draining, 2.5
	b.looks(time.Minute)
	for r := range shipped(t) {
		if strings.HasPrefix(r.Record, "kafka:") && len(b.query(r.Record)) == 0 {
			t.Errorf("%s has no value", r.Record)
		}
	}
}

func TestPacksAreInOrder(t *testing.T) {
	if problems := rules.CheckFiles([]string{"builtin/crm-events.yaml", "builtin/kafka-lag.yaml"}); len(problems) > 0 {
		t.Error(problems)
	}
}

// shipped yields every rule of the packs.
func shipped(t *testing.T) func(yield func(rulefmt.Rule) bool) {
	t.Helper()
	return func(yield func(rulefmt.Rule) bool) {
		for _, file := range []string{"builtin/crm-events.yaml", "builtin/kafka-lag.yaml"} {
			groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for _, g := range groups.Groups {
				for _, r := range g.Rules {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}
