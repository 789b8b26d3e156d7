package metrics

import (
	"iter"
	"time"

	"github.com/aetherlink/tidemark"
)

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

// seenWhole says that no commit of the group was missed, so that a count of
// partitions is a count of all.
func (g *reader) seenWhole() bool {
	return !g.Reason.Blinds() && g.total.Missing == 0
}

// behind says that the group is more than a few batches from the end.
func (g *reader) behind() bool {
	switch g.estimate.State {
	case tidemark.Draining, tidemark.Steady, tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		return true
	case tidemark.Idle, tidemark.CaughtUp, tidemark.Unknown:
	}
	return false
}

func partitions(now moment) iter.Seq2[*tidemark.Series, *tidemark.Partition] {
	return func(yield func(*tidemark.Series, *tidemark.Partition) bool) {
		for series, r := range readings(now) {
			for i := range r.partitions {
				series.Partition = tidemark.OrdinalOf(r.partitions[i].ID)
				if !yield(series, &r.partitions[i]) {
					return
				}
			}
		}
	}
}

func lag(p *tidemark.Partition) (float64, bool) {
	records, known := p.Lag()
	return float64(records), known
}

func committed(p *tidemark.Partition) (float64, bool) {
	return float64(p.Committed), p.Committed >= 0 && !p.Reason.Blinds()
}

// reading is one topic as one group reads it.
type reading struct {
	topic      string
	partitions []tidemark.Partition
	estimates  []tidemark.PartitionEstimate // of the same partitions, or none
	total      tidemark.Total
}

// readings cuts the group's partitions where the topic changes.
func (g *reader) readings() []reading {
	var all []reading
	for from := 0; from < len(g.partitions); {
		r := reading{topic: g.partitions[from].Topic, total: tidemark.Total{Complete: true}}
		to := from
		for ; to < len(g.partitions) && g.partitions[to].Topic == r.topic; to++ {
			r.total.Add(g.partitions[to])
		}
		r.partitions, r.estimates = g.partitions[from:to], g.estimates(from, to)
		all, from = append(all, r), to
	}
	return all
}

// readings yields no group whose commits were not seen: whatever stands there is old.
func readings(now moment) iter.Seq2[*tidemark.Series, *reading] {
	return func(yield func(*tidemark.Series, *reading) bool) {
		for series, g := range groups(now) {
			if g.Reason.Blinds() {
				continue
			}
			for i := range g.topics {
				series.Topic = g.topics[i].topic
				if !yield(series, &g.topics[i]) {
					return
				}
			}
		}
	}
}

// estimates returns what was estimated for some of the group's partitions.
func (g *reader) estimates(from, to int) []tidemark.PartitionEstimate {
	if g.estimate == nil || len(g.estimate.Partitions) != len(g.partitions) {
		return nil
	}
	return g.estimate.Partitions[from:to]
}

func (r *reading) lag() (float64, bool) {
	return float64(r.total.Records), r.total.Complete
}

// committed adds up commits. Partitions never committed have none: they add
// nothing, in particular no -1.
func (r *reading) committed() (float64, bool) {
	sum, some := 0.0, false
	for i := range r.partitions {
		switch value, known := committed(&r.partitions[i]); {
		case known:
			sum, some = sum+value, true
		case r.partitions[i].Committed != tidemark.Uncommitted || r.partitions[i].Reason.Blinds():
			return 0, false
		}
	}
	return sum, some
}

// lagSeconds is the worst time lag, if that of every partition with a lag is known.
func (r *reading) lagSeconds() (float64, bool) {
	if !r.total.Complete || r.estimates == nil {
		return 0, false
	}
	worst := time.Duration(0)
	for i, p := range r.partitions {
		if _, has := p.Lag(); !has {
			continue
		}
		if !r.estimates[i].TimeLag.Known {
			return 0, false
		}
		worst = max(worst, r.estimates[i].TimeLag.Value)
	}
	return worst.Seconds(), true
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
			present := tidemark.Unknown
			if g.estimate != nil && !g.stale {
				present = g.estimate.State
			}
			for _, state := range all {
				series.More[0] = tidemark.Label{Name: "state", Value: string(state)}
				if !yield(series, truth(state == present)) {
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

// partitionsOf yields the estimated partitions of the groups that are chosen.
func partitionsOf(now moment, chosen func(*reader) bool) iter.Seq2[*tidemark.Series, *tidemark.PartitionEstimate] {
	return func(yield func(*tidemark.Series, *tidemark.PartitionEstimate) bool) {
		for series, g := range groups(now) {
			if g.estimate == nil || !chosen(g) {
				continue
			}
			for i := range g.estimate.Partitions {
				p := &g.estimate.Partitions[i]
				series.Topic, series.Partition = p.Topic, tidemark.OrdinalOf(p.ID)
				if !yield(series, p) {
					return
				}
			}
		}
	}
}

func watchedPartitions(now moment) iter.Seq2[*tidemark.Series, *tidemark.PartitionEstimate] {
	return partitionsOf(now, func(g *reader) bool { return g.watched || g.behind() })
}

// troubledPartitions leaves out what is unknown for no reason of its own, as all
// partitions are in the first looks: there the group's state says it once.
func troubledPartitions(now moment) iter.Seq2[*tidemark.Series, *tidemark.PartitionEstimate] {
	return func(yield func(*tidemark.Series, *tidemark.PartitionEstimate) bool) {
		for series, p := range partitionsOf(now, func(*reader) bool { return true }) {
			switch p.State {
			case tidemark.Idle, tidemark.CaughtUp, tidemark.Draining:
				continue
			case tidemark.Unknown:
				if p.Reason == tidemark.Fine {
					continue
				}
			case tidemark.Steady, tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
			}
			series.More = [3]tidemark.Label{{Name: "state", Value: string(p.State)}, {Name: "reason", Value: p.Reason.String()}}
			if !yield(series, p) {
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
