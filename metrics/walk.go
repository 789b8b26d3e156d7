package metrics

import (
	"iter"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/aetherlink/tidemark"
)

// walk yields the series of one family, without its name, and the samples that
// differ in nothing but the partition together. A million of them is an everyday
// size: series and samples are good until the next step only.
type walk func(moment) iter.Seq2[*tidemark.Series, []point]

// point is one sample of a series, or of one partition of it.
type point struct {
	partition tidemark.Ordinal
	value     float64
}

// each is the walk over things that have one value each, if it is known.
func each[T any](things func(moment) iter.Seq2[*tidemark.Series, T], value func(T) (float64, bool)) walk {
	return func(now moment) iter.Seq2[*tidemark.Series, []point] {
		return func(yield func(*tidemark.Series, []point) bool) {
			one := make([]point, 1)
			for series, thing := range things(now) {
				v, known := value(thing)
				one[0] = point{series.Partition, v}
				if known && !yield(series, one) {
					return
				}
			}
		}
	}
}

// along is the walk over partitions that stand side by side: what they have in
// common is worked out once for all of them.
func along[T any](runs func(moment) iter.Seq2[*tidemark.Series, []T], value func(*T) (id int32, v float64, known bool)) walk {
	return func(now moment) iter.Seq2[*tidemark.Series, []point] {
		return func(yield func(*tidemark.Series, []point) bool) {
			var points []point
			for series, run := range runs(now) {
				points = points[:0]
				for i := range run {
					if id, v, known := value(&run[i]); known {
						points = append(points, point{tidemark.OrdinalOf(id), v})
					}
				}
				if len(points) > 0 && !yield(series, points) {
					return
				}
			}
		}
	}
}

func itself(value float64) (float64, bool) { return value, true }

func always[T any](T) (float64, bool) { return 1, true }

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// moment is a view with what several families need, worked out once.
type moment struct {
	looks     []look
	pipelines []pipeline
	decisions []tidemark.Decision
}

// look is one observation. It is stale when the latest look brought nothing.
type look struct {
	tidemark.Observation
	at     time.Time
	stale  bool
	groups []reader
	held   map[string]*tidemark.Topic // topics on which a transaction is open
	hidden int                        // partitions of groups that are not shown one by one; -1: nobody asked for less than all
}

// pipeline is a configured pipeline and the names of the groups that it means.
type pipeline struct {
	tidemark.Pipeline
	names *regexp.Regexp
}

func momentOf(v *tidemark.View, c Compat, d Detail) moment {
	now := moment{decisions: v.Decisions}
	for _, p := range v.Pipelines {
		now.pipelines = append(now.pipelines, pipeline{p, p.Names()})
	}
	for _, o := range v.Observations {
		l := lookOf(o, v.At, now.pipelines)
		c.apply(&l)
		d.apply(&l)
		now.looks = append(now.looks, l)
	}
	return now
}

// means says whether the pipeline is about a group. Without a cluster it is about
// the group of that name in each.
func (p pipeline) means(cluster, group string) bool {
	return (p.Cluster == "" || p.Cluster == cluster) && p.names.MatchString(group)
}

func lookOf(o tidemark.Observation, at time.Time, pipelines []pipeline) look {
	l := look{Observation: o, at: at, stale: o.Failed != nil || o.Snapshot == nil, hidden: -1}
	if o.Snapshot == nil {
		return l
	}
	l.held = held(o.Snapshot.Topics)
	l.groups = make([]reader, len(o.Snapshot.Groups))
	rest := o.Snapshot.Partitions // both are sorted by group: one pass finds everybody's
	for i := range l.groups {
		g := &o.Snapshot.Groups[i]
		r := reader{
			Group:    g,
			at:       at,
			stale:    l.stale,
			watched:  slices.ContainsFunc(pipelines, func(p pipeline) bool { return p.means(o.Cluster, g.Name) }),
			estimate: estimateOf(o.Estimates, i, g.Name),
		}
		for len(rest) > 0 && rest[0].Group < g.Name {
			rest = rest[1:]
		}
		rest = r.read(rest)
		l.groups[i] = r
	}
	return l
}

// estimateOf returns the estimate at the group's own place, if it is there.
func estimateOf(estimates []tidemark.Estimate, i int, group string) *tidemark.Estimate {
	if i >= len(estimates) || estimates[i].Group != group {
		return nil
	}
	return &estimates[i]
}

func (l *look) age() (float64, bool) {
	age, known := l.Age(l.at)
	return age.Seconds(), known
}

