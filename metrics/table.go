package metrics

import "github.com/aetherlink/tidemark"

// row is a family and the walk that finds its series in a view.
type row struct {
	Family
	walk  walk
	speak dialect
}

// dialect is how somebody calls the labels that nearly all series have; an empty
// name: it has no such label.
type dialect struct{ cluster, group, topic, partition string }

// The labels that families share. Every family has cluster: rules join on it.
const (
	cluster   = "cluster"
	group     = "consumergroup"
	topic     = "topic"
	partition = "partition"
)

// table has our families and then those that are asked for under others' names.
func table(c Compat) []row {
	rows := clusterRows()
	rows = append(rows, topicRows()...)
	rows = append(rows, groupRows(c)...)
	rows = append(rows, ownLagRows()...)
	rows = append(rows, keepingRows()...)
	rows = append(rows, whoRows()...)
	rows = append(rows, modelRows()...)
	rows = append(rows, lookRows()...)
	for _, name := range c.Names {
		rows = append(rows, dialects()[name]()...)
	}
	return rows
}

// gauge is a family whose series carry the given labels beside cluster.
func gauge(name, unit, help string, walk walk, labels ...string) row {
	return row{Family: Family{Name: name, Type: Gauge, Unit: unit, Help: help, Labels: append([]string{cluster}, labels...)}, walk: walk, speak: dialect{cluster, group, topic, partition}}
}

func counter(name, unit, help string, walk walk, labels ...string) row {
	r := gauge(name, unit, help, walk, labels...)
	r.Type = Counter
	return r
}

// clusterRows, topicRows and groupRows have kafka_exporter's names, labels and help
// texts, letter by letter (lag.md section 2.1), and cluster.
func clusterRows() []row {
	return []row{
		gauge("kafka_brokers", "brokers", "Number of Brokers in the Kafka Cluster.",
			each(clusters, func(l *look) (float64, bool) { return l.members(), true })),
		gauge("kafka_broker_info", "", "Information about the Kafka Broker.",
			each(brokers, always), "id", "address"),
	}
}

func topicRows() []row {
	return []row{
		gauge("kafka_topic_partitions", "partitions", "Number of partitions for this Topic",
			each(topics, func(t *tidemark.Topic) (float64, bool) { return float64(len(t.Partitions)), len(t.Partitions) > 0 }), topic),
		gauge("kafka_topic_partition_current_offset", "records", "Current Offset of a Broker at Topic/Partition",
			ofLog(end), topic, partition),
		gauge("kafka_topic_partition_oldest_offset", "records", "Oldest Offset of a Broker at Topic/Partition",
			ofLog(start), topic, partition),
		gauge("kafka_topic_partition_leader", "", "Leader Broker ID of this Topic/Partition",
			ofLog(func(l *tidemark.Log) (float64, bool) { return float64(l.Leader), l.Leader >= 0 }), topic, partition),
		gauge("kafka_topic_partition_replicas", "replicas", "Number of Replicas for this Topic/Partition",
			ofLog(func(l *tidemark.Log) (float64, bool) { return float64(l.Replicas), l.Replicas > 0 }), topic, partition),
		gauge("kafka_topic_partition_in_sync_replica", "replicas", "Number of In-Sync Replicas for this Topic/Partition",
			ofLog(func(l *tidemark.Log) (float64, bool) { return float64(l.InSync), l.Replicas > 0 }), topic, partition),
		gauge("kafka_topic_partition_leader_is_preferred", "", "1 if Topic/Partition is using the Preferred Broker",
			ofLog(func(l *tidemark.Log) (float64, bool) {
				return truth(l.Leader >= 0 && l.Leader == l.PreferredLeader), l.Replicas > 0
			}), topic, partition),
		gauge("kafka_topic_partition_under_replicated_partition", "", "1 if Topic/Partition is under Replicated",
			ofLog(func(l *tidemark.Log) (float64, bool) { return truth(l.InSync < l.Replicas), l.Replicas > 0 }), topic, partition),
	}
}

// keepingRows say what the topics' settings do to those who are behind.
func keepingRows() []row {
	return []row{
		gauge("tidemark_topic_retention_seconds", "seconds", "How long the topic keeps records; absent if it keeps them for ever or does not tell.",
			each(topics, func(t *tidemark.Topic) (float64, bool) { return t.Retention.Seconds(), t.Retention > 0 }), topic),
		gauge("tidemark_topic_compacted", "", "1 for a topic that keeps only the latest record of each key: less than the difference of two offsets is left to read.",
			each(topics, func(t *tidemark.Topic) (float64, bool) { return 1, t.Compacted }), topic),
	}
}

