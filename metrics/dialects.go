package metrics

import (
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/aetherlink/tidemark"
)

// Dialects are the exporters whose names a page can use beside ours, by [Compat].Names.
func Dialects() []string { return slices.Sorted(maps.Keys(dialects())) }

// FamiliesOf returns the families under the names of one of [Dialects].
func FamiliesOf(dialect string) []Family {
	var families []Family
	for _, row := range dialects()[dialect]() {
		families = append(families, row.Family)
	}
	return families
}

func dialects() map[string]func() []row {
	return map[string]func() []row{"kminion": kminionRows, "klag-exporter": klagRows}
}

// spoken writes rows in a dialect: with its prefix and its labels.
func spoken(d dialect, prefix string, rows []row) []row {
	words := map[string]string{cluster: d.cluster, group: d.group, topic: d.topic, partition: d.partition}
	for i := range rows {
		rows[i].Name, rows[i].speak = prefix+rows[i].Name, d
		for j, label := range rows[i].Labels {
			if word, is := words[label]; is {
				rows[i].Labels[j] = word
			}
		}
	}
	return rows
}

// kminionRows are KMinion's names, with its usual prefix, for what we know. What it
// knows of broker disks, topic settings and counts of commits is not here.
func kminionRows() []row {
	return spoken(dialect{cluster, "group_id", "topic_name", "partition_id"}, "kminion_", []row{
		gauge("exporter_up", "", "1 while the cluster is seen.", each(clusters, always)),
		gauge("kafka_consumer_group_topic_partition_lag", "records", "Records of the partition that the group has still to read.",
			ofPartition(lag), group, topic, partition),
		gauge("kafka_consumer_group_topic_lag", "records", "Records of the topic that the group has still to read.",
			each(readings, (*reading).lag), group, topic),
		gauge("kafka_consumer_group_topic_offset_sum", "records", "Sum of the group's commits on the topic.",
			each(readings, (*reading).committed), group, topic),
		gauge("kafka_consumer_group_info", "", "1 if the group is stable, else 0.",
			each(kminionInfos, itself), group, "protocol", "state", "coordinator_id"),
		gauge("kafka_consumer_group_members", "members", "Members of the group.",
			each(groups, (*reader).members), group),
		gauge("kafka_consumer_group_empty_members", "members", "Members that own no partition.",
			each(groups, (*reader).idle), group),
		gauge("kafka_consumer_group_topic_members", "members", "Members that own a partition of the topic.",
			each(ownership, func(o owning) (float64, bool) { return float64(o.members), true }), group, topic),
		gauge("kafka_consumer_group_topic_assigned_partitions", "partitions", "Partitions of the topic that a member owns.",
			each(ownership, func(o owning) (float64, bool) { return float64(o.partitions), true }), group, topic),
		gauge("kafka_topic_partition_high_water_mark", "records", "End of the partition.", ofLog(end), topic, partition),
		gauge("kafka_topic_partition_low_water_mark", "records", "First offset of the partition that is kept.", ofLog(start), topic, partition),
		gauge("kafka_topic_high_water_mark_sum", "records", "Sum of the ends of the topic's partitions.", each(topics, sumOf(end)), topic),
		gauge("kafka_topic_low_water_mark_sum", "records", "Sum of the first offsets of the topic's partitions.", each(topics, sumOf(start)), topic),
	})
}

func kminionInfos(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for series, g := range infos(now) {
			series.More = [3]tidemark.Label{
				{Name: "protocol", Value: g.Assignor},
				{Name: "state", Value: g.Phase},
				{Name: "coordinator_id", Value: strconv.Itoa(int(g.Coordinator))},
			}
			if !yield(series, truth(g.Phase == "Stable")) {
				return
			}
		}
	}
}

// owning is what the members of a group own of one topic.
type owning struct{ members, partitions int }

func ownership(now moment) iter.Seq2[*tidemark.Series, owning] {
	return func(yield func(*tidemark.Series, owning) bool) {
		for series, g := range groups(now) {
			for _, r := range g.topics {
				if g.unmet() || g.Rebalancing() || g.shown == PerGroup {
					break
				}
				series.Topic = r.topic
				if !yield(series, g.owning(r.topic)) {
					return
				}
			}
		}
	}
}

func (g *reader) owning(topic string) (o owning) {
	for _, m := range g.Members {
		for _, a := range m.Assigned {
			if a.Topic == topic && len(a.Partitions) > 0 {
				o.members++
				o.partitions += len(a.Partitions)
			}
		}
	}
	return o
}

