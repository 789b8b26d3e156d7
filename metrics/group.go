package metrics

import (
	"iter"
	"sort"
	"time"

	"github.com/aetherlink/tidemark"
)

// reader is a consumer group of a look.
type reader struct {
	*tidemark.Group
	at         time.Time // of the view
	stale      bool
	watched    bool // a pipeline names it
	partitions []tidemark.Partition
	topics     []reading
	compatible []reading // the same as kafka_exporter shows them
	total      tidemark.Total
	estimate   *tidemark.Estimate // nil: there is none
	shown      Granularity
}

// everyGroup yields also the groups that the latest look did not see.
func everyGroup(now moment) iter.Seq2[*tidemark.Series, *reader] {
	return func(yield func(*tidemark.Series, *reader) bool) {
		for series, l := range everyCluster(now) {
			for i := range l.groups {
				series.Group = l.groups[i].Name
				if !yield(series, &l.groups[i]) {
					return
				}
			}
		}
	}
}

// groups yields the groups that the latest look saw.
func groups(now moment) iter.Seq2[*tidemark.Series, *reader] {
	return func(yield func(*tidemark.Series, *reader) bool) {
		for series, g := range everyGroup(now) {
			if !g.stale && !yield(series, g) {
				return
			}
		}
	}
}

// lag of a group without partitions is absent: it has nothing that it could be behind of.
func (g *reader) lag() (float64, bool) {
	return float64(g.total.Records), g.total.Complete && g.total.Partitions > 0
}

func (g *reader) lagKnown() (float64, bool) {
	some := g.total.Partitions > g.total.Missing+g.total.Uncommitted
	return float64(g.total.Records), some && !g.Reason.Blinds()
}

func (g *reader) members() (float64, bool) { return float64(len(g.Members)), !g.unmet() }

// unmet says that the latest look did not see the members.
func (g *reader) unmet() bool { return g.Reason.Blinds() || g.Unmet.Blinds() }

// seenWhole says that no commit of the group was missed, so that a count of
// partitions is a count of all.
func (g *reader) seenWhole() bool {
	return !g.Reason.Blinds() && g.total.Missing == 0
}

// state is unknown while nothing was estimated or the latest look did not see the group.
func (g *reader) state() tidemark.State {
	if g.estimate == nil || g.stale {
		return tidemark.Unknown
	}
	return g.estimate.State
}

// behind says that the group is more than a few batches from the end.
func (g *reader) behind() bool {
	switch g.state() {
	case tidemark.Draining, tidemark.Steady, tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		return true
	case tidemark.Idle, tidemark.CaughtUp, tidemark.Unknown:
	}
	return false
}

// partitions yields those of one topic of one group together, for the families that
// have kafka_exporter's names.
func partitions(now moment) iter.Seq2[*tidemark.Series, []tidemark.Partition] {
	return func(yield func(*tidemark.Series, []tidemark.Partition) bool) {
		for series, g := range groups(now) {
			if g.Reason.Blinds() || g.shown != PerPartition {
				continue
			}
			for i := range g.compatible {
				series.Topic = g.compatible[i].topic
				if !yield(series, g.compatible[i].partitions) {
					return
				}
			}
		}
	}
}

// ofPartition is the value of one partition as one group reads it.
func ofPartition(value func(*tidemark.Partition) (float64, bool)) walk {
	return along(partitions, func(p *tidemark.Partition) (int32, float64, bool) {
		v, known := value(p)
		return p.ID, v, known
	})
}

func lag(p *tidemark.Partition) (float64, bool) {
	records, known := p.Lag()
	return float64(records), known
}

func committed(p *tidemark.Partition) (float64, bool) {
	return float64(p.Committed), p.Committed >= 0 && !p.Reason.Blinds()
}

// reading is one topic as one group reads it. What it says of all partitions
// together is worked out in one pass: to go through a million of them takes longer
// than to write what they say.
type reading struct {
	topic      string
	partitions []tidemark.Partition
	estimates  []tidemark.PartitionEstimate // of the same partitions, or none
	total      tidemark.Total
	commits    sum
	worst      time.Duration // time lag
	blurred    bool          // a partition that has a lag has no time lag
	troubled   bool          // a partition has a state that is told
}

