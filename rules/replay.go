package rules

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// window is how much of a replay is asked for at once: a query may not hold more
// than maxSamples.
const window = 6 * time.Hour

// inDoubt selects the groups and clusters of which too little was seen to resolve an alert.
const inDoubt = `
max by (cluster, consumergroup) (tidemark_group_complete) == 0
or max by (cluster, consumergroup) (tidemark_group_state{state="unknown"}) == 1
or max by (cluster) (tidemark_gaps{reason="unreachable"}) > 0`

// Replayed is what a rule would have done over a part of the kept history.
type Replayed struct {
	Rule     string
	From, To time.Time
	For      time.Duration
	Firings  []Firing // by their beginning
	// What would at least have halved the firings. nil: there were less than two, the
	// rule has no threshold, or none does.
	Threshold *float64
	Hold      *time.Duration // instead of For
}

// Firing is one time that the rule would have fired about one thing.
type Firing struct {
	Labels map[string]string // of the element, without those that the rule adds
	Active time.Time         // the condition began to hold
	Fired  time.Time
	Ended  time.Time // zero: it still fired at the end
	Worst  float64   // the value farthest beyond the threshold
}

// Replay evaluates an alerting rule over history, with the present rule and what was
// recorded then: when it would have fired, how long, and what would have halved the
// noise. With 500 messages for 5 minutes and 9 firings, of which 7 never went over
// 1,400, the threshold is 1,400.
//
// What history does not have, because it is too old or its recording rule is new,
// fires nothing; [Replayed.From] says where it began. As in the running engine, nothing ends because it could not be seen.
func (e *Engine) Replay(ctx context.Context, rule string, from, to time.Time) (Replayed, error) {
	g, r := e.find(rule)
	if r == nil {
		return Replayed{}, fmt.Errorf("replay: there is no alerting rule %q among those loaded", rule)
	}
	// Before history begins there is nothing to ask: a day of an hour's history would
	// cost 24 times as much and say the same.
	if begins, err := e.options.Storage.StartTime(); err == nil && from.Before(time.UnixMilli(begins)) {
		from = time.UnixMilli(begins)
	}
	run := &replay{every: g.Interval(), hold: r.HoldDuration(), keep: r.KeepFiringFor(), worse: direction(r.Query())}
	if err := e.fetch(ctx, run, r.Query().String(), from, to); err != nil {
		return Replayed{}, fmt.Errorf("replay %s: %w", rule, err)
	}
	result := Replayed{Rule: rule, From: from, To: to, For: run.hold, Firings: run.firings(run.hold, nil)}
	result.Threshold = run.threshold(result.Firings)
	result.Hold = run.longerHold(result.Firings)
	return result, nil
}

func (e *Engine) find(rule string) (*group, *rules.AlertingRule) {
	for _, g := range e.groups {
		for _, r := range g.AlertingRules() {
			if r.Name() == rule {
				return g, r
			}
		}
	}
	return nil, nil
}

// fetch asks history, one window after the other, for the rule's elements and for
// what was in doubt.
func (e *Engine) fetch(ctx context.Context, run *replay, query string, from, to time.Time) error {
	run.elements, run.doubts = map[uint64]*element{}, map[[2]string]map[int64]bool{}
	for at := from; !at.After(to); at = at.Add(window / run.every * run.every) {
		end := at.Add((window/run.every - 1) * run.every)
		if end.After(to) {
			end = to
		}
		for step := at; !step.After(end); step = step.Add(run.every) {
			run.steps = append(run.steps, step.UnixMilli())
		}
		if err := e.each(ctx, query, at, end, run.every, run.add); err != nil {
			return err
		}
		if e.guard.about[query] {
			if err := e.each(ctx, inDoubt, at, end, run.every, run.doubt); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) each(ctx context.Context, query string, from, to time.Time, every time.Duration, do func(promql.Series)) error {
	q, err := e.queries.NewRangeQuery(ctx, e.options.Storage, nil, query, from, to, every)
	if err != nil {
		return err
	}
	defer q.Close()
	result, err := q.Exec(ctx).Matrix()
	if err != nil {
		return err
	}
	for _, series := range result {
		do(series)
	}
	return nil
}

// replay is a rule and what history says about it.
type replay struct {
	every, hold, keep time.Duration
	worse             int     // 1: larger values are; -1: smaller; 0: there is no threshold
	steps             []int64 // moments of evaluation, in milliseconds
	elements          map[uint64]*element
	doubts            map[[2]string]map[int64]bool // by cluster and group
}

type element struct {
	metric labels.Labels
	values map[int64]float64
}

// add copies what a query returned: its memory is used again.
func (run *replay) add(s promql.Series) {
	known := run.elements[s.Metric.Hash()]
	if known == nil {
		known = &element{metric: s.Metric.Copy(), values: map[int64]float64{}}
		run.elements[s.Metric.Hash()] = known
	}
	for _, p := range s.Floats {
		known.values[p.T] = p.F
	}
}

func (run *replay) doubt(s promql.Series) {
	key := [2]string{s.Metric.Get("cluster"), s.Metric.Get("consumergroup")}
	if run.doubts[key] == nil {
		run.doubts[key] = map[int64]bool{}
	}
	for _, p := range s.Floats {
		run.doubts[key][p.T] = true
	}
}

// doubtful says what guard.doubts says of the present.
func (run *replay) doubtful(of labels.Labels, at int64) bool {
	cluster, group := of.Get("cluster"), of.Get("consumergroup")
	if cluster != "" {
		return run.doubts[[2]string{cluster, group}][at]
	}
	for key, when := range run.doubts {
		if key[1] == group && when[at] {
			return true
		}
	}
	return false
}

// firings replays the rule with another hold, and over those values only that are
// beyond a threshold; nil: all.
func (run *replay) firings(hold time.Duration, beyond *float64) (all []Firing) {
	for _, el := range run.elements {
		all = append(all, run.follow(el, hold, beyond)...)
	}
	slices.SortFunc(all, func(a, b Firing) int {
		return cmp.Or(a.Active.Compare(b.Active), cmp.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)))
	})
	return all
}

