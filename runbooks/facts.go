package runbooks

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aetherlink/tidemark"
)

// facts is what a template may say: its exported methods are the closed set of
// words. What is not known reads "unknown".
type facts struct {
	alert      string
	view       *tidemark.View
	cluster    string
	group      string
	look       tidemark.Observation
	members    tidemark.Group
	estimate   tidemark.Estimate
	partitions []tidemark.Partition
	total      tidemark.Total
	pipeline   tidemark.Pipeline
	fresh      bool // the latest look saw the group
}

// about finds the group and what is known of it.
func about(alert string, s Subject) *facts {
	f := &facts{alert: alert, view: s.View, cluster: s.Cluster, group: s.Group}
	if f.view == nil {
		return f
	}
	if f.group == "" {
		f.choose()
	}
	if f.cluster == "" {
		f.cluster = f.clusterOf(f.group)
	}
	f.look, _ = f.view.Observation(f.cluster)
	for _, p := range f.view.Pipelines {
		if (p.Cluster == f.cluster || p.Cluster == "") && p.Names().MatchString(f.group) {
			f.pipeline = p
			break
		}
	}
	if f.look.Snapshot == nil {
		return f
	}
	f.members, f.fresh = f.look.Snapshot.Group(f.group)
	f.fresh = f.fresh && f.look.Failed == nil
	f.estimate, _ = f.look.Estimate(f.group)
	f.partitions = f.look.Snapshot.Of(f.group)
	f.total = f.look.Snapshot.Total(f.members)
	return f
}

// choose takes the group of the first alert that is active, else the first group
// that a pipeline watches: alerts about a service or a cluster name none.
func (f *facts) choose() {
	for _, a := range f.active() {
		if f.cluster == "" || a.Labels["cluster"] == f.cluster {
			f.cluster, f.group = a.Labels["cluster"], a.Labels["consumergroup"]
			break
		}
	}
	for i := 0; f.group == "" && i < len(f.view.Pipelines); i++ {
		f.chooseFrom(f.view.Pipelines[i])
	}
}

func (f *facts) chooseFrom(p tidemark.Pipeline) {
	names := p.Names()
	for _, o := range f.view.Observations {
		if (p.Cluster != "" && p.Cluster != o.Cluster) || (f.cluster != "" && f.cluster != o.Cluster) {
			continue
		}
		for _, e := range o.Estimates {
			if names.MatchString(e.Group) {
				f.cluster, f.group = o.Cluster, e.Group
				return
			}
		}
	}
}

// clusterOf is where a group is; an alert about a cluster names no group.
func (f *facts) clusterOf(group string) string {
	for _, o := range f.view.Observations {
		if _, found := o.Estimate(group); found {
			return o.Cluster
		}
	}
	if len(f.view.Observations) > 0 {
		return f.view.Observations[0].Cluster
	}
	return ""
}

// active are this alert's instances that pend or fire.
func (f *facts) active() (active []tidemark.Alert) {
	if f.view == nil {
		return nil
	}
	for _, a := range f.view.Alerts {
		if a.Name == f.alert && a.State != tidemark.AlertResolved {
			active = append(active, a)
		}
	}
	return active
}

// Live says that there are values to show.
func (f *facts) Live() bool { return f.view != nil }

// Named says that the page is about a group.
func (f *facts) Named() bool { return f.group != "" }

// Alerts are sentences: where the alert is active, since when, and a link to the same page about it.
func (f *facts) Alerts() (lines []string) {
	for _, a := range f.active() {
		line := fmt.Sprintf("%s since %s (%s)", a.State, a.ActiveSince.UTC().Format("15:04:05 MST"), span(f.view.At.Sub(a.ActiveSince)))
		if group := a.Labels["consumergroup"]; group != "" {
			line += ", group " + code(group) + " on " + code(a.Labels["cluster"])
			if group != f.group || a.Labels["cluster"] != f.cluster {
				query := url.Values{"cluster": {a.Labels["cluster"]}, "group": {group}}
				line += fmt.Sprintf(" ([its page](/runbooks/%s?%s))", f.alert, query.Encode())
			}
		}
		if says := a.Annotations["summary"]; says != "" {
			line += ": " + plain(says)
		}
		if !a.DataMissingSince.IsZero() {
			line += " (data missing since " + a.DataMissingSince.UTC().Format("15:04:05 MST") + ": it cannot be checked, so it stays)"
		}
		lines = append(lines, line)
	}
	return lines
}

// Group and Cluster are the names, as code.
func (f *facts) Group() string   { return code(f.group) }
func (f *facts) Cluster() string { return code(f.cluster) }

// Page is the path of the group's page, or of the overview.
func (f *facts) Page() string {
	if !f.Named() {
		return "/"
	}
	return "/groups/" + url.PathEscape(f.cluster) + "/" + url.PathEscape(f.group)
}

// Age is how long ago the cluster was seen.
func (f *facts) Age() string {
	if f.view != nil {
		if age, known := f.look.Age(f.view.At); known {
			return span(age) + " ago"
		}
	}
	return "never"
}

// State is the group's word and the sentence with the numbers that decided.
func (f *facts) State() string {
	if !f.fresh || f.estimate.State == "" {
		return string(tidemark.Unknown)
	}
	word := strings.ReplaceAll(string(f.estimate.State), "_", " ")
	if f.estimate.Because == "" {
		return word
	}
	return word + ": " + plain(f.estimate.Because)
}

// Lag is how far behind in records; of a part it says that it is a part.
func (f *facts) Lag() string {
	switch {
	case !f.fresh:
		return unknown
	case f.total.Complete:
		return several(f.total.Records, "record")
	}
	return fmt.Sprintf("unknown: %d of %d partitions are not known, the others hold %s",
		f.total.Missing+f.total.Uncommitted, f.total.Partitions, several(f.total.Records, "record"))
}