// sum adds up what is known. It is no sum as soon as a part is missing.
type sum struct {
	records float64
	some    bool
	missing bool
}

// read takes the group's partitions, which come first, and returns the rest.
func (g *reader) read(from []tidemark.Partition) (rest []tidemark.Partition) {
	to := sort.Search(len(from), func(i int) bool { return from[i].Group > g.Name })
	g.partitions, g.total.Complete = from[:to], true
	estimates := g.estimates()
	for i := 0; i < to; {
		r := reading{topic: from[i].Topic, total: tidemark.Total{Complete: true}}
		first := i
		for ; i < to && from[i].Topic == r.topic; i++ {
			r.add(&from[i])
			if estimates != nil {
				r.told(&from[i], &estimates[i])
			}
		}
		r.partitions = from[first:i]
		if estimates != nil {
			r.estimates = estimates[first:i]
		}
		g.topics = append(g.topics, r)
		g.total.Join(r.total)
	}
	g.total.Complete = g.total.Complete && !g.Reason.Blinds()
	g.compatible = g.topics
	return from[to:]
}

func (r *reading) add(p *tidemark.Partition) {
	r.total.Add(*p)
	switch at, known := committed(p); {
	case known:
		r.commits.records, r.commits.some = r.commits.records+at, true
	case p.Committed != tidemark.Uncommitted || p.Reason.Blinds():
		r.commits.missing = true
	}
}

func (r *reading) told(p *tidemark.Partition, e *tidemark.PartitionEstimate) {
	r.troubled = r.troubled || troubled(e)
	if _, behind := p.Lag(); behind {
		r.blurred = r.blurred || !e.TimeLag.Known
		r.worst = max(r.worst, e.TimeLag.Value)
	}
}

// readings yields no group whose commits were not seen: whatever stands there is old.
func readings(now moment) iter.Seq2[*tidemark.Series, *reading] {
	return topicsOf(now, func(g *reader) []reading { return g.topics })
}

// compatible yields the readings as kafka_exporter shows them.
func compatible(now moment) iter.Seq2[*tidemark.Series, *reading] {
	return topicsOf(now, func(g *reader) []reading { return g.compatible })
}

func topicsOf(now moment, chosen func(*reader) []reading) iter.Seq2[*tidemark.Series, *reading] {
	return func(yield func(*tidemark.Series, *reading) bool) {
		for series, g := range groups(now) {
			if g.Reason.Blinds() || g.shown == PerGroup {
				continue
			}
			topics := chosen(g)
			for i := range topics {
				series.Topic = topics[i].topic
				if !yield(series, &topics[i]) {
					return
				}
			}
		}
	}
}

// estimates returns what was estimated for each of the group's partitions, or nil.
func (g *reader) estimates() []tidemark.PartitionEstimate {
	if g.estimate == nil || len(g.estimate.Partitions) != len(g.partitions) {
		return nil
	}
	return g.estimate.Partitions
}

func (r *reading) lag() (float64, bool) {
	return float64(r.total.Records), r.total.Complete
}

// committed adds up commits. Partitions never committed have none: they add
// nothing, in particular no -1.
func (r *reading) committed() (float64, bool) {
	return r.commits.records, r.commits.some && !r.commits.missing
}

// lagSeconds is the worst time lag, if that of every partition with a lag is known.
func (r *reading) lagSeconds() (float64, bool) {
	return r.worst.Seconds(), r.total.Complete && r.estimates != nil && !r.blurred
}

func estimates(now moment) iter.Seq2[*tidemark.Series, *tidemark.Estimate] {
	return func(yield func(*tidemark.Series, *tidemark.Estimate) bool) {
		for series, g := range groups(now) {
			if g.estimate != nil && !yield(series, g.estimate) {
				return
			}
		}
	}
}

// states says unknown of every group that the latest look did not see.
func states(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		all := tidemark.States()
		for series, g := range everyGroup(now) {
			for _, state := range all {
				series.More[0] = tidemark.Label{Name: "state", Value: string(state)}
				if !yield(series, truth(state == g.state())) {
					return
				}
			}
		}
	}
}

