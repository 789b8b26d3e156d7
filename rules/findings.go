package rules

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// Listed is one loaded rule.
type Listed struct {
	File, Group string
	Name        string
	Records     bool // else it alerts
	Expr        string
	For         time.Duration
	KeepFiring  time.Duration
	Labels      map[string]string
	Annotations map[string]string
}

// List returns the loaded rules in the order of their evaluation.
func (e *Engine) List() (all []Listed) {
	for _, g := range e.groups {
		for _, r := range g.Rules() {
			l := Listed{File: g.File(), Group: g.Name(), Name: r.Name(), Expr: r.Query().String(), Labels: r.Labels().Map()}
			if a, alerts := r.(*rules.AlertingRule); alerts {
				l.For, l.KeepFiring, l.Annotations = a.HoldDuration(), a.KeepFiringFor(), a.Annotations().Map()
			} else {
				l.Records = true
			}
			all = append(all, l)
		}
	}
	return all
}

// Finding is something about a rule that is in order and yet of no use.
type Finding struct {
	Listed
	Says string
}

// Findings says which loaded rules nobody will hear of as they should: alerts without
// a runbook or a severity to route by, and rules that return nothing over the data of
// a moment. Of an alert that is about its inputs: none is that it does not fire, one
// is that nothing is there that could. The seed's drain alert was such a one: a
// division of series with different labels.
func (e *Engine) Findings(ctx context.Context, at time.Time) (all []Finding, err error) {
	for _, l := range e.List() {
		say := func(what string) { all = append(all, Finding{Listed: l, Says: what}) }
		if !l.Records {
			if l.Annotations["runbook_url"] == "" {
				say("has no runbook_url: whoever it wakes does not know what to do")
			}
			if l.Labels["severity"] == "" {
				say("has no severity: no route can tell a page from a note")
			}
		}
		expr, err := e.parser.ParseExpr(l.Expr)
		if err != nil {
			return nil, fmt.Errorf("check rule %s: %w", l.Name, err)
		}
		if asksForAbsence(expr) {
			continue
		}
		result, err := e.guard.query(ctx, inputs(expr).String(), at)
		switch {
		case err != nil:
			say(fmt.Sprintf("cannot be evaluated: %v", err))
		case len(result) == 0 && l.Records:
			say("records nothing: no present series is what it selects, or its sides have no labels in common")
		case len(result) == 0:
			say("can never fire over the present data: no present series is what it compares, or its sides have no labels in common")
		}
	}
	return all, nil
}

func asksForAbsence(expr parser.Expr) (does bool) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if call, is := node.(*parser.Call); is {
			does = does || slices.Contains([]string{"absent", "absent_over_time"}, call.Func.Name)
		}
		return nil
	})
	return does
}

// inputs makes an expression return what it compares, whatever the comparison says:
// of a > 500 it is a; of a > on (x) b it is a - on (x) b, for each a that has its b.
// What is excepted (unless) depends on values, so it is left in.
func inputs(expr parser.Expr) parser.Expr {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return &parser.ParenExpr{Expr: inputs(e.Expr)}
	case *parser.AggregateExpr:
		loose := *e
		loose.Expr = inputs(e.Expr)
		return &loose
	case *parser.BinaryExpr:
		loose := *e
		switch {
		case e.Op == parser.LUNLESS:
			return inputs(e.LHS)
		case e.Op.IsComparisonOperator() && !e.ReturnBool:
			loose.Op = parser.SUB
		}
		loose.LHS, loose.RHS = inputs(e.LHS), inputs(e.RHS)
		return &loose
	}
	return expr
}
