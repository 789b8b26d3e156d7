package artifacts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/aetherlink/tidemark/artifacts"
	"github.com/aetherlink/tidemark/metrics"
)

// linter parses with Prometheus' own parser, and knows what is exposed or recorded.
func linter(t *testing.T) artifacts.Linter {
	t.Helper()
	known := []string{"up", "ALERTS"}
	for _, f := range metrics.Families() {
		known = append(known, f.Name)
	}
	for file, names := range map[string]string{
		"../rules/builtin/crm-events.yaml": `- record: (\S+)`,
		"../rules/builtin/kafka-lag.yaml":  `- record: (\S+)`,
		"../relay/metrics.go":              `"(crm_events_\w+)"`,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(names).FindAllStringSubmatch(string(text), -1) {
			known = append(known, found[1])
		}
	}
	return artifacts.Linter{
		Metrics: func(query string) (names []string, err error) {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
			if err != nil {
				return nil, err
			}
			parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
				if s, is := node.(*parser.VectorSelector); is {
					names = append(names, s.Name)
				}
				return nil
			})
			return names, nil
		},
		Known: func(name string) bool { return slices.Contains(known, name) },
	}
}

func TestOurDashboardsLintClean(t *testing.T) {
	for _, d := range artifacts.Dashboards() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(text), "\xef\xbb\xbf") || strings.Contains(string(text), `\u003e`) {
			t.Errorf("%s begins with a byte-order mark, or is escaped for HTML", d.UID)
		}
		found, err := linter(t).Check(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Errorf("%s: %s", d.UID, f)
		}
	}
}

// The table of ux.md section 4.3, with the defects of 4.4 put right: the windows of
// 5, 7 and 10, the raw counter of 3, the objective over five minutes of 4, the type
// of 12, the labels of 18; and panel 15 as contracts.md section 6 has it.
func TestPanelsKeepNumberTitlePlaceUnitAndLimits(t *testing.T) {
	want := `1 stat "SSE Clients Connected" 0,0,6,4 short red 1:green 50:yellow crm_events_sse_clients
2 stat "Service Status" 6,0,6,4 none red 1:green up{job="crm-events"}
3 stat "Messages Total" 12,0,6,4 short blue 100:green sum(increase(crm_events_messages_total[$__range]))
4 stat "Availability SLO" 18,0,6,4 percent red 95:yellow 99:green avg(avg_over_time(up{job="crm-events"}[$__range])) * 100
5 timeseries "Message Throughput (events/sec)" 0,4,12,8 ops sum(rate(crm_events_messages_total[$__rate_interval]))
6 timeseries "SSE Clients Over Time" 12,4,12,8 short crm_events_sse_clients
7 timeseries "HTTP Requests by Endpoint" 0,12,12,8 reqps sum by (method, path) (rate(crm_events_http_requests_total[$__rate_interval]))
8 timeseries "Service Uptime" 12,12,12,8 short red 1:green up{job="crm-events"}
9 table "Service Labels & Metadata" 0,20,12,6 none up{job="crm-events"}
10 gauge "Message Rate vs Baseline" 12,20,12,6 ops red 0.1:yellow 1:green sum(rate(crm_events_messages_total[$__rate_interval]))
11 text "Service Info" 0,26,24,3
12 alertlist "Active Alerts" 0,49,24,6
13 timeseries "Consumer Lag (messages)" 0,29,12,8 none green 500:yellow 1000:red kafka:group_lag_sum
14 stat "Drain ETA" 12,29,6,4 s green 600:yellow 1800:red kafka:group_drain_eta_seconds
15 stat "Scale Hint (replicas)" 18,29,6,4 none green 2:yellow 4:red max by (cluster, consumergroup) (tidemark_group_replicas_needed)
16 stat "Backlog Drain Time (minutes)" 0,37,6,4 m green 10:yellow 30:red kafka:group_drain_eta_seconds{cluster=~"$cluster", consumergroup=~"$consumergroup"} / 60
17 table "Per-Partition Lag" 6,37,18,8 short green 500:yellow 1000:red kafka:group_partition_lag{cluster=~"$cluster", consumergroup=~"$consumergroup"}
18 stat "Consumer Group Size" 0,45,6,4 short red 1:yellow 2:green kafka:group_consumer_count{cluster=~"$cluster", consumergroup=~"$consumergroup"}
19 stat "Hot-Key Skew Ratio" 6,45,6,4 short green 2:yellow 3:orange 4:red kafka:group_skew_ratio{cluster=~"$cluster", consumergroup=~"$consumergroup"}`
	i := slices.IndexFunc(artifacts.Dashboards(), func(d artifacts.Dashboard) bool { return d.UID == "crm-events-pipeline" })
	d := artifacts.Dashboards()[i]
	if d.Title != "CRM Events - Kafka SSE Pipeline" || d.SchemaVersion != 36 || d.Refresh != "10s" || d.Time != (artifacts.Span{From: "now-1h", To: "now"}) {
		t.Errorf("the head is %q, schema %d, refresh %s, time %v", d.Title, d.SchemaVersion, d.Refresh, d.Time)
	}
	slices.SortFunc(d.Panels, func(a, b artifacts.Panel) int { return a.ID - b.ID })
	var got []string
	for _, p := range d.Panels {
		got = append(got, line(p))
	}
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("panels are\n%s\nwant\n%s", got, want)
	}
}

