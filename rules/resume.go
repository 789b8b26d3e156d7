package rules

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"

	"github.com/aetherlink/tidemark"
)

// resume puts the alerts of the journal back as they were, before the first
// evaluation. It returns those that are over: what had just ended and may not have
// reached anybody, and what fired of rules that are no longer loaded.
func (e *Engine) resume(ctx context.Context, at time.Time) (over map[string]kept) {
	over = map[string]kept{}
	missed := e.options.Journal.missed(at, faster(e.options.Interval, e.options.Speed))
	back := map[*rules.AlertingRule][]kept{}
	for key, k := range e.options.Journal.alerts {
		r := e.ruleOf(k)
		switch {
		case k.State == tidemark.AlertResolved:
			over[key] = k
		case k.State == tidemark.AlertPending && missed > faster(outageTolerance, e.options.Speed):
			// Too long ago to say that the condition has held ever since.
		case r != nil:
			back[r] = append(back[r], k)
		case k.State == tidemark.AlertFiring:
			k.State, k.Resolved = tidemark.AlertResolved, at
			over[key] = k
		}
	}
	for _, r := range e.alertingRules() {
		r.SetRestored(true)
		e.putBack(ctx, r, back[r], at, missed)
	}
	return over
}

// ruleOf finds the rule of an alert: the same one, or the one that a reload has put
// in its place, with another threshold. nil: there is none any more.
func (e *Engine) ruleOf(k kept) (found *rules.AlertingRule) {
	for _, r := range e.alertingRules() {
		if r.Name() != k.Rule || !maps.Equal(r.Labels().Map(), k.Own) {
			continue
		}
		if r.Query().String() == k.Query {
			return r
		}
		if found == nil {
			found = r
		}
	}
	return found
}

// putBack lets a rule make its alerts from the elements they had, and then gives
// them the times they had. The guard remembers the elements: nothing resolves
// because we were away. A pending alert has not held while nobody looked.
func (e *Engine) putBack(ctx context.Context, r *rules.AlertingRule, all []kept, at time.Time, missed time.Duration) {
	if len(all) == 0 {
		return
	}
	query := r.Query().String()
	held, was := map[uint64]*asked{}, map[uint64]kept{}
	var elements promql.Vector
	for _, k := range all {
		element := promql.Sample{Metric: labels.FromMap(k.Element), T: at.UnixMilli(), F: float64(k.Value)}
		elements = append(elements, element)
		was[labels.FromMap(k.Labels).Hash()] = k
		if k.KeepsFiring.IsZero() {
			held[element.Metric.Hash()] = &asked{Sample: element, missing: k.Missing, doubtful: k.Doubtful || missed > 0, resumed: missed > 0}
		}
	}
	_, err := r.Eval(ctx, 0, at, func(ctx context.Context, q string, at time.Time) (promql.Vector, error) {
		if q == query {
			return elements, nil
		}
		return e.guard.query(ctx, q, at) // in an annotation
	}, e.external, 0)
	if err != nil {
		e.options.Log.Error("alerts from before are lost", "rule", r.Name(), "err", err)
		return
	}
	e.guard.held[ruleKey(r.Name(), query)] = held
	r.ForEachActiveAlert(func(a *rules.Alert) {
		k, known := was[a.Labels.Hash()]
		if !known {
			return
		}
		a.ActiveAt, a.FiredAt, a.KeepFiringSince = k.Active, k.Fired, k.KeepsFiring
		if k.State == tidemark.AlertFiring {
			a.State = rules.StateFiring
		} else {
			a.State, a.ActiveAt, a.FiredAt = rules.StatePending, k.Active.Add(missed), time.Time{}
		}
	})
}
