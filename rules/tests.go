package rules

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// Tested is what became of one file of rule unit tests.
type Tested struct {
	File     string
	Tests    int     // that were run
	Failures []error // none: the file passes
}

// RunTests runs files of rule unit tests in promtool's format, with its verdict:
// docs/…/unit_testing_rules of Prometheus. Each test has a store of its own, in time
// that begins at 0.
func RunTests(ctx context.Context, files []string) []Tested {
	all := make([]Tested, len(files))
	for i, file := range files {
		all[i].File = file
		suite, err := readTests(file)
		if err != nil {
			all[i].Failures = []error{err}
			continue
		}
		for n, test := range suite.Tests {
			all[i].Tests++
			name := cmp.Or(test.Name, fmt.Sprintf("test %d", n+1))
			for _, err := range suite.run(ctx, test) {
				all[i].Failures = append(all[i].Failures, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return all
}

// suite is a file of tests.
type suite struct {
	RuleFiles []string       `yaml:"rule_files"`
	Interval  model.Duration `yaml:"evaluation_interval"`
	Order     []string       `yaml:"group_eval_order"`
	Fuzzy     bool           `yaml:"fuzzy_compare"` // as promtool 3 knows it; we always are
	Tests     []unitTest     `yaml:"tests"`
}

type unitTest struct {
	Name           string            `yaml:"name"`
	Interval       model.Duration    `yaml:"interval"`
	Start          start             `yaml:"start_timestamp"`
	Input          []input           `yaml:"input_series"`
	Alerts         []alertTest       `yaml:"alert_rule_test"`
	Expressions    []expressionTest  `yaml:"promql_expr_test"`
	ExternalLabels map[string]string `yaml:"external_labels"`
	ExternalURL    string            `yaml:"external_url"`
}

type input struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type alertTest struct {
	At   model.Duration `yaml:"eval_time"`
	Name string         `yaml:"alertname"`
	Want []struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	} `yaml:"exp_alerts"`
}

type expressionTest struct {
	Expr string         `yaml:"expr"`
	At   model.Duration `yaml:"eval_time"`
	Want []struct {
		Labels    string  `yaml:"labels"`
		Value     float64 `yaml:"value"`
		Histogram string  `yaml:"histogram"`
	} `yaml:"exp_samples"`
}

// start is a moment, as seconds since 1970 or in the form of RFC 3339.
type start time.Time

// UnmarshalYAML reads either form.
func (s *start) UnmarshalYAML(node *yaml.Node) error {
	if seconds, err := strconv.ParseFloat(node.Value, 64); err == nil {
		*s = start(time.UnixMilli(int64(seconds * 1000)).UTC())
		return nil
	}
	moment, err := time.Parse(time.RFC3339Nano, node.Value)
	*s = start(moment)
	return err
}

func readTests(file string) (*suite, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read rule tests: %w", err)
	}
	s := &suite{}
	reader := yaml.NewDecoder(bytes.NewReader(text))
	reader.KnownFields(true)
	if err := reader.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read rule tests %s: %w", file, err)
	}
	s.Interval = cmp.Or(s.Interval, model.Duration(time.Minute))
	for i, name := range s.Order {
		if slices.Contains(s.Order[:i], name) {
			return nil, fmt.Errorf("rule tests %s: group %s stands twice in group_eval_order", file, name)
		}
	}
	var files []string
	for _, pattern := range s.RuleFiles {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(file), pattern)
		}
		found, err := filepath.Glob(pattern) // one that matches nothing tests no rules, as with promtool
		if err != nil {
			return nil, fmt.Errorf("rule tests %s: rule file %q: %w", file, pattern, err)
		}
		files = append(files, found...)
	}
	s.RuleFiles = files
	return s, nil
}

// bench is where one test runs.
type bench struct {
	*suite
	unitTest
	store  *promqltest.LazyLoader
	groups []*rules.Group
	parser parser.Parser
	began  time.Time
}

func (s *suite) run(ctx context.Context, test unitTest) (failures []error) {
	test.Interval = cmp.Or(test.Interval, s.Interval)
	b := &bench{suite: s, unitTest: test, parser: parser.NewParser(parser.Options{}), began: time.Unix(0, 0).UTC()}
	if begin := time.Time(test.Start); !begin.IsZero() {
		b.began = begin
	}
	load := &strings.Builder{}
	fmt.Fprintf(load, "load %s\n", test.Interval)
	for _, in := range test.Input {
		fmt.Fprintf(load, "  %s %s\n", in.Series, in.Values)
	}
	var err error
	b.store, err = promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{
		EnableAtModifier: true, EnableNegativeOffset: true, StartTime: time.Time(test.Start), Parser: b.parser,
	})
	if err != nil {
		return []error{err}
	}
	defer b.store.Close()
	b.store.SubqueryInterval = time.Duration(s.Interval)
	if err := b.load(ctx); err != nil {
		return []error{err}
	}
	if failures = b.evaluate(ctx); failures != nil {
		return failures
	}
	for _, e := range test.Expressions {
		if err := b.checkExpression(ctx, e); err != nil {
			failures = append(failures, err)
		}
	}
	return failures
}