func line(p artifacts.Panel) string {
	words := []string{fmt.Sprintf("%d %s %q %d,%d,%d,%d", p.ID, p.Type, p.Title, p.GridPos.X, p.GridPos.Y, p.GridPos.W, p.GridPos.H)}
	if p.FieldConfig != nil {
		f := p.FieldConfig.Defaults
		words = append(words, f.Unit)
		if f.Thresholds != nil {
			for _, s := range f.Thresholds.Steps {
				if s.Value == nil {
					words = append(words, s.Color)
					continue
				}
				words = append(words, fmt.Sprintf("%v:%s", *s.Value, s.Color))
			}
		}
	}
	for _, t := range p.Targets {
		words = append(words, t.Expr)
	}
	return strings.Join(words, " ")
}

func TestVariablesAreFedFromSeriesThatAreAlwaysThere(t *testing.T) {
	for _, d := range artifacts.Dashboards() {
		for _, v := range d.Templating.List {
			if v.Type != "query" {
				continue
			}
			// Both are there for every cluster and group that is known, seen or not.
			if !strings.Contains(string(v.Query), "(kafka_brokers, ") && !strings.Contains(string(v.Query), "(tidemark_group_complete, ") {
				t.Errorf("%s: variable %s may be empty: %s", d.UID, v.Name, v.Query)
			}
		}
	}
}

// The original dashboard as a user saw it.
func TestLintNamesWhatWasWrongInTheOriginal(t *testing.T) {
	original := map[string]any{
		"title": "CRM Events", "editable": true,
		"templating": map[string]any{"list": []any{map[string]any{"name": "job", "type": "query", "query": "label_values(up, job)"}}},
		"panels": []any{
			map[string]any{"id": 5, "type": "timeseries", "title": "Throughput", "datasource": map[string]any{"uid": "Prometheus"}, "gridPos": map[string]any{"w": 12, "h": 8}, "targets": []any{map[string]any{"expr": "rate(crm_events_messages_total[5m])"}}},
			map[string]any{"id": 5, "type": "alert-list", "title": "Alerts", "gridPos": map[string]any{"x": 6, "w": 24, "h": 6}},
			map[string]any{"id": 6, "type": "stat", "title": "Lag", "description": "x", "gridPos": map[string]any{"y": 20, "w": 6, "h": 4}, "targets": []any{map[string]any{"expr": "sum(kafka_consumergroup_lagg) by ("}, map[string]any{"expr": "kafka_consumergroup_lagg"}}},
			map[string]any{"id": 7, "type": "stat", "title": "Nothing", "gridPos": map[string]any{"y": 30, "w": 6, "h": 4}},
		},
	}
	text, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	found, err := linter(t).Check(append([]byte("\xef\xbb\xbf"), text...))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.Rule)
	}
	slices.Sort(got)
	got = slices.Compact(got)
	want := []string{
		"dashboard-refresh-interval", "grid-overlap", "grid-width-24", "has-runbook-link", "known-panel-type", "metric-exists-in-exporter",
		"no-byte-order-mark", "no-value-text", "panel-datasource", "panel-no-targets", "panel-title-description", "panel-units", "stable-uid",
		"target-promql", "target-rate-interval", "template-datasource", "template-on-time-change-reload", "template-unused", "uneditable", "unique-ids",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rules are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if i := slices.IndexFunc(found, func(f artifacts.Finding) bool { return f.Rule == "known-panel-type" }); !strings.Contains(found[i].Says, `did you mean "alertlist"?`) {
		t.Errorf("%s does not say what was meant", found[i])
	}
}

func TestLimitsOfPanelsAreThoseOfTheAlerts(t *testing.T) {
	rules, err := os.ReadFile("../rules/builtin/crm-events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := artifacts.Dashboards()[0]
	for id, limit := range map[int]struct {
		rule  string
		value float64
	}{
		1:  {"crm_events:sse_clients:current > 50", 50},
		4:  {"crm_events:slo:availability:5m < 99", 99},
		10: {"crm_events:slo:throughput:5m < 0.1", 0.1},
		13: {"kafka:group_lag_sum * 0 + 500", 500},
		14: {"kafka:group_drain_eta_seconds * 0 + 1800", 1800},
		18: {"kafka:group_consumer_count * 0 + 2", 2},
		19: {"kafka:group_skew_ratio * 0 + 4", 4},
	} {
		i := slices.IndexFunc(d.Panels, func(p artifacts.Panel) bool { return p.ID == id })
		steps := d.Panels[i].FieldConfig.Defaults.Thresholds.Steps
		has := slices.ContainsFunc(steps, func(s artifacts.Step) bool { return s.Value != nil && *s.Value == limit.value })
		if !has || !strings.Contains(string(rules), limit.rule) {
			t.Errorf("panel %d has no limit at %v, or no rule has %q", id, limit.value, limit.rule)
		}
	}
}