// follow is Prometheus' way from pending to resolved, with the guard before it.
func (run *replay) follow(el *element, hold time.Duration, beyond *float64) (all []Firing) {
	var now Firing // its Active is zero while there is nothing
	var held, doubted bool
	var keeps time.Time
	for _, step := range run.steps {
		at := time.UnixMilli(step).UTC()
		value, holds := el.values[step]
		holds = holds && (beyond == nil || float64(run.worse)*(value-*beyond) > 0)
		doubt := (holds || held) && run.doubtful(el.metric, step)
		if !holds && held && (doubt || doubted) {
			holds, value = true, now.Worst
		}
		held, doubted = holds, doubt
		switch {
		case holds && now.Active.IsZero():
			now = Firing{Labels: el.metric.DropReserved(func(name string) bool { return name == "__name__" }).Map(), Active: at, Worst: value}
		case holds && float64(run.worse)*(value-now.Worst) > 0:
			now.Worst = value
		}
		switch {
		case holds:
			keeps = time.Time{}
			if now.Fired.IsZero() && at.Sub(now.Active) >= hold {
				now.Fired = at
			}
		case now.Fired.IsZero():
			now = Firing{}
		default:
			if keeps.IsZero() {
				keeps = at
			}
			if at.Sub(keeps) >= run.keep {
				now.Ended = at
				all, now, keeps = append(all, now), Firing{}, time.Time{}
			}
		}
	}
	if !now.Fired.IsZero() {
		all = append(all, now)
	}
	return all
}

// direction says on which side of its threshold a rule's values are worse: of the
// comparison that an element has its value from.
func direction(expr parser.Expr) int {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return direction(e.Expr)
	case *parser.BinaryExpr:
		switch e.Op {
		case parser.GTR, parser.GTE:
			return 1
		case parser.LSS, parser.LTE:
			return -1
		case parser.LAND, parser.LOR, parser.LUNLESS:
			return direction(e.LHS)
		}
	}
	return 0
}

// threshold looks for the least change that halves the firings: past the mildest
// one, past the two mildest, and so on, in two digits.
func (run *replay) threshold(before []Firing) *float64 {
	if run.worse == 0 || len(before) < 2 {
		return nil
	}
	worst := map[float64]bool{}
	for _, f := range before {
		worst[twoDigits(f.Worst, run.worse)] = true
	}
	candidates := slices.Sorted(maps.Keys(worst))
	if run.worse < 0 {
		slices.Reverse(candidates)
	}
	for _, c := range candidates {
		if left := len(run.firings(run.hold, &c)); left <= len(before)/2 && left > 0 {
			return &c
		}
	}
	return nil
}

// twoDigits rounds away from the rule's side: 1,311 is 1,400 if larger is worse.
func twoDigits(f float64, away int) float64 {
	if f == 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return f
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(f)))-1)
	if away > 0 {
		return math.Ceil(f/unit) * unit
	}
	return math.Floor(f/unit) * unit
}

// longerHold is the same for how long the condition has to hold, in minutes.
func (run *replay) longerHold(before []Firing) *time.Duration {
	if len(before) < 2 {
		return nil
	}
	lengths := map[time.Duration]bool{}
	for _, f := range before {
		if !f.Ended.IsZero() {
			lengths[f.Ended.Sub(f.Active).Truncate(time.Minute)+time.Minute] = true
		}
	}
	for _, c := range slices.Sorted(maps.Keys(lengths)) {
		if left := len(run.firings(c, nil)); left <= len(before)/2 && left > 0 {
			return &c
		}
	}
	return nil
}