// everyCluster yields also what the latest look did not see.
func everyCluster(now moment) iter.Seq2[*tidemark.Series, *look] {
	return func(yield func(*tidemark.Series, *look) bool) {
		for i := range now.looks {
			if !yield(&tidemark.Series{Cluster: now.looks[i].Cluster}, &now.looks[i]) {
				return
			}
		}
	}
}

// clusters yields what the latest look saw.
func clusters(now moment) iter.Seq2[*tidemark.Series, *look] {
	return func(yield func(*tidemark.Series, *look) bool) {
		for series, l := range everyCluster(now) {
			if !l.stale && !yield(series, l) {
				return
			}
		}
	}
}

// members counts the brokers that belong to the cluster.
func (l *look) members() float64 {
	n := 0
	for _, b := range l.Snapshot.Brokers {
		if b.Left.IsZero() {
			n++
		}
	}
	return float64(n)
}

// brokers yields those that belong to the cluster.
func brokers(now moment) iter.Seq2[*tidemark.Series, *tidemark.Broker] {
	return func(yield func(*tidemark.Series, *tidemark.Broker) bool) {
		for series, l := range clusters(now) {
			for i := range l.Snapshot.Brokers {
				b := &l.Snapshot.Brokers[i]
				if !b.Left.IsZero() {
					continue
				}
				series.More = [3]tidemark.Label{{Name: "id", Value: strconv.Itoa(int(b.ID))}, {Name: "address", Value: b.Address}}
				if !yield(series, b) {
					return
				}
			}
		}
	}
}

// brokersUp has the brokers of the last snapshot: none of them answered a look
// that brought nothing.
func brokersUp(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for series, l := range everyCluster(now) {
			if l.Snapshot == nil {
				continue
			}
			for _, b := range l.Snapshot.Brokers {
				series.More[0] = tidemark.Label{Name: "broker", Value: strconv.Itoa(int(b.ID))}
				if !yield(series, truth(b.Up && !l.stale)) {
					return
				}
			}
		}
	}
}

func requests(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for series, l := range clusters(now) {
			for _, r := range l.Snapshot.Requests {
				series.More[0] = tidemark.Label{Name: "api", Value: r.API}
				if !yield(series, float64(r.N)) {
					return
				}
			}
		}
	}
}

func gaps(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for series, l := range everyCluster(now) {
			for reason, n := range l.gaps() {
				series.More[0] = tidemark.Label{Name: "reason", Value: reason.String()}
				if !yield(series, float64(n)) {
					return
				}
			}
		}
	}
}

// gaps counts by reason, and says 0 for the two that every look can tell. A look
// that brought nothing is one gap: the cluster.
func (l *look) gaps() iter.Seq2[tidemark.Reason, int] {
	return func(yield func(tidemark.Reason, int) bool) {
		if l.stale {
			yield(tidemark.Unreachable, 1)
			return
		}
		count := map[tidemark.Reason]int{}
		for _, gap := range l.Snapshot.Gaps {
			count[gap.Reason]++
		}
		for reason := tidemark.NeverCommitted; reason <= tidemark.Unreachable; reason++ {
			if (count[reason] > 0 || reason.Blinds()) && !yield(reason, count[reason]) {
				return
			}
		}
	}
}

func topics(now moment) iter.Seq2[*tidemark.Series, *tidemark.Topic] {
	return func(yield func(*tidemark.Series, *tidemark.Topic) bool) {
		for series, l := range clusters(now) {
			for i := range l.Snapshot.Topics {
				series.Topic = l.Snapshot.Topics[i].Name
				if !yield(series, &l.Snapshot.Topics[i]) {
					return
				}
			}
		}
	}
}

// logs yields the partitions of a topic together.
func logs(now moment) iter.Seq2[*tidemark.Series, []tidemark.Log] {
	return func(yield func(*tidemark.Series, []tidemark.Log) bool) {
		for series, t := range topics(now) {
			if !yield(series, t.Partitions) {
				return
			}
		}
	}
}

func start(l *tidemark.Log) (float64, bool) {
	return float64(l.Start), l.Start >= 0 && !l.Reason.Blinds()
}

func end(l *tidemark.Log) (float64, bool) {
	return float64(l.End), l.End >= 0 && !l.Reason.Blinds()
}

// ofLog is the value of one partition of a topic.
func ofLog(value func(*tidemark.Log) (float64, bool)) walk {
	return along(logs, func(l *tidemark.Log) (int32, float64, bool) {
		v, known := value(l)
		return l.ID, v, known
	})
}
