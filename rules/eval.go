package rules

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/aetherlink/tidemark"
)

// dataMissing is the annotation of an alert whose condition cannot be checked.
const dataMissing = "data_missing_since"

// Eval evaluates the groups that are due at a moment and returns all alerts that
// are pending, firing, or were resolved at this moment, by name and labels.
//
// The samples of the view must be in the store already. The view says which groups
// were not seen well enough to resolve anything about them. A rule that cannot be
// evaluated keeps its alerts; Prometheus' API shows its error.
func (e *Engine) Eval(ctx context.Context, at time.Time, v *tidemark.View) ([]tidemark.Alert, error) {
	e.guard.view = v
	if e.guard.began.IsZero() {
		e.guard.began = v.At
	}
	e.report(v)
	for _, g := range e.groups {
		switch {
		case g.last.IsZero():
			if err := e.resume(ctx, g, at); err != nil {
				return nil, err
			}
		case !g.due(at):
			continue
		default:
			rules.DefaultEvalIterationFunc(ctx, g.Group, at)
		}
		g.last = at
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("evaluate rules: %w", err)
	}
	return e.alerts(at), nil
}

// due says whether the group's interval is over. Looks do not come to the
// millisecond, so a tenth early is in time: with 15s, 13.5s is.
func (g *group) due(at time.Time) bool {
	return at.Sub(g.last) >= g.Interval()-g.Interval()/10
}

// resume evaluates a group for the first time. Alerts of before a restart go on
// where they were: first evaluation, then their beginning is restored, then they
// are evaluated again, so that what fired before fires at once and not a round later.
func (e *Engine) resume(ctx context.Context, g *group, at time.Time) error {
	for _, r := range g.AlertingRules() {
		if err := e.remember(ctx, r, at); err != nil {
			return fmt.Errorf("restore alert %s: %w", r.Name(), err)
		}
	}
	rules.DefaultEvalIterationFunc(ctx, g.Group, at)
	g.RestoreForState(at)
	rules.DefaultEvalIterationFunc(ctx, g.Group, at)
	return nil
}

// remember gives the guard the elements for which a rule had alerts before a
// restart, so that these do not resolve just because we were away.
func (e *Engine) remember(ctx context.Context, r *rules.AlertingRule, at time.Time) error {
	from := at.Add(-faster(outageTolerance, e.options.Speed))
	q, err := e.options.Storage.Querier(from.UnixMilli(), at.UnixMilli())
	if err != nil {
		return err
	}
	defer q.Close()
	set, err := r.QueryForStateSeries(ctx, q)
	if err != nil {
		return err
	}
	held := map[uint64]*asked{}
	for set.Next() {
		if err := e.recall(ctx, r, set.At(), held); err != nil {
			return err
		}
	}
	e.guard.held[ruleKey(r.Name(), r.Query().String())] = held
	return set.Err()
}

// recall finds the element behind one alert: in the result when the alert was last
// written, or, if its data was missing already then, when it began.
func (e *Engine) recall(ctx context.Context, r *rules.AlertingRule, alert storage.Series, held map[uint64]*asked) error {
	var last int64
	var began float64 // in seconds
	it := alert.Iterator(nil)
	for it.Next() != 0 {
		last, began = it.At()
	}
	if it.Err() != nil || value.IsStaleNaN(began) { // it was resolved
		return it.Err()
	}
	for _, moment := range []time.Time{time.UnixMilli(last), time.Unix(int64(began)+1, 0)} {
		result, err := e.guard.query(ctx, r.Query().String(), moment)
		if err != nil {
			return err
		}
		for _, s := range result {
			if common(r, s.Metric) == common(r, alert.Labels()) {
				held[s.Metric.Hash()] = &asked{Sample: s, doubtful: true}
				return nil
			}
		}
	}
	return nil
}

// alerts translates Prometheus' alerts into ours.
func (e *Engine) alerts(at time.Time) []tidemark.Alert {
	var all []tidemark.Alert
	for _, r := range e.alertingRules() {
		missing := e.guard.missing(r)
		r.ForEachActiveAlert(func(a *rules.Alert) {
			if a.State == rules.StateInactive && !a.ResolvedAt.Equal(at) {
				return // resolved earlier; Prometheus keeps it for a while
			}
			since := missing[common(r, a.Labels)]
			if !since.IsZero() { // also for those who ask Prometheus' API
				a.Annotations = labels.NewBuilder(a.Annotations).Set(dataMissing, since.UTC().Format(time.RFC3339)).Labels()
			}
			all = append(all, e.translate(a, since))
		})
	}
	slices.SortFunc(all, func(a, b tidemark.Alert) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)))
	})
	return all
}

func (e *Engine) translate(a *rules.Alert, missing time.Time) tidemark.Alert {
	alert := tidemark.Alert{
		Name: a.Labels.Get(labels.AlertName), State: stateOf(a.State),
		Labels: a.Labels.Map(), Annotations: a.Annotations.Map(), Value: a.Value,
		ActiveSince: a.ActiveAt, FiredAt: a.FiredAt, ResolvedAt: a.ResolvedAt, DataMissingSince: missing,
	}
	for _, o := range e.owners {
		if alert.Labels["owner"] == "" && o.cluster == alert.Labels["cluster"] && o.groups.MatchString(alert.Labels["consumergroup"]) {
			alert.Labels = maps.Clone(alert.Labels)
			alert.Labels["owner"] = o.name
		}
	}
	return alert
}

func stateOf(s rules.AlertState) tidemark.AlertState {
	switch s {
	case rules.StatePending:
		return tidemark.AlertPending
	case rules.StateFiring:
		return tidemark.AlertFiring
	default:
		return tidemark.AlertResolved
	}
}