// sumOf is the sum over all partitions of a topic, if each was seen.
func sumOf(value func(*tidemark.Log) (float64, bool)) func(*tidemark.Topic) (float64, bool) {
	return func(t *tidemark.Topic) (float64, bool) {
		sum := 0.0
		for i := range t.Partitions {
			v, known := value(&t.Partitions[i])
			if !known {
				return 0, false
			}
			sum += v
		}
		return sum, len(t.Partitions) > 0
	}
}

// klagRows are the names of klag-exporter and of the Kafka Lag Exporter before it.
func klagRows() []row {
	perPartition := []string{group, topic, partition, "member_host", "consumer_id", "client_id"}
	rows := []row{
		gauge("kafka_lag_exporter_up", "", "1 while the cluster is seen.", each(clusters, always)),
		gauge("kafka_partition_latest_offset", "records", "End of the partition.", ofLog(end), topic, partition),
		gauge("kafka_partition_earliest_offset", "records", "First offset of the partition that is kept.", ofLog(start), topic, partition),
		gauge("kafka_consumergroup_group_offset", "records", "Commit of the group.", each(klags, klag.offset), perPartition...),
		gauge("kafka_consumergroup_group_lag", "records", "Records of the partition that the group has still to read.", each(klags, klag.lag), perPartition...),
		gauge("kafka_consumergroup_group_lag_seconds", "seconds", "How long the oldest unread record has waited.", each(klags, klag.seconds), perPartition...),
		gauge("kafka_consumergroup_group_messages_lost", "records", "Records deleted before the group had read them.", each(klags, klag.lost), perPartition...),
		gauge("kafka_consumergroup_group_retention_margin", "records", "Records between the first that is kept and the commit.", each(klags, klag.margin), perPartition...),
		gauge("kafka_consumergroup_group_max_lag", "records", "Lag of the partition furthest behind.", each(groups, (*reader).maxLag), group),
		gauge("kafka_consumergroup_group_max_lag_seconds", "seconds", "How long the oldest unread record has waited, in the worst partition.", lagSeconds(), group),
		gauge("kafka_consumergroup_group_sum_lag", "records", "Records that the group has still to read.", each(groups, (*reader).lag), group),
		gauge("kafka_consumergroup_group_topic_sum_lag", "records", "Records of the topic that the group has still to read.", each(readings, (*reading).lag), group, topic),
		gauge("kafka_consumergroup_group_state", "", "0 unknown, 1 preparing rebalance, 2 completing rebalance, 3 stable, 4 dead, 5 empty, 6 assigning, 7 reconciling.",
			each(groups, (*reader).klagState), group),
	}
	return spoken(dialect{"cluster_name", "group", topic, partition}, "", rows)
}

// klag is one partition of a group and what was estimated of it.
type klag struct {
	*tidemark.Partition
	timeLag tidemark.TimeLag
}

// klags yields the partitions of groups, with the owner in the labels: series end
// here whenever a consumer begins anew, as they do with klag-exporter.
func klags(now moment) iter.Seq2[*tidemark.Series, klag] {
	return func(yield func(*tidemark.Series, klag) bool) {
		for series, g := range groups(now) {
			if g.Reason.Blinds() || g.shown != PerPartition {
				continue
			}
			owners, estimates := g.owners(), g.estimates()
			for i := range g.partitions {
				p := klag{Partition: &g.partitions[i]}
				if estimates != nil {
					p.timeLag = estimates[i].TimeLag
				}
				series.Topic, series.Partition = p.Topic, tidemark.OrdinalOf(p.ID)
				series.More = [3]tidemark.Label{}
				if m := owners[place{p.Topic, p.ID}]; m != nil {
					series.More = [3]tidemark.Label{{Name: "member_host", Value: m.Host}, {Name: "consumer_id", Value: m.ID}, {Name: "client_id", Value: m.Client}}
				}
				if !yield(series, p) {
					return
				}
			}
		}
	}
}

func (k klag) offset() (float64, bool)  { return committed(k.Partition) }
func (k klag) lag() (float64, bool)     { return lag(k.Partition) }
func (k klag) seconds() (float64, bool) { return k.timeLag.Value.Seconds(), k.timeLag.Known }

func (k klag) lost() (float64, bool) {
	_, known := committed(k.Partition)
	return float64(k.Lost()), known && k.LogStart >= 0
}

func (k klag) margin() (float64, bool) {
	at, known := committed(k.Partition)
	return at - float64(k.LogStart), known && k.LogStart >= 0
}

// maxLag is the largest of all, if all are known.
func (g *reader) maxLag() (float64, bool) {
	most := int64(0)
	for i := range g.partitions {
		records, _ := g.partitions[i].Lag()
		most = max(most, records)
	}
	return float64(most), g.total.Complete && g.total.Partitions > 0
}

func (g *reader) klagState() (float64, bool) {
	phases := []string{"", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"}
	return float64(max(0, slices.Index(phases, g.Phase))), !g.unmet()
}
