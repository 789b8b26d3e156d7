package rules

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"

	"github.com/aetherlink/tidemark"
)

// firstLooks is how long a cluster may be absent from the views before it counts
// as no longer configured: each cluster is looked at once within seconds, and each
// target is scraped once.
const firstLooks = time.Minute

// guard stands between rules and queries and sees to it that nothing resolves
// because it could not be seen.
//
// Prometheus resolves an alert as soon as its element is no longer in the result.
// So for alerting rules the guard remembers the last result. An element that is
// gone while the view doubts its group is put back as it was.
type guard struct {
	query rules.QueryFunc
	about map[string]bool // queries of rules whose series come from looks at Kafka

	view  *tidemark.View
	began time.Time                    // the first evaluation
	held  map[string]map[uint64]*asked // by rule, by hash of the element's labels
}

// asked is an element of a rule's last result.
type asked struct {
	promql.Sample
	missing  time.Time // since when it could not be seen; zero: it was there
	doubtful bool      // the view doubted its group
	resumed  bool      // from before a restart, and not seen since
}

// ask is the rules' query function.
func (g *guard) ask(ctx context.Context, query string, at time.Time) (promql.Vector, error) {
	result, err := g.query(ctx, query, at)
	rule := rules.FromOriginContext(ctx)
	if rule.Kind != rules.KindAlerting || rule.Query != query {
		return result, err // a recording rule, or a query in an annotation
	}
	key := ruleKey(rule.Name, query)
	if err != nil { // the rule stays as it is
		for _, a := range g.held[key] {
			a.miss(at)
		}
		return nil, err
	}
	now := map[uint64]*asked{}
	for _, s := range result {
		now[s.Metric.Hash()] = &asked{Sample: s, doubtful: g.about[query] && g.doubts(s.Metric)}
	}
	for hash, was := range g.held[key] {
		if now[hash] != nil {
			continue
		}
		// What was doubtful is put back once more when it is no longer: a rate
		// needs two samples, so the first good look may not give it a value yet.
		wasDoubtful := was.doubtful
		if g.about[query] {
			was.doubtful = g.doubts(was.Metric)
		} else { // what is scraped takes some time to be there again
			was.doubtful = was.resumed && at.Sub(g.began) < firstLooks
		}
		if !was.doubtful && !wasDoubtful {
			continue
		}
		was.miss(at)
		was.T = timestamp.FromTime(at)
		now[hash] = was
		result = append(result, was.Sample)
	}
	g.held[key] = now
	return result, nil
}

func (a *asked) miss(at time.Time) {
	if a.missing.IsZero() {
		a.missing = at
	}
}

// asked returns the elements of a rule's last result by the hash of the labels that
// element and alert have in common.
func (g *guard) asked(r *rules.AlertingRule) map[uint64]*asked {
	all := map[uint64]*asked{}
	for _, a := range g.held[ruleKey(r.Name(), r.Query().String())] {
		all[common(r, a.Metric)] = a
	}
	return all
}

func ruleKey(name, query string) string { return name + "\x00" + query }

// common hashes the labels that an alert has from its element.
func common(r *rules.AlertingRule, of labels.Labels) uint64 {
	own := []string{labels.AlertName}
	r.Labels().Range(func(l labels.Label) { own = append(own, l.Name) })
	slices.Sort(own)
	hash, _ := of.HashWithoutLabels(nil, own...)
	return hash
}

// doubts says whether the view knows too little about what an element speaks of.
func (g *guard) doubts(element labels.Labels) bool {
	group := element.Get("consumergroup")
	if cluster := element.Get("cluster"); cluster != "" {
		o, seen := g.view.Observation(cluster)
		if !seen {
			return g.view.At.Sub(g.began) < firstLooks
		}
		return uncertain(o, group)
	}
	return slices.ContainsFunc(g.view.Observations, func(o tidemark.Observation) bool { return uncertain(o, group) })
}

// uncertain says whether an observation is stale or incomplete about a group, or
// about the cluster if group is empty.
func uncertain(o tidemark.Observation, group string) bool {
	if o.Failed != nil || o.Snapshot == nil {
		return true
	}
	known, found := o.Snapshot.Group(group)
	if !found { // it may be one of those that a silent broker coordinates
		return slices.ContainsFunc(o.Snapshot.Gaps, func(g tidemark.Gap) bool { return g.Reason == tidemark.Unreachable })
	}
	e, estimated := o.Estimate(group)
	return known.Reason.Blinds() || !estimated || !e.Lag.Complete || e.State == tidemark.Unknown
}

// aboutKafka returns the queries that select series which follow from looks at
// Kafka: kafka_exporter's and ours, and whatever a rule records from those.
func aboutKafka(groups []*group) map[string]bool {
	about, recorded := map[string]bool{}, map[string]bool{}
	for more := true; more; { // until no rule records another name
		more = false
		for _, g := range groups {
			for _, r := range g.Rules() {
				if !selectsKafka(r.Query(), recorded) {
					continue
				}
				about[r.Query().String()] = true
				if _, records := r.(*rules.RecordingRule); records && !recorded[r.Name()] {
					recorded[r.Name()], more = true, true
				}
			}
		}
	}
	return about
}

func selectsKafka(expr parser.Expr, recorded map[string]bool) (does bool) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, is := node.(*parser.VectorSelector); is {
			does = does || recorded[s.Name] || strings.HasPrefix(s.Name, "kafka_") || strings.HasPrefix(s.Name, "tidemark_")
		}
		return nil
	})
	return does
}
