package rules

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"

	"github.com/aetherlink/tidemark"
)

// dataMissing is the annotation of an alert whose condition cannot be checked.
const dataMissing = "data_missing_since"

// Eval evaluates the groups that are due at a moment and returns all alerts that
// are pending, firing, or were resolved at this moment, by name and labels. What it
// returns outlives a crash, and what was resolved is returned again if one comes
// before the next Eval.
//
// The samples of the view must be in the store already. The view says which groups
// were not seen well enough to resolve anything about them. A rule that cannot be
// evaluated keeps its alerts; Prometheus' API shows its error.
func (e *Engine) Eval(ctx context.Context, at time.Time, v *tidemark.View) ([]tidemark.Alert, error) {
	e.guard.view = v
	state := map[string]kept{}
	if e.guard.began.IsZero() {
		e.guard.began = v.At
		state = e.resume(ctx, at)
	}
	e.report(v)
	for _, g := range e.groups {
		if g.due(at) {
			rules.DefaultEvalIterationFunc(ctx, g.Group, at)
			g.last = at
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("evaluate rules: %w", err)
	}
	e.collect(at, state)
	e.options.Journal.keep(at, state)
	return e.alerts(state), nil
}

// due says whether the group's interval is over. Looks do not come to the
// millisecond, so a tenth early is in time: with 15s, 13.5s is.
func (g *group) due(at time.Time) bool {
	return g.last.IsZero() || at.Sub(g.last) >= g.Interval()-g.Interval()/10
}

// collect adds all alerts to the state that are active or were resolved at a moment.
func (e *Engine) collect(at time.Time, state map[string]kept) {
	for _, r := range e.alertingRules() {
		query, asked := r.Query().String(), e.guard.asked(r)
		r.ForEachActiveAlert(func(a *rules.Alert) {
			if a.State == rules.StateInactive && !a.ResolvedAt.Equal(at) {
				return // resolved earlier; Prometheus keeps it for a while
			}
			k := kept{
				Rule: r.Name(), Query: query, Own: r.Labels().Map(), State: stateOf(a.State),
				Labels: a.Labels.Map(), Value: number(a.Value), Active: a.ActiveAt, Fired: a.FiredAt,
				Resolved: a.ResolvedAt, KeepsFiring: a.KeepFiringSince,
			}
			key := fmt.Sprintf("%016x%016x", labels.FromStrings("query", query).Hash(), a.Labels.Hash())
			if of, found := asked[common(r, a.Labels)]; found {
				k.Element, k.Missing, k.Doubtful = of.Metric.Map(), of.missing, of.doubtful
			} else { // its condition no longer holds
				k.Element = e.options.Journal.alerts[key].Element
			}
			if !k.Missing.IsZero() { // also for those who ask Prometheus' API
				a.Annotations = labels.NewBuilder(a.Annotations).Set(dataMissing, k.Missing.UTC().Format(time.RFC3339)).Labels()
			}
			k.Annotations = a.Annotations.Map()
			state[key] = k
		})
	}
}

// alerts puts the state into our words.
func (e *Engine) alerts(state map[string]kept) []tidemark.Alert {
	all := make([]tidemark.Alert, 0, len(state))
	for _, k := range state {
		all = append(all, e.translate(k))
	}
	slices.SortFunc(all, func(a, b tidemark.Alert) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)))
	})
	return all
}

func (e *Engine) translate(k kept) tidemark.Alert {
	alert := tidemark.Alert{
		Name: k.Rule, State: k.State, Labels: k.Labels, Annotations: k.Annotations, Value: float64(k.Value),
		ActiveSince: k.Active, FiredAt: k.Fired, ResolvedAt: k.Resolved, DataMissingSince: k.Missing,
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