func drains(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for series, e := range estimates(now) {
			if !e.Drain.Known {
				continue
			}
			for _, q := range [...]struct {
				quantile string
				after    time.Duration
			}{{"0.1", e.Drain.P10}, {"0.5", e.Drain.P50}, {"0.9", e.Drain.P90}} {
				series.More[0] = tidemark.Label{Name: "quantile", Value: q.quantile}
				if !yield(series, q.after.Seconds()) {
					return
				}
			}
		}
	}
}

// estimated yields the estimated partitions of the topics that are chosen.
func estimated(now moment, chosen func(*reader, *reading) bool) iter.Seq2[*tidemark.Series, *tidemark.PartitionEstimate] {
	return func(yield func(*tidemark.Series, *tidemark.PartitionEstimate) bool) {
		for series, g := range groups(now) {
			for i := range g.topics {
				r := &g.topics[i]
				if g.shown != PerPartition || !chosen(g, r) {
					continue
				}
				series.Topic = r.topic
				for j := range r.estimates {
					series.Partition = tidemark.OrdinalOf(r.estimates[j].ID)
					if !yield(series, &r.estimates[j]) {
						return
					}
				}
			}
		}
	}
}

func watchedPartitions(now moment) iter.Seq2[*tidemark.Series, *tidemark.PartitionEstimate] {
	return estimated(now, func(g *reader, _ *reading) bool { return g.watched || g.behind() })
}

func troubledPartitions(now moment) iter.Seq2[*tidemark.Series, *tidemark.PartitionEstimate] {
	return func(yield func(*tidemark.Series, *tidemark.PartitionEstimate) bool) {
		for series, p := range estimated(now, func(_ *reader, r *reading) bool { return r.troubled }) {
			series.More = [3]tidemark.Label{{Name: "state", Value: string(p.State)}, {Name: "reason", Value: p.Reason.String()}}
			if troubled(p) && !yield(series, p) {
				return
			}
		}
	}
}

// troubled leaves out what is unknown for no reason of its own, as all partitions
// are in the first looks: there the group's state says it once.
func troubled(p *tidemark.PartitionEstimate) bool {
	switch p.State {
	case tidemark.Steady, tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		return true
	case tidemark.Unknown:
		return p.Reason != tidemark.Fine
	case tidemark.Idle, tidemark.CaughtUp, tidemark.Draining:
	}
	return false
}

// desired is there for every target that is known, whatever was seen: who sizes a
// group by it would take an absent series for 0.
func desired(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for _, d := range now.decisions {
			series := &tidemark.Series{Cluster: d.Cluster, Group: d.Group, More: [3]tidemark.Label{{Name: "target", Value: d.Target}}}
			if d.Desired > 0 && !yield(series, float64(d.Desired)) {
				return
			}
		}
	}
}

// thresholds has a group that a pipeline names even when nobody has seen it, and
// of a pattern the groups that were seen.
func thresholds(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for _, p := range now.pipelines {
			for series := range p.groups(now) {
				for _, limit := range limits(p.Thresholds) {
					series.More = [3]tidemark.Label{{Name: "pipeline", Value: p.Name}, {Name: "threshold", Value: limit.name}}
					if limit.value > 0 && !yield(series, limit.value) {
						return
					}
				}
			}
		}
	}
}

func (p pipeline) groups(now moment) iter.Seq[*tidemark.Series] {
	return func(yield func(*tidemark.Series) bool) {
		for series, l := range everyCluster(now) {
			series.Group = p.Group
			if p.Group != "" && p.means(l.Cluster, p.Group) && !yield(series) {
				return
			}
			for i := range l.groups {
				series.Group = l.groups[i].Name
				if series.Group != p.Group && p.means(l.Cluster, series.Group) && !yield(series) {
					return
				}
			}
		}
	}
}

type limit struct {
	name  string
	value float64
}

func limits(t tidemark.Thresholds) [5]limit {
	return [...]limit{
		{"lag_records", float64(t.LagRecords)},
		{"drain", t.Drain.Seconds()},
		{"time_lag", t.TimeLag.Seconds()},
		{"skew", t.Skew},
		{"members_min", float64(t.MembersMin)},
	}
}