func groupRows(c Compat) []row {
	commits, lags := committed, lag
	if c.NoCommit {
		commits, lags = orMinusOne(committed), orMinusOne(lag)
	}
	return []row{
		gauge("kafka_consumergroup_current_offset", "records", "Current Offset of a ConsumerGroup at Topic/Partition",
			ofPartition(commits), group, topic, partition),
		gauge("kafka_consumergroup_current_offset_sum", "records", "Current Offset of a ConsumerGroup at Topic for all partitions",
			each(compatible, (*reading).committed), group, topic),
		gauge("kafka_consumergroup_lag", "records", "Current Approximate Lag of a ConsumerGroup at Topic/Partition",
			ofPartition(lags), group, topic, partition),
		gauge("kafka_consumergroup_lag_sum", "records", "Current Approximate Lag of a ConsumerGroup at Topic for all partitions",
			each(compatible, (*reading).lag), group, topic),
		gauge("kafka_consumergroup_members", "members", "Amount of members in a consumer group",
			each(groups, (*reader).members), group),
	}
}

// lagSeconds is the time lag of whole groups.
func lagSeconds() walk {
	return each(estimates, func(e *tidemark.Estimate) (float64, bool) { return e.TimeLag.Value.Seconds(), e.TimeLag.Known })
}

func ownLagRows() []row {
	return []row{
		gauge("tidemark_group_lag_records", "records", "Records that the group has still to read; absent unless every partition is known.",
			each(groups, (*reader).lag), group),
		gauge("tidemark_group_topic_lag_records", "records", "Records of the topic that the group has still to read; absent unless every partition is known.",
			each(readings, (*reading).lag), group, topic),
		gauge("tidemark_group_lag_known_records", "records", "Records that the group has still to read in the partitions whose lag is known.",
			each(groups, (*reader).lagKnown), group),
		gauge("tidemark_group_complete", "", "1 if the latest look knows the group's whole lag, else 0.",
			each(everyGroup, func(g *reader) (float64, bool) { return truth(g.total.Complete && !g.stale), true }), group),
		gauge("tidemark_group_uncommitted_partitions", "partitions", "Partitions that the group reads but has never committed; they are no part of its lag.",
			each(groups, func(g *reader) (float64, bool) { return float64(g.total.Uncommitted), g.seenWhole() }), group),
		gauge("tidemark_group_uncommitted_records", "records", "Records in partitions that the group has never committed: at most so many would be read.",
			each(groups, func(g *reader) (float64, bool) { return float64(g.total.UncommittedRecords), g.seenWhole() }), group),
		counter("tidemark_group_lost_records_total", "records", "Records that retention deleted before the group had read them, since the cluster is watched.",
			each(groups, func(g *reader) (float64, bool) { return float64(g.Lost), !g.Reason.Blinds() }), group),
		gauge("tidemark_group_loss_seconds", "seconds", "When retention will begin to delete what the group has not read, if all goes on as it does; absent if that is not in sight.",
			each(estimates, func(e *tidemark.Estimate) (float64, bool) { return e.Loss.In.Seconds(), e.Loss.Known && !e.Loss.Never }), group),
		gauge("tidemark_group_lag_seconds", "seconds", "How long the oldest unread record has waited, in the worst partition of the group.",
			lagSeconds(), group),
		gauge("tidemark_group_topic_lag_seconds", "seconds", "How long the oldest unread record has waited, in the worst partition of the topic.",
			each(readings, (*reading).lagSeconds), group, topic),
		gauge("tidemark_group_lag_seconds_error", "seconds", "Give or take so much: half the width of the interval that tidemark_group_lag_seconds lies in.",
			each(estimates, func(e *tidemark.Estimate) (float64, bool) { return e.TimeLag.Error.Seconds(), e.TimeLag.Known }), group),
		gauge("tidemark_partition_lag_seconds", "seconds", "How long the oldest unread record of the partition has waited; for groups of a pipeline and groups that are behind.",
			each(watchedPartitions, func(e *tidemark.PartitionEstimate) (float64, bool) { return e.TimeLag.Value.Seconds(), e.TimeLag.Known }), group, topic, partition),
	}
}

