package artifacts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Finding is one thing that is wrong with a dashboard. Rules have dashboard-linter's
// names where it has the same rule.
type Finding struct {
	Rule  string
	Panel string // its title; empty: about the whole dashboard
	Says  string
}

// String is one line.
func (f Finding) String() string {
	if f.Panel == "" {
		return f.Rule + ": " + f.Says
	}
	return f.Rule + ": panel " + f.Panel + ": " + f.Says
}

// Linter is what the lint needs from others. Without Metrics no query is parsed.
type Linter struct {
	Metrics func(query string) (names []string, err error) // metrics that a query reads; an error if it is no PromQL
	Known   func(metric string) bool                       // nil: every metric
}

// Check says what is wrong with a dashboard in Grafana's classic JSON.
func (l Linter) Check(text []byte) ([]Finding, error) {
	var found []Finding
	if rest, is := bytes.CutPrefix(text, []byte("\xef\xbb\xbf")); is {
		found, text = append(found, Finding{Rule: "no-byte-order-mark", Says: "the file begins with a byte-order mark, which strict importers refuse"}), rest
	}
	var d Dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return found, fmt.Errorf("read the dashboard: %w", err)
	}
	panels := flat(d.Panels)
	found = append(found, wholeDashboard(d)...)
	found = append(found, variablesOf(d, string(text))...)
	found = append(found, grid(panels)...)
	for _, p := range panels {
		found = append(found, onePanel(p)...)
		for _, t := range p.Targets {
			found = append(found, l.target(p.Title, t.Expr)...)
		}
	}
	for _, a := range d.Annotations.List {
		found = append(found, l.target("annotation "+a.Name, a.Expr)...)
	}
	return found, nil
}

// flat takes panels out of folded rows.
func flat(panels []Panel) (all []Panel) {
	for _, p := range panels {
		all = append(append(all, p), flat(p.Panels)...)
	}
	return all
}

func wholeDashboard(d Dashboard) (found []Finding) {
	says := func(rule, says string) { found = append(found, Finding{Rule: rule, Says: says}) }
	if d.UID == "" {
		says("stable-uid", "it has no uid, so links to it break at the next import")
	}
	if d.Editable {
		says("uneditable", "it may be edited in place; what is provisioned is overwritten: set editable to false")
	}
	if d.Refresh == "" {
		says("dashboard-refresh-interval", "it does not refresh by itself")
	}
	if !slices.ContainsFunc(d.Templating.List, func(v Variable) bool { return v.Type == "datasource" }) {
		says("template-datasource", "it has no variable of type datasource, so it works with one data source only")
	}
	return found
}

func variablesOf(d Dashboard, text string) (found []Finding) {
	for _, v := range d.Templating.List {
		if v.Type == "query" && v.Refresh != 2 {
			found = append(found, Finding{Rule: "template-on-time-change-reload", Says: "variable " + v.Name + " keeps the values of the moment it was opened: set refresh to 2"})
		}
		used := regexp.MustCompile(`\$\{?` + regexp.QuoteMeta(v.Name) + `\b|\[\[` + regexp.QuoteMeta(v.Name) + `\]\]`)
		if !used.MatchString(text) {
			found = append(found, Finding{Rule: "template-unused", Says: "nothing uses variable " + v.Name})
		}
	}
	return found
}

// grid says which panels lie on one another or beyond the edge.
func grid(panels []Panel) (found []Finding) {
	ids := map[int]bool{}
	for i, p := range panels {
		if ids[p.ID] {
			found = append(found, Finding{"unique-ids", p.Title, fmt.Sprintf("another panel has the id %d, too", p.ID)})
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			found = append(found, Finding{"grid-width-24", p.Title, "it ends beyond the right edge"})
		}
		for _, q := range panels[:i] {
			if overlap(p.GridPos, q.GridPos) {
				found = append(found, Finding{"grid-overlap", p.Title, "it lies on panel " + q.Title})
			}
		}
	}
	return found
}

func overlap(a, b Grid) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// panelTypes are those that come with Grafana.
func panelTypes() []string {
	return []string{
		"alertlist", "annolist", "barchart", "bargauge", "candlestick", "canvas", "dashlist", "flamegraph", "gauge", "geomap", "heatmap",
		"histogram", "logs", "news", "nodeGraph", "piechart", "row", "stat", "state-timeline", "status-history", "table", "text",
		"timeseries", "traces", "trend", "welcome", "xychart",
	}
}

// quiet panels ask no data source.
func quiet(kind string) bool {
	return slices.Contains([]string{"alertlist", "annolist", "dashlist", "news", "row", "text", "welcome"}, kind)
}

func onePanel(p Panel) (found []Finding) {
	says := func(rule, says string) { found = append(found, Finding{rule, p.Title, says}) }
	if !slices.Contains(panelTypes(), p.Type) {
		says("known-panel-type", fmt.Sprintf("Grafana has no panel type %q%s", p.Type, meant(p.Type)))
		return found
	}
	if p.Type != "row" && (p.Title == "" || p.Description == "") {
		says("panel-title-description", "it needs a title and a description: what, how computed, what to do")
	}
	if quiet(p.Type) {
		return found
	}
	if len(p.Targets) == 0 {
		says("panel-no-targets", "it asks nothing")
	}
	if p.Datasource == nil || !strings.HasPrefix(p.Datasource.UID, "$") {
		says("panel-datasource", "its data source is not the variable's")
	}
	if p.FieldConfig == nil || p.FieldConfig.Defaults.Unit == "" {
		says("panel-units", "its values have no unit")
	}
	if p.FieldConfig == nil || p.FieldConfig.Defaults.NoValue == "" {
		says("no-value-text", "it does not say what it means when there is no value")
	}
	if p.Type != "table" && !slices.ContainsFunc(p.Links, func(l Link) bool { return strings.Contains(l.URL, "runbook") }) {
		says("has-runbook-link", "it does not lead to a runbook")
	}
	return found
}

// meant finds the type whose spelling was missed by case or a dash.
func meant(kind string) string {
	bare := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	for _, known := range panelTypes() {
		if bare(known) == bare(kind) {
			return fmt.Sprintf("; did you mean %q?", known)
		}
	}
	return ""
}

var (
	duration  = regexp.MustCompile(`\$\{?__(rate_interval|interval|range)(_s|_ms)?\}?`)
	variable  = regexp.MustCompile(`\$\{?\w+(:\w+)?\}?|\[\[\w+\]\]`)
	fixedRate = regexp.MustCompile(`\b(rate|irate|increase)\([^()]*\[\d+[smhd]\]`)
)

// target checks one query, with Grafana's variables replaced by something that
// could be their values.
func (l Linter) target(panel, expr string) (found []Finding) {
	if expr == "" || l.Metrics == nil {
		return nil
	}
	if fixed := fixedRate.FindString(expr); fixed != "" {
		found = append(found, Finding{"target-rate-interval", panel, "its window does not follow the range shown; use $__rate_interval in " + fixed})
	}
	names, err := l.Metrics(variable.ReplaceAllString(duration.ReplaceAllString(expr, "5m"), ".*"))
	if err != nil {
		return append(found, Finding{"target-promql", panel, err.Error()})
	}
	for _, name := range names {
		if l.Known != nil && !l.Known(name) {
			found = append(found, Finding{"metric-exists-in-exporter", panel, "nobody exposes " + name})
		}
	}
	return found
}
