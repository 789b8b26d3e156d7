package web

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

func number[T int | int32 | int64 | float64](value T) Number { return Number{float64(value), true} }

// when returns a number that is known only if the condition holds.
func when[T int | int32 | int64 | float64](known bool, value T) Number {
	if !known {
		return Number{}
	}
	return number(value)
}

func seconds(known bool, d time.Duration) Number { return when(known, d.Seconds()) }

func rateOf(r tidemark.Rate) Rate {
	return Rate{when(r.Known, r.PerSecond), when(r.Known, r.Error)}
}

func timeLagOf(t tidemark.TimeLag) TimeLag {
	return TimeLag{seconds(t.Known, t.Value), seconds(t.Known, t.Error)}
}

func lagOf(t tidemark.Total, known bool) Lag {
	return Lag{
		Records: when(t.Complete, t.Records), Known: when(known, t.Records), Complete: t.Complete,
		Partitions: t.Partitions, Missing: t.Missing,
		Uncommitted: t.Uncommitted, UncommittedRecords: t.UncommittedRecords, Lost: t.Lost,
	}
}

// anySeen says whether the sum of what was seen is a sum of anything.
func anySeen(t tidemark.Total) bool { return t.Complete || t.Partitions > t.Missing+t.Uncommitted }

// rowOf puts together what an observation tells about one group. Without an
// estimate the state is unknown, and says so.
func rowOf(o tidemark.Observation, g tidemark.Group) Row {
	e, found := o.Estimate(g.Name)
	if !found {
		e = tidemark.Estimate{State: tidemark.Unknown, Because: "nothing has been estimated yet", Lag: o.Snapshot.Total(g)}
	}
	seen := !g.Reason.Blinds()
	flow := e.Arrivals.Known && e.Consumption.Known
	return Row{
		Cluster: o.Cluster, Group: g.Name, Type: g.Type, Phase: g.Phase,
		State: e.State, Because: e.Because, Reason: g.Reason.String(),
		Fresh: o.Failed == nil && seen, ObservedAt: Time{g.At},
		Lag:     lagOf(e.Lag, anySeen(e.Lag)),
		TimeLag: timeLagOf(e.TimeLag), Arrivals: rateOf(e.Arrivals), Consumption: rateOf(e.Consumption),
		Slope:    when(flow, e.Arrivals.PerSecond-e.Consumption.PerSecond),
		Drain:    Drain{seconds(e.Drain.Known, e.Drain.P10), seconds(e.Drain.Known, e.Drain.P50), seconds(e.Drain.Known, e.Drain.P90)},
		Replicas: replicasOf(e.Replicas, seen && found), Capacity: rateOf(e.ReplicaCapacity), Headroom: headroom(e),
		Skew: when(e.Skew > 0, e.Skew), Members: when(seen, len(g.Members)),
	}
}

// replicasOf shows how many there are and could be as soon as the members were
// seen; how many it takes follows from rates, which come later.
func replicasOf(r tidemark.Replicas, seen bool) Replicas {
	return Replicas{when(seen, r.Have), when(r.Known, r.Needed), when(seen, r.Useful), when(r.Known, r.PartitionsNeeded)}
}

// headroom is 1 − λ/(μ·speedup): with 2.7/s each, 3 replicas on 3 partitions read
// 8.1/s; 2.7/s arrive: two thirds are free.
func headroom(e tidemark.Estimate) Number {
	together := e.ReplicaCapacity.PerSecond * capacity.Speedup(e.Lag.Partitions, e.Replicas.Have)
	return when(e.ReplicaCapacity.Known && e.Arrivals.Known && together > 0, 1-e.Arrivals.PerSecond/together)
}