// TimeLag is how long the oldest unread record has waited.
func (f *facts) TimeLag() string {
	t := f.estimate.TimeLag
	if !f.fresh || !t.Known {
		return unknown
	}
	return span(t.Value) + " ±" + span(t.Error)
}

// Arrivals, Consumption and Capacity are records per second.
func (f *facts) Arrivals() string    { return f.rate(f.estimate.Arrivals) }
func (f *facts) Consumption() string { return f.rate(f.estimate.Consumption) }
func (f *facts) Capacity() string    { return f.rate(f.estimate.ReplicaCapacity) }

func (f *facts) rate(r tidemark.Rate) string {
	if !f.fresh || !r.Known {
		return unknown
	}
	return perSecond(r.PerSecond)
}

// ETA is when the lag will be gone, net of arrivals, or why there is no such time.
func (f *facts) ETA() string {
	d := f.estimate.Drain
	switch {
	case !f.fresh:
		return unknown
	case d.Known && d.P50 == 0:
		return "now: nothing is left to catch up with"
	case d.Known:
		return fmt.Sprintf("%s (between %s and %s)", span(d.P50), span(d.P10), span(d.P90))
	}
	switch f.estimate.State {
	case tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		return "never, as it is"
	case tidemark.Steady:
		return "not in sight: the lag neither falls nor grows"
	default:
		return unknown
	}
}

// Have, Needed, Useful and PartitionsNeeded are counts.
func (f *facts) Have() string {
	return f.count(f.estimate.Replicas.Have, !f.members.Reason.Blinds())
}

func (f *facts) Useful() string {
	return f.count(f.estimate.Replicas.Useful, f.estimate.Replicas.Useful > 0)
}

func (f *facts) Needed() string {
	return f.count(f.estimate.Replicas.Needed, f.estimate.Replicas.Known)
}

func (f *facts) PartitionsNeeded() string {
	return f.count(f.estimate.Replicas.PartitionsNeeded, f.estimate.Replicas.Known)
}

func (f *facts) count(n int, known bool) string {
	if !f.fresh || !known {
		return unknown
	}
	return strconv.Itoa(n)
}

// Partitions is how many the group reads, and of which topics.
func (f *facts) Partitions() string {
	if !f.fresh || len(f.partitions) == 0 {
		return unknown
	}
	topics := f.topics()
	for i := range topics {
		topics[i] = code(topics[i])
	}
	return fmt.Sprintf("%d of %s", len(f.partitions), strings.Join(topics, ", "))
}

func (f *facts) topics() (topics []string) {
	for _, p := range f.partitions {
		if !slices.Contains(topics, p.Topic) {
			topics = append(topics, p.Topic)
		}
	}
	return topics
}

// Hottest is the partition with the most unread records.
func (f *facts) Hottest() string {
	p, lag, known := f.hottest()
	if !known || lag == 0 {
		return unknown
	}
	text := fmt.Sprintf("partition %d of %s with %s", p.ID, code(p.Topic), several(lag, "record"))
	switch {
	case f.total.Missing > 0:
		text += ", of those that were seen"
	case f.estimate.Skew > 0:
		text += fmt.Sprintf(", %s times the mean of all", significant(f.estimate.Skew))
	}
	return text
}

func (f *facts) hottest() (hottest tidemark.Partition, most int64, known bool) {
	if !f.fresh {
		return hottest, 0, false
	}
	for _, p := range f.partitions {
		if lag, seen := p.Lag(); seen && (!known || lag > most) {
			hottest, most, known = p, lag, true
		}
	}
	return hottest, most, known
}

// GroupArg, TopicArg, PartitionArg, Service and Broker go into commands. What is
// not known, or cannot be pasted into a shell as it is, is a word in capitals.
func (f *facts) GroupArg() string { return argument(f.group, "GROUP") }

func (f *facts) TopicArg() string {
	if p, _, known := f.hottest(); known {
		return argument(p.Topic, "TOPIC")
	}
	if len(f.pipeline.Topics) > 0 {
		return argument(f.pipeline.Topics[0], "TOPIC")
	}
	return "TOPIC"
}

func (f *facts) PartitionArg() string {
	if p, _, known := f.hottest(); known {
		return strconv.Itoa(int(p.ID))
	}
	return "PARTITION"
}

func (f *facts) Service() string { return argument(f.pipeline.Scrape.Job, "SERVICE") }

func (f *facts) Broker() string {
	if f.look.Snapshot != nil && len(f.look.Snapshot.Brokers) > 0 {
		return argument(f.look.Snapshot.Brokers[0].Address, "BROKER:9092")
	}
	return "BROKER:9092"
}

// ScaleTo is how many replicas to try next: what is needed, as far as the
// partitions allow.
func (f *facts) ScaleTo() string {
	r := f.estimate.Replicas
	if !f.fresh || !r.Known || r.Useful == 0 {
		return "REPLICAS"
	}
	return strconv.Itoa(max(1, min(r.Needed, r.Useful)))
}

// AddPartitions is how many partitions to add for the replicas that are needed.
func (f *facts) AddPartitions() string {
	if more := f.estimate.Replicas.PartitionsNeeded - len(f.partitions); f.fresh && f.estimate.Replicas.Known && more > 0 {
		return strconv.Itoa(more)
	}
	return "HOW_MANY_MORE"
}

// PartitionsAfter is the count that AddPartitions leads to.
func (f *facts) PartitionsAfter() string {
	if f.AddPartitions() == "HOW_MANY_MORE" {
		return "PARTITIONS"
	}
	return strconv.Itoa(f.estimate.Replicas.PartitionsNeeded)
}
