package artifacts

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Dashboard is Grafana's classic JSON model, as far as we use it.
type Dashboard struct {
	UID           string      `json:"uid"`
	Title         string      `json:"title"`
	Description   string      `json:"description"`
	Tags          []string    `json:"tags"`
	Timezone      string      `json:"timezone"`
	Refresh       string      `json:"refresh"`
	Time          Span        `json:"time"`
	SchemaVersion int         `json:"schemaVersion"`
	Editable      bool        `json:"editable"`
	GraphTooltip  int         `json:"graphTooltip"` // 1: one crosshair for all panels
	Annotations   Annotations `json:"annotations"`
	Templating    Templating  `json:"templating"`
	Links         []Link      `json:"links"`
	Panels        []Panel     `json:"panels"`
}

// Span is a range of time in Grafana's words.
type Span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Annotations are marks on every time axis.
type Annotations struct {
	List []Annotation `json:"list"`
}

// Annotation is drawn where its query has a value.
type Annotation struct {
	Name        string `json:"name"`
	Enable      bool   `json:"enable"`
	IconColor   string `json:"iconColor"`
	Datasource  Source `json:"datasource"`
	Expr        string `json:"expr"`
	Step        string `json:"step"`
	TitleFormat string `json:"titleFormat"`
	TagKeys     string `json:"tagKeys"`
}

// Templating holds the variables.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is a choice at the top of a dashboard.
type Variable struct {
	Name       string          `json:"name"`
	Label      string          `json:"label,omitempty"`
	Type       string          `json:"type"` // datasource, query, textbox
	Datasource *Source         `json:"datasource,omitempty"`
	Query      json.RawMessage `json:"query"` // a string, or an object that holds one
	Current    map[string]any  `json:"current,omitempty"`
	Refresh    int             `json:"refresh,omitempty"` // 2: on every change of the time range
	IncludeAll bool            `json:"includeAll,omitempty"`
	AllValue   string          `json:"allValue,omitempty"`
	Multi      bool            `json:"multi,omitempty"`
	Sort       int             `json:"sort,omitempty"`
	Hide       int             `json:"hide"`
}

// Link leads away from a dashboard or a panel.
type Link struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	Type        string `json:"type,omitempty"`
	Icon        string `json:"icon,omitempty"`
	TargetBlank bool   `json:"targetBlank"`
}

// Source names a data source.
type Source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Panel is one tile.
type Panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description"`
	Datasource      *Source          `json:"datasource,omitempty"`
	GridPos         Grid             `json:"gridPos"`
	Targets         []Target         `json:"targets,omitempty"`
	FieldConfig     *FieldConfig     `json:"fieldConfig,omitempty"`
	Options         map[string]any   `json:"options,omitempty"`
	Transformations []Transformation `json:"transformations,omitempty"`
	Links           []Link           `json:"links,omitempty"`
	Panels          []Panel          `json:"panels,omitempty"` // of a row that is folded
}

// Grid is a place on a grid 24 wide.
type Grid struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// Target is one query.
type Target struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat,omitempty"`
	Instant      bool   `json:"instant,omitempty"`
	Range        bool   `json:"range,omitempty"`
	Format       string `json:"format,omitempty"`
}

// FieldConfig says how values look.
type FieldConfig struct {
	Defaults  Field      `json:"defaults"`
	Overrides []Override `json:"overrides"`
}

// Field is the look of values: unit, limits, colours.
type Field struct {
	Unit       string         `json:"unit,omitempty"`
	Decimals   *int           `json:"decimals,omitempty"`
	Min        *float64       `json:"min,omitempty"`
	Max        *float64       `json:"max,omitempty"`
	NoValue    string         `json:"noValue,omitempty"`
	Color      map[string]any `json:"color,omitempty"`
	Thresholds *Thresholds    `json:"thresholds,omitempty"`
	Mappings   []any          `json:"mappings,omitempty"`
	Custom     map[string]any `json:"custom,omitempty"`
}

// Thresholds are colours from values on.
type Thresholds struct {
	Mode  string `json:"mode"`
	Steps []Step `json:"steps"`
}

// Step is a colour and the value it begins at; nil: from below everything.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Override changes fields that match.
type Override struct {
	Matcher    Matcher    `json:"matcher"`
	Properties []Property `json:"properties"`
}

// Matcher picks fields.
type Matcher struct {
	ID      string `json:"id"`
	Options string `json:"options"`
}

// Property is one changed setting of a field.
type Property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

// Transformation reshapes what queries returned.
type Transformation struct {
	ID      string         `json:"id"`
	Options map[string]any `json:"options"`
}

// JSON is the dashboard as Grafana imports it: without a byte-order mark, which
// strict importers refuse, and with < and > as they are.
func (d Dashboard) JSON() ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("write dashboard %s: %w", d.UID, err)
	}
	return text.Bytes(), nil
}
