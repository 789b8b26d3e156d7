package artifacts

import (
	"encoding/json"
	"maps"
	"strconv"
)

// prometheus is whatever the variable datasource says.
func prometheus() *Source { return &Source{Type: "prometheus", UID: "${datasource}"} }

// at is a place of a panel, in units of the grid.
func at(x, y, w, h int) Grid { return Grid{x, y, w, h} }

// limits are colours from values on: limits("green", from(500, "yellow")) is green
// below 500 and yellow from there.
func limits(base string, more ...Step) *Thresholds {
	return &Thresholds{Mode: "absolute", Steps: append([]Step{{Color: base}}, more...)}
}

func from(value float64, color string) Step { return Step{color, &value} }

// query asks for values over the range of time shown.
func query(expr, legend string) []Target {
	return []Target{{RefID: "A", Expr: expr, LegendFormat: legend, Range: true}}
}

// now asks for the latest value only.
func now(expr, format string) []Target {
	return []Target{{RefID: "A", Expr: expr, Instant: true, Format: format}}
}

func field(unit, none string, t *Thresholds) Field {
	return Field{Unit: unit, NoValue: none, Thresholds: t, Color: map[string]any{"mode": "thresholds"}}
}

// stat shows the latest value in large. colored is what takes the threshold's
// colour: value or background.
func stat(colored, graph string, targets []Target, f Field) Panel {
	return Panel{
		Type: "stat", Datasource: prometheus(), Targets: targets, FieldConfig: &FieldConfig{Defaults: f, Overrides: []Override{}},
		Options: map[string]any{
			"colorMode": colored, "graphMode": graph, "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		},
	}
}

// line draws values over time; custom is Grafana's drawing of a line.
func line(targets []Target, f Field, custom map[string]any) Panel {
	f.Custom = map[string]any{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false}
	maps.Copy(f.Custom, custom)
	f.Color = map[string]any{"mode": "palette-classic"}
	return Panel{
		Type: "timeseries", Datasource: prometheus(), Targets: targets, FieldConfig: &FieldConfig{Defaults: f, Overrides: []Override{}},
		Options: map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		},
	}
}

// table shows labels and values of this moment.
func table(targets []Target, f Field, columns map[string]any) Panel {
	return Panel{
		Type: "table", Datasource: prometheus(), Targets: targets, FieldConfig: &FieldConfig{Defaults: f, Overrides: []Override{}},
		Options:         map[string]any{"showHeader": true, "cellHeight": "sm"},
		Transformations: []Transformation{{ID: "organize", Options: columns}},
	}
}

// named gives a panel its number, words and place.
func (p Panel) named(id int, title, description string, place Grid) Panel {
	p.ID, p.Title, p.Description, p.GridPos = id, title, description, place
	return p
}

// runbook links to what to do about the panel, where tidemark serves it.
func (p Panel) runbook(alert string) Panel {
	p.Links = append(p.Links, Link{Title: "Runbook: " + alert, URL: "${tidemark}/runbooks/" + alert, TargetBlank: true})
	return p
}

// decimals fixes how many are shown.
func (p Panel) decimals(n int) Panel {
	p.FieldConfig.Defaults.Decimals = &n
	return p
}

// thresholdsDrawn shows the limits as lines.
func thresholdsDrawn() map[string]any { return map[string]any{"mode": "line"} }

func text(s string) json.RawMessage { return json.RawMessage(strconv.Quote(s)) }

// variables are the same on every dashboard, and fed from series that are there
// as soon as a cluster was seen, also when nobody has consumed anything yet.
func variables() Templating {
	values := func(query string) json.RawMessage {
		out, _ := json.Marshal(map[string]any{"query": query, "refId": "A"}) // a map of strings
		return out
	}
	all := map[string]any{"text": "All", "value": "$__all", "selected": true}
	return Templating{List: []Variable{
		{Name: "datasource", Label: "Data source", Type: "datasource", Query: text("prometheus"), Refresh: 1},
		{
			Name: "cluster", Label: "Cluster", Type: "query", Datasource: prometheus(), Query: values("label_values(kafka_brokers, cluster)"),
			Current: all, Refresh: 2, IncludeAll: true, AllValue: ".*", Multi: true, Sort: 1,
		},
		{
			Name: "consumergroup", Label: "Consumer group", Type: "query", Datasource: prometheus(), Query: values("label_values(tidemark_group_complete, consumergroup)"),
			Current: all, Refresh: 2, IncludeAll: true, AllValue: ".*", Multi: true, Sort: 1,
		},
		{
			Name: "tidemark", Label: "Tidemark", Type: "textbox", Query: text("http://localhost:9308"),
			Current: map[string]any{"text": "http://localhost:9308", "value": "http://localhost:9308"}, Hide: 2,
		},
	}}
}

// alerting marks when an alert that matches began to fire.
func alerting(name, matchers string) Annotations {
	return Annotations{List: []Annotation{{
		Name: name, Enable: true, IconColor: "red", Datasource: *prometheus(), Step: "15s",
		Expr: `ALERTS{alertstate="firing", ` + matchers + `}`, TitleFormat: "{{alertname}}", TagKeys: "severity,consumergroup",
	}}}
}