func clusterOf(o tidemark.Observation) Cluster {
	c := Cluster{Name: o.Cluster}
	if o.Failed != nil {
		c.Failed = o.Failed.Error()
	}
	s := o.Snapshot
	if s == nil {
		return c
	}
	up := 0
	for _, b := range s.Brokers {
		if b.Up {
			up++
		}
	}
	c.ObservedAt, c.Look = Time{s.Ended}, number(s.Ended.Sub(s.Began).Seconds())
	c.Brokers, c.BrokersUp = number(len(s.Brokers)), number(up)
	c.Topics, c.Partitions, c.Gaps = number(len(s.Topics)), number(len(s.Partitions)), number(len(s.Gaps))
	return c
}

// gapsOf returns the first of what the observations did not see, failed looks first.
func gapsOf(most int, observations ...tidemark.Observation) []Gap {
	gaps := []Gap{}
	for _, o := range observations {
		if o.Failed != nil {
			gaps = append(gaps, Gap{Cluster: o.Cluster, What: "cluster " + o.Cluster, Reason: tidemark.Unreachable.String(), Text: o.Failed.Error()})
		}
	}
	for _, o := range observations {
		if o.Snapshot == nil {
			continue
		}
		for _, g := range o.Snapshot.Gaps {
			if len(gaps) >= most {
				return gaps
			}
			gap := Gap{Cluster: o.Cluster, What: g.What, Reason: g.Reason.String()}
			if g.Err != nil {
				gap.Text = g.Err.Error()
			}
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// eventsOf returns the latest events that are wanted, newest first.
func eventsOf(events []tidemark.Event, wanted func(tidemark.Event) bool) []Event {
	out := []Event{}
	for _, e := range slices.Backward(events) {
		if len(out) == shownEvents {
			break
		}
		if wanted(e) {
			out = append(out, Event{Time{e.At}, string(e.Kind), e.Cluster, e.Group, e.Text})
		}
	}
	return out
}

func alertsOf(alerts []tidemark.Alert, wanted func(Name) bool) []Alert {
	out := []Alert{}
	for _, a := range alerts {
		if !wanted(about(a)) {
			continue
		}
		out = append(out, Alert{
			Name: a.Name, State: string(a.State), Severity: a.Labels["severity"],
			Labels: present(a.Labels), Annotations: present(a.Annotations), Value: number(a.Value),
			ActiveSince: Time{a.ActiveSince}, FiredAt: Time{a.FiredAt}, ResolvedAt: Time{a.ResolvedAt}, DataMissingSince: Time{a.DataMissingSince},
		})
	}
	return out
}

// present is the map, or an empty one instead of none.
func present(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}

// about says which group an alert is about; the group is empty if about none.
func about(a tidemark.Alert) Name { return Name{a.Labels["cluster"], a.Labels["consumergroup"]} }

func firingByGroup(alerts []tidemark.Alert) map[Name]int {
	n := map[Name]int{}
	for _, a := range alerts {
		if a.State == tidemark.AlertFiring {
			n[about(a)]++
		}
	}
	return n
}

func countAlerts(alerts []tidemark.Alert) AlertCount {
	var n AlertCount
	for _, a := range alerts {
		switch {
		case a.State == tidemark.AlertPending:
			n.Pending++
		case a.State != tidemark.AlertFiring:
		case a.Labels["severity"] == "critical":
			n.Critical++
		case a.Labels["severity"] == "warning":
			n.Warning++
		default:
			n.Other++
		}
	}
	return n
}

// partitionsOf returns a group's partitions with their estimates and owners.
func partitionsOf(s *tidemark.Snapshot, g tidemark.Group, e tidemark.Estimate) []Partition {
	owners, partitions := ownersOf(g), s.Of(g.Name)
	out := make([]Partition, len(partitions))
	for i, p := range partitions {
		out[i] = Partition{
			Topic: p.Topic, ID: p.ID, State: tidemark.Unknown, Reason: p.Reason.String(),
			LogStart: when(p.LogStart >= 0, p.LogStart), LogEnd: when(p.LogEnd >= 0, p.LogEnd),
			Committed: when(p.Committed >= 0, p.Committed), Owner: owners[place{p.Topic, p.ID}],
		}
		lag, known := p.Lag()
		out[i].Lag, out[i].Lost = when(known, lag), when(known, p.Lost())
		located(&out[i], s)
		if len(e.Partitions) == len(partitions) {
			estimated(&out[i], e.Partitions[i])
		}
		if out[i].Reason == "" && p.Committed == tidemark.Uncommitted {
			out[i].Reason = tidemark.NeverCommitted.String()
		}
	}
	return out
}

// located adds what the partition's log is known to be, whoever reads it.
func located(p *Partition, s *tidemark.Snapshot) {
	topic, _ := s.Topic(p.Topic)
	i, found := slices.BinarySearchFunc(topic.Partitions, p.ID, func(l tidemark.Log, id int32) int { return cmp.Compare(l.ID, id) })
	if !found {
		return
	}
	l := topic.Partitions[i]
	p.Leader, p.ObservedAt = when(l.Reason != tidemark.Denied, l.Leader), Time{l.At}
	p.HeldSince, p.Stable = Time{l.Held}, when(!l.Held.IsZero(), l.Stable)
}

func estimated(p *Partition, e tidemark.PartitionEstimate) {
	p.State, p.TimeLag = cmp.Or(e.State, tidemark.Unknown), timeLagOf(e.TimeLag)
	p.Arrivals, p.Consumption = rateOf(e.Arrivals), rateOf(e.Consumption)
	if e.Reason != tidemark.Fine {
		p.Reason = e.Reason.String()
	}
}

// place is one partition of one topic.
type place struct {
	topic string
	id    int32
}

func ownersOf(g tidemark.Group) map[place]string {
	owners := map[place]string{}
	for _, m := range g.Members {
		for _, a := range m.Assigned {
			for _, id := range a.Partitions {
				owners[place{a.Topic, id}] = m.ID
			}
		}
	}
	return owners
}

// membersOf returns the members, each with the lag of what it owns.
func membersOf(g tidemark.Group, partitions []Partition) []Member {
	lags := map[string]Number{}
	for _, p := range partitions {
		sum, seen := lags[p.Owner]
		lags[p.Owner] = when(p.Lag.Known && (!seen || sum.Known), sum.Value+p.Lag.Value)
	}
	out := []Member{}
	for _, m := range g.Members {
		owned := 0
		for _, a := range m.Assigned {
			owned += len(a.Partitions)
		}
		out = append(out, Member{m.ID, m.InstanceID, m.Client, strings.TrimPrefix(m.Host, "/"), owned, lags[m.ID]})
	}
	return out
}

// watcher is a pipeline with its pattern compiled: there may be 10,000 names to match.
type watcher struct {
	tidemark.Pipeline
	names *regexp.Regexp
}

func watchersOf(pipelines []tidemark.Pipeline) []watcher {
	watchers := make([]watcher, len(pipelines))
	for i, p := range pipelines {
		watchers[i] = watcher{p, p.Names()}
	}
	return watchers
}

// pipeline returns the first pipeline that watches the group, or an empty one.
func (m *moment) pipeline(name Name) tidemark.Pipeline {
	for _, w := range m.watchers {
		if (w.Cluster == "" || w.Cluster == name.Cluster) && w.names.MatchString(name.Group) {
			return w.Pipeline
		}
	}
	return tidemark.Pipeline{}
}

func thresholdsOf(t tidemark.Thresholds) Thresholds {
	return Thresholds{
		LagRecords: when(t.LagRecords > 0, t.LagRecords), Drain: seconds(t.Drain > 0, t.Drain), TimeLag: seconds(t.TimeLag > 0, t.TimeLag),
		Skew: when(t.Skew > 0, t.Skew), MembersMin: when(t.MembersMin > 0, t.MembersMin),
	}
}
