package compat

import "math"

// Reason is a known difference between kafka_exporter's page and ours.
type Reason struct {
	Name  string // one word
	Case  string // what kafka_exporter does
	Ours  string // what we do instead, and how to have it their way if one can
	holds func(difference) bool
}

// The families that reasons speak of.
const (
	currentOffset = "kafka_topic_partition_current_offset"
	oldestOffset  = "kafka_topic_partition_oldest_offset"
	commit        = "kafka_consumergroup_current_offset"
	commitSum     = "kafka_consumergroup_current_offset_sum"
	lag           = "kafka_consumergroup_lag"
	lagSum        = "kafka_consumergroup_lag_sum"
	members       = "kafka_consumergroup_members"
)

// Reasons are all known differences, the more particular first. Of several that
// hold, the first is told.
func Reasons() []Reason {
	return []Reason{
		{
			"zookeeper", "Reads offsets that old consumers kept in ZooKeeper, if it is told to.",
			"We do not: no consumer of the last years keeps any there.",
			func(d difference) bool { return d.name == "kafka_consumergroupzookeeper_lag_zookeeper" },
		},
		{
			"never_committed", "Writes -1 as offset and lag of a partition that was never committed.",
			"We write no lag, and count such partitions in tidemark_group_uncommitted_partitions. --compat.no-commit writes the -1.",
			func(d difference) bool {
				return (d.name == commit || d.name == lag) && d.has && d.theirs == -1 && (!d.have || d.ours == 0)
			},
		},
		{
			"sum_of_minus_ones", "Adds the -1 of partitions never committed to the sum of the offsets (until 1.9).",
			"We never add a -1.",
			func(d difference) bool {
				return d.name == commitSum && d.both() && d.theirs < d.ours && d.ours-d.theirs == d.minusOnes()
			},
		},
		{
			"beyond_the_end", "Writes a negative lag where a commit is beyond the end of the log, and adds it to the sum.",
			"A log that was cut or made anew has no lag: series and sum are absent, tidemark_partition_state says truncated or recreated.",
			func(d difference) bool {
				return !d.have && d.has && (d.name == lag || d.name == lagSum) && d.negative()
			},
		},
		{
			"moved", "Reads each commit and then each end, one partition after the other, at every scrape.",
			"We read all commits and then all ends, at once and in the background: values that move are of another moment. They differ by no more than our own page moved in the meantime.",
			func(d difference) bool { return d.both() && math.Abs(d.theirs-d.ours) <= d.moved() },
		},
		{
			"deleted_unread", "Counts records that retention has deleted as lag.",
			"Lag is what can still be read; tidemark_group_lost_records_total has what was lost.",
			func(d difference) bool {
				return (d.name == lag || d.name == lagSum) && d.both() && d.deleted() > 0 && d.theirs > d.ours && d.theirs-d.ours <= d.deleted()+d.moved()
			},
		},
		{
			"group_type", "Asks about groups as if all were classic: the members of groups of the new protocol are 0, or the group is not there at all.",
			"We ask each group in its own way: consumer (KIP-848), share (KIP-932) and streams (KIP-1071) groups have members and lag.",
			func(d difference) bool {
				unlike := d.after.types[d.group] != "" && d.after.types[d.group] != "classic"
				return d.have && unlike && (!d.has && !d.sight.theirs.groups[d.group] || d.name == members && d.theirs == 0)
			},
		},
		{
			"part_of_a_sum", "Writes a sum also when a partition could not be read: then it is the sum of the others.",
			"A sum of a part is not written; tidemark_group_lag_known_records has what is known.",
			func(d difference) bool { return d.has && !d.have && (d.name == lagSum || d.name == commitSum) },
		},
		{
			"not_seen", "Has no series for what its scrape could not read.",
			"We ask each broker on its own: a silent one costs only what it leads.",
			func(d difference) bool { return d.have && !d.has && d.topic != "" && !d.knowsLog() },
		},
	}
}

// sight is three pages by their series.
type sight struct{ before, theirs, after index }

// difference is one series on both pages.
type difference struct {
	*sight
	key
	theirs, ours float64
	has, have    bool // they have it, we have it
}

func (d difference) both() bool { return d.has && d.have }

// told is the difference with its reason.
func (d difference) told() Difference {
	out := Difference{Series: d.key.String()}
	if d.has {
		out.Theirs = &d.theirs
	}
	if d.have {
		out.Ours = &d.ours
	}
	for _, r := range Reasons() {
		if r.holds(d) {
			out.Reason = r.Name
			break
		}
	}
	return out
}

// of are the values of another family for the partition, or for all partitions of
// the topic.
func (d difference) of(page index, name, group string) map[key]float64 {
	found := map[key]float64{}
	for _, k := range page.partitions[key{name: name, group: group, topic: d.topic}] {
		if d.partition == "" || k.partition == d.partition {
			found[k] = page.values[k]
		}
	}
	return found
}

// minusOnes counts their partitions that were never committed.
func (d difference) minusOnes() (n float64) {
	for _, at := range d.of(d.sight.theirs, commit, d.group) {
		if at == -1 {
			n++
		}
	}
	return n
}

// negative says that one of their lags is below zero, and not for want of a commit.
func (d difference) negative() bool {
	for _, records := range d.of(d.sight.theirs, lag, d.group) {
		if records < -1 {
			return true
		}
	}
	return false
}

// deleted counts the records between the commits and the beginnings of the logs.
func (d difference) deleted() (n float64) {
	for k, at := range d.of(d.after, commit, d.group) {
		start, known := d.after.values[key{name: oldestOffset, topic: k.topic, partition: k.partition}]
		if known && start > at {
			n += start - at
		}
	}
	return n
}

// moved is by how much our page moved, for what the series follows from: the ends of
// the logs, their beginnings and the group's commits.
func (d difference) moved() (n float64) {
	for _, from := range []struct{ name, group string }{{currentOffset, ""}, {oldestOffset, ""}, {commit, d.group}} {
		for k, at := range d.of(d.after, from.name, from.group) {
			if was, known := d.before.values[k]; known {
				n += math.Abs(at - was)
			}
		}
	}
	if was, known := d.before.values[d.key]; known {
		n = max(n, math.Abs(d.ours-was))
	}
	return n
}

// knowsLog says that they have a series of the partition, whoever reads it.
func (d difference) knowsLog() bool {
	_, known := d.sight.theirs.values[key{name: currentOffset, topic: d.topic, partition: d.partition}]
	return known
}