func modelRows() []row {
	rate := func(of func(*tidemark.Estimate) tidemark.Rate) walk {
		return each(estimates, func(e *tidemark.Estimate) (float64, bool) { return of(e).PerSecond, of(e).Known })
	}
	counted := func(of func(tidemark.Replicas) int) walk { // as soon as the members were seen
		return each(groups, func(g *reader) (float64, bool) {
			if g.estimate == nil || g.unmet() {
				return 0, false
			}
			return float64(of(g.estimate.Replicas)), true
		})
	}
	modelled := func(of func(tidemark.Replicas) int) walk {
		return each(estimates, func(e *tidemark.Estimate) (float64, bool) { return float64(of(e.Replicas)), e.Replicas.Known })
	}
	told := func(of func(tidemark.Track) float64) walk {
		return each(estimates, func(e *tidemark.Estimate) (float64, bool) { return of(e.Track), e.Track.Drains > 0 })
	}
	drain := gauge("tidemark_group_drain_seconds", "seconds", "When the lag will be gone, net of arrivals; absent unless the group is draining, caught up or idle.",
		each(drains, itself), group, "quantile")
	drain.Type = Summary
	return []row{
		gauge("tidemark_group_state", "", "1 for the state that the group is in, 0 for the others.",
			each(states, itself), group, "state"),
		gauge("tidemark_partition_state", "", "1 for the state of a partition that is not caught up, draining or idle; the reason says why.",
			each(troubledPartitions, always), group, topic, partition, "state", "reason"),
		gauge("tidemark_group_arrivals_per_second", "records per second", "Records appended to what the group reads.",
			rate(func(e *tidemark.Estimate) tidemark.Rate { return e.Arrivals }), group),
		gauge("tidemark_group_consumption_per_second", "records per second", "Records by which the group's commits advance.",
			rate(func(e *tidemark.Estimate) tidemark.Rate { return e.Consumption }), group),
		gauge("tidemark_group_replica_capacity_per_second", "records per second", "Records that one replica can consume when it never waits.",
			rate(func(e *tidemark.Estimate) tidemark.Rate { return e.ReplicaCapacity }), group),
		drain,
		gauge("tidemark_eta_error_ratio", "ratio", "How wrong the drain times were that were told and have come to their end: mean of the error over the true time.",
			told(func(t tidemark.Track) float64 { return t.ErrorRatio }), group),
		gauge("tidemark_eta_coverage_ratio", "ratio", "Share of the drains that ended between the 0.1 and the 0.9 quantile that was told.",
			told(func(t tidemark.Track) float64 { return t.Coverage }), group),
		gauge("tidemark_group_headroom_ratio", "ratio", "Share of what the present members can read that does not arrive; negative: they cannot keep up.",
			each(estimates, func(e *tidemark.Estimate) (float64, bool) { return e.Reserve.Headroom, e.Reserve.Known }), group),
		gauge("tidemark_group_skew_ratio", "ratio", "Lag of the hottest partition over the mean of all.",
			each(estimates, func(e *tidemark.Estimate) (float64, bool) { return e.Skew, e.Skew > 0 }), group),
		gauge("tidemark_group_replicas", "replicas", "Members that own a partition, or could.",
			counted(func(r tidemark.Replicas) int { return r.Have }), group),
		gauge("tidemark_group_replicas_needed", "replicas", "Members needed for the drain target, not capped by the partitions.",
			modelled(func(r tidemark.Replicas) int { return r.Needed }), group),
		gauge("tidemark_group_replicas_useful", "replicas", "The largest number of members that still helps, as the partitions allow.",
			counted(func(r tidemark.Replicas) int { return r.Useful }), group),
		gauge("tidemark_group_partitions_needed", "partitions", "Partitions without which tidemark_group_replicas_needed members could not all work.",
			modelled(func(r tidemark.Replicas) int { return r.PartitionsNeeded }), group),
		gauge("tidemark_desired_replicas", "replicas", "The scaler's answer, within all its bounds. It never vanishes and never falls on doubt: then it repeats the present size.",
			each(desired, itself), group, "target"),
		gauge("tidemark_pipeline_threshold", "", "A limit that the configuration sets for a pipeline: lag_records, drain and time_lag in seconds, skew, members_min.",
			each(thresholds, itself), group, "pipeline", "threshold"),
	}
}

func lookRows() []row {
	return []row{
		gauge("tidemark_page_hidden_partitions", "partitions", "Partitions of groups that this page does not show one by one, because it was told to limit its details; sums have them all.",
			each(clusters, func(l *look) (float64, bool) { return float64(l.hidden), l.hidden >= 0 })),
		gauge("tidemark_look_age_seconds", "seconds", "How old the latest look is that saw anything of the cluster.",
			each(everyCluster, (*look).age)),
		gauge("tidemark_look_duration_seconds", "seconds", "How long the latest look took.",
			each(clusters, func(l *look) (float64, bool) { return l.Snapshot.Ended.Sub(l.Snapshot.Began).Seconds(), true })),
		counter("tidemark_kafka_requests_total", "requests", "Requests sent to the cluster since it is watched, by API.",
			each(requests, itself), "api"),
		gauge("tidemark_gaps", "gaps", "Things that the latest look did not see, by reason.",
			each(gaps, itself), "reason"),
		gauge("tidemark_broker_up", "", "1 if the broker answered in the latest look, else 0.",
			each(brokersUp, itself), "broker"),
	}
}
