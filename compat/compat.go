// Package compat compares another exporter's metrics page with ours, series by
// series, and says why two values differ where that is known.
//
// It hides the text format, which labels to match by, and how values that move
// between two looks are told from values that are wrong. It opens no connection: it
// is handed pages. It never calls a difference explained because it is small: each
// reason has a condition that the numbers must meet.
//
// May change until version 1.
package compat

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/aetherlink/tidemark/metrics"
)

// Page is a metrics page, read.
type Page struct {
	series []series
}

// series is one line of a page.
type series struct {
	name   string
	labels map[string]string
	value  float64
}

// Read reads a page in Prometheus' text format.
func Read(r io.Reader) (Page, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return Page{}, fmt.Errorf("read a metrics page: %w", err)
	}
	var p Page
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for _, m := range families[name].GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			// One of them is there, the others are 0. Quantiles and buckets are nobody's lag.
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
			p.series = append(p.series, series{name, labels, value})
		}
	}
	return p, nil
}

// Clusters returns the values of the label cluster that a page has.
func (p Page) Clusters() []string {
	found := map[string]bool{}
	for _, s := range p.series {
		if name := s.labels["cluster"]; name != "" {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Of returns the part of a page that is about one cluster.
func (p Page) Of(cluster string) Page {
	var part Page
	for _, s := range p.series {
		if s.labels["cluster"] == cluster {
			part.series = append(part.series, s)
		}
	}
	return part
}

// Value returns what the first series of a name says.
func (p Page) Value(name string) (value float64, there bool) {
	i := slices.IndexFunc(p.series, func(s series) bool { return s.name == name })
	if i < 0 {
		return 0, false
	}
	return p.series[i].value, true
}

// Pages are what is compared. Ours is read before and after theirs: what lies
// between the two moved while one looked.
type Pages struct{ Before, Theirs, After Page }

// Report is what a comparison found.
type Report struct {
	Same        int          `json:"same"` // series with the same value
	Differences []Difference `json:"differences"`
}

// Difference is one series that is not the same on both pages.
type Difference struct {
	Series string   `json:"series"`
	Theirs *float64 `json:"theirs"` // nil: they have no such series
	Ours   *float64 `json:"ours"`   // nil: we have none
	Reason string   `json:"reason"` // of [Reasons]; empty: not explained
}

// Unexplained counts the differences without a reason.
func (r Report) Unexplained() int {
	n := 0
	for _, d := range r.Differences {
		if d.Reason == "" {
			n++
		}
	}
	return n
}

// Compare compares the families that have kafka_exporter's names, by the labels that
// those have there: labels that either side adds to all its series do not matter.
func Compare(p Pages) Report {
	sight := sight{before: indexOf(p.Before), theirs: indexOf(p.Theirs), after: indexOf(p.After)}
	var r Report
	keys := maps.Clone(sight.theirs.values)
	maps.Copy(keys, sight.after.values)
	for _, k := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		d := difference{sight: &sight, key: k}
		d.theirs, d.has = sight.theirs.values[k]
		d.ours, d.have = sight.after.values[k]
		if d.has && d.have && d.theirs == d.ours {
			r.Same++
			continue
		}
		r.Differences = append(r.Differences, d.told())
	}
	return r
}

// key is a series by what both sides call it.
type key struct{ name, group, topic, partition, other string }

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.group, b.group), cmp.Compare(a.topic, b.topic),
		cmp.Compare(len(a.partition), len(b.partition)), cmp.Compare(a.partition, b.partition), cmp.Compare(a.other, b.other))
}

// String writes the key as on a page, without the labels that only one side has.
func (k key) String() string {
	var labels []string
	for _, l := range [...][2]string{{"consumergroup", k.group}, {"topic", k.topic}, {"partition", k.partition}} {
		if l[1] != "" {
			labels = append(labels, fmt.Sprintf("%s=%q", l[0], l[1]))
		}
	}
	if k.other != "" {
		labels = append(labels, k.other)
	}
	return k.name + "{" + strings.Join(labels, ",") + "}"
}

// index is a page by its series, as far as they have kafka_exporter's names.
type index struct {
	values     map[key]float64
	partitions map[key][]key   // of one name, group and topic
	groups     map[string]bool // that have more than a count of 0 members
	types      map[string]string
}

func indexOf(p Page) index {
	shared := shared()
	x := index{map[key]float64{}, map[key][]key{}, map[string]bool{}, map[string]string{}}
	for _, s := range p.series {
		if s.name == "tidemark_group_info" {
			x.types[s.labels["consumergroup"]] = s.labels["type"]
		}
		labels, is := shared[s.name]
		if !is {
			continue
		}
		k := s.key(labels)
		x.values[k] = s.value
		if k.partition != "" {
			topic := key{name: k.name, group: k.group, topic: k.topic}
			x.partitions[topic] = append(x.partitions[topic], k)
		}
		x.groups[k.group] = x.groups[k.group] || k.name != members || s.value > 0
	}
	return x
}

func (s series) key(labels []string) key {
	k := key{name: s.name, group: s.labels["consumergroup"], topic: s.labels["topic"], partition: s.labels["partition"]}
	var other []string
	for _, label := range labels {
		switch label {
		case "cluster", "consumergroup", "topic", "partition":
		default:
			other = append(other, fmt.Sprintf("%s=%q", label, s.labels[label]))
		}
	}
	k.other = strings.Join(other, ",")
	return k
}

// shared are the families that kafka_exporter has, with their labels.
func shared() map[string][]string {
	families := map[string][]string{"kafka_consumergroupzookeeper_lag_zookeeper": {"consumergroup", "topic", "partition"}}
	for _, f := range metrics.Families() {
		if strings.HasPrefix(f.Name, "kafka_") {
			families[f.Name] = f.Labels
		}
	}
	return families
}
