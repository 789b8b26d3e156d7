package otlp

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/aetherlink/tidemark"
)

// receivers are the names that OpenTelemetry's Kafka receiver has for families of
// ours. Whoever replaces that receiver keeps dashboards and alerts.
var receivers = map[string]string{
	"kafka_brokers":                          "kafka.brokers",
	"kafka_topic_partitions":                 "kafka.topic.partitions",
	"kafka_topic_partition_current_offset":   "kafka.partition.current_offset",
	"kafka_topic_partition_oldest_offset":    "kafka.partition.oldest_offset",
	"kafka_topic_partition_replicas":         "kafka.partition.replicas",
	"kafka_topic_partition_in_sync_replica":  "kafka.partition.replicas_in_sync",
	"kafka_consumergroup_lag":                "kafka.consumer_group.lag",
	"kafka_consumergroup_lag_sum":            "kafka.consumer_group.lag_sum",
	"kafka_consumergroup_current_offset":     "kafka.consumer_group.offset",
	"kafka_consumergroup_current_offset_sum": "kafka.consumer_group.offset_sum",
	"kafka_consumergroup_members":            "kafka.consumer_group.members",
}

func nameOf(family string) string {
	if theirs, known := receivers[family]; known {
		return theirs
	}
	return family
}

// units are UCUM's words for ours; the rest counts things.
var units = map[string]string{"seconds": "s", "bytes": "By", "": "1"}

func unitOf(unit string) string {
	if theirs, known := units[unit]; known {
		return theirs
	}
	return "{" + unit + "}"
}

// attributes are the series' labels; a group is called group there, and a partition
// is a number.
func attributes(s tidemark.Series) attribute.Set {
	all := make([]attribute.KeyValue, 0, 6)
	for name, value := range s.Labels() {
		switch name {
		case "consumergroup":
			all = append(all, attribute.String("group", value))
		case "partition":
			all = append(all, attribute.Int(name, int(s.Partition)-1))
		default:
			all = append(all, attribute.String(name, value))
		}
	}
	return attribute.NewSet(all...)
}