// load reads the rules. Groups that have no place in the order come first, as with
// promtool; by their names, so that a test does not depend on chance.
func (b *bench) load(ctx context.Context) error {
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: ctx, QueryFunc: rules.EngineQueryFunc(b.store.QueryEngine(), b.store.Storage()), AppendableV2: b.store.Storage(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Parser: b.parser,
	})
	loaded, errs := manager.LoadGroups(time.Duration(b.unitTest.Interval), labels.FromMap(b.ExternalLabels), b.ExternalURL, nil, false, b.RuleFiles...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, key := range slices.Sorted(maps.Keys(loaded)) {
		b.groups = append(b.groups, loaded[key])
		for _, r := range loaded[key].AlertingRules() {
			r.SetRestored(true) // else ALERTS is not written
		}
	}
	place := func(g *rules.Group) int { return max(0, slices.Index(b.Order, g.Name())) }
	slices.SortStableFunc(b.groups, func(a, c *rules.Group) int { return cmp.Compare(place(a), place(c)) })
	return nil
}

// evaluate evaluates all groups from the beginning to the last moment that a test is
// about, and checks the alerts on the way.
func (b *bench) evaluate(ctx context.Context) (failures []error) {
	var last model.Duration
	for _, t := range b.Alerts {
		if t.Name == "" {
			return []error{fmt.Errorf("an alert_rule_test at %s has no alertname", t.At)}
		}
		last = max(last, t.At)
	}
	for _, t := range b.Expressions {
		last = max(last, t.At)
	}
	every := time.Duration(b.suite.Interval)
	for since := time.Duration(0); since <= time.Duration(last); since += every {
		if errs := b.step(ctx, b.began.Add(since)); errs != nil {
			return append(failures, errs...)
		}
		for _, t := range b.Alerts {
			if at := time.Duration(t.At); since <= at && at < since+every {
				if err := b.checkAlert(t); err != nil {
					failures = append(failures, err)
				}
			}
		}
	}
	return failures
}

func (b *bench) step(ctx context.Context, at time.Time) (errs []error) {
	b.store.WithSamplesTill(at, func(err error) {
		if err != nil {
			errs = append(errs, err)
			return
		}
		for _, g := range b.groups {
			g.Eval(ctx, at)
			for _, r := range g.Rules() {
				if r.LastError() != nil {
					errs = append(errs, fmt.Errorf("rule %s at %s: %w", r.Name(), at.Sub(b.began), r.LastError()))
				}
			}
		}
	})
	return errs
}

func (b *bench) checkAlert(t alertTest) error {
	var got, want []string
	for _, g := range b.groups {
		for _, r := range g.AlertingRules() {
			for _, a := range r.ActiveAlerts() {
				if r.Name() == t.Name && a.State == rules.StateFiring {
					got = append(got, a.Labels.String()+" "+a.Annotations.String())
				}
			}
		}
	}
	for _, w := range t.Want {
		all := labels.NewBuilder(labels.FromMap(w.Labels)).Set(labels.AlertName, t.Name).Labels()
		want = append(want, all.String()+" "+labels.FromMap(w.Annotations).String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("alert %s at %s: got\n  %s\nwant\n  %s", t.Name, t.At, listed(got), listed(want))
	}
	return nil
}

func listed(all []string) string { return cmp.Or(strings.Join(all, "\n  "), "nothing") }

// point is one element of an expression's result.
type point struct {
	metric    labels.Labels
	value     float64
	histogram string // in the notation of tests; empty: it is a value
}

func (p point) String() string {
	if p.histogram != "" {
		return p.metric.String() + " " + p.histogram
	}
	return p.metric.String() + " " + strconv.FormatFloat(p.value, 'g', -1, 64)
}

func (b *bench) checkExpression(ctx context.Context, t expressionTest) error {
	got, err := rules.EngineQueryFunc(b.store.QueryEngine(), b.store.Queryable())(ctx, t.Expr, b.began.Add(time.Duration(t.At)))
	if err != nil {
		return fmt.Errorf("expression %q at %s: %w", t.Expr, t.At, err)
	}
	var have, want []point
	for _, s := range got {
		have = append(have, newPoint(s.Metric, s.F, s.H))
	}
	for _, w := range t.Want {
		p, err := b.point(w.Labels, w.Value, w.Histogram)
		if err != nil {
			return fmt.Errorf("expression %q at %s: labels %q: %w", t.Expr, t.At, w.Labels, err)
		}
		want = append(want, p)
	}
	order := func(x, y point) int { return labels.Compare(x.metric, y.metric) }
	slices.SortStableFunc(have, order)
	slices.SortStableFunc(want, order)
	if slices.EqualFunc(have, want, same) {
		return nil
	}
	return fmt.Errorf("expression %q at %s: got\n  %s\nwant\n  %s", t.Expr, t.At, listed(texts(have)), listed(texts(want)))
}

func newPoint(metric labels.Labels, value float64, h *histogram.FloatHistogram) point {
	if h == nil {
		return point{metric: metric, value: value}
	}
	return point{metric: metric, histogram: promqltest.HistogramTestExpression(h)}
}

func (b *bench) point(metric string, value float64, text string) (point, error) {
	parsed, err := b.parser.ParseMetric(metric)
	if err != nil || text == "" {
		return point{metric: parsed, value: value}, err
	}
	_, values, err := b.parser.ParseSeriesDesc("{} " + text)
	if err != nil {
		return point{}, err
	}
	if len(values) != 1 || values[0].Histogram == nil {
		return point{}, fmt.Errorf("%q is not one histogram", text)
	}
	return newPoint(parsed, 0, values[0].Histogram), nil
}

// same says whether two points are one. Prometheus 2 and 3 round a rate differently in
// its last digits: one test shall pass with the promtool of either.
func same(x, y point) bool {
	near := x.value == y.value || math.Abs(x.value-y.value) <= 1e-12*math.Abs(y.value)
	return labels.Equal(x.metric, y.metric) && x.histogram == y.histogram && near
}

func texts(all []point) (lines []string) {
	for _, p := range all {
		lines = append(lines, p.String())
	}
	return lines
}
