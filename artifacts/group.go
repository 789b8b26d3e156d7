package artifacts

// oneGroup answers for one group: what state is it in, why, where does it hang, who
// reads what, and what would help?
func oneGroup() Dashboard {
	none := "not known; the states panel says why"
	drawn := func(p Panel) Panel {
		p.FieldConfig.Defaults.Custom["thresholdsStyle"] = thresholdsDrawn()
		return p
	}
	seconds := func() *Thresholds { return limits("green", from(300, "red")) }
	const by = `max by (cluster, consumergroup) `
	const byPartition = `max by (cluster, consumergroup, topic, partition) `
	return Dashboard{
		UID: "kafka-lag-group", Title: "Kafka Lag – Group",
		Description: "One consumer group: how far behind, for how long, where it hangs, who reads, and what would help. Save a copy to change it.",
		Tags:        []string{"kafka", "lag", "tidemark"},
		Timezone:    "browser", Refresh: "15s", Time: Span{"now-3h", "now"}, SchemaVersion: 36, GraphTooltip: 1,
		Annotations: alerting("Alerts", `alertname=~"Kafka.*|CrmEvents.*", consumergroup=~"$consumergroup"`),
		Templating:  variables(),
		Links: []Link{
			{Title: "Live view", Type: "link", Icon: "external link", URL: "${tidemark}/", TargetBlank: true},
			{Title: "All groups", Type: "link", Icon: "dashboard", URL: "/d/kafka-lag-overview"},
		},
		Panels: []Panel{
			stat("value", "area", query(by+`(tidemark_group_lag_records`+ofGroup+`)`, "{{consumergroup}}"), field("short", none, limits("green"))).
				named(1, "Lag (messages)", "Messages that the group has still to read. Absent unless every partition is known.", at(0, 0, 6, 4)).runbook("KafkaConsumerFallingBehind"),
			stat("value", "area", query(by+`(tidemark_group_lag_seconds`+ofGroup+`)`, "{{consumergroup}}"), field("s", none, seconds())).
				named(2, "Lag (time)", "How long the oldest unread message has waited.", at(6, 0, 6, 4)).runbook("KafkaConsumerTimeLagHigh"),
			stat("value", "none", query(by+`(tidemark_group_drain_seconds{quantile="0.5", cluster=~"$cluster", consumergroup=~"$consumergroup"})`, "{{consumergroup}}"), field("s", "no end in sight", limits("green", from(1800, "red")))).
				named(3, "Time until Caught Up", "Net of arrivals; half of the drains end before it.", at(12, 0, 6, 4)).runbook("KafkaConsumerDrainTooSlow"),
			stat("background", "none", query(by+`(tidemark_group_headroom_ratio`+ofGroup+`) * 100`, "{{consumergroup}}"), field("percent", none, limits("red", from(0, "yellow"), from(20, "green")))).
				named(4, "Headroom", "Share of what the present members can read that does not arrive. Below 0 they cannot keep up.", at(18, 0, 6, 4)).runbook("KafkaConsumerCapacityShort"),
			line(query(`max by (consumergroup, state) (tidemark_group_state`+ofGroup+`) == 1`, "{{consumergroup}} {{state}}"), field("short", none, nil), nil).
				named(5, "State", "The one state that the group is in. Only idle, caught up and draining have an end in sight.", at(0, 4, 12, 8)).runbook("KafkaConsumerGroupStopped"),
			line([]Target{
				{RefID: "A", Expr: by + `(tidemark_group_arrivals_per_second` + ofGroup + `)`, LegendFormat: "{{consumergroup}} arrives", Range: true},
				{RefID: "B", Expr: by + `(tidemark_group_consumption_per_second` + ofGroup + `)`, LegendFormat: "{{consumergroup}} is read", Range: true},
			}, field("cps", none, nil), nil).
				named(6, "Arrivals and Consumption", "Where arrivals stand above consumption, the group falls behind.", at(12, 4, 12, 8)).runbook("KafkaConsumerFallingBehind"),
			drawn(line(query(byPartition+`(kafka_consumergroup_lag`+ofGroup+`)`, "{{topic}}/{{partition}}"), field("short", none, limits("green")), nil)).
				named(7, "Lag by Partition", "One line that leaves the others is a hot or a stuck partition.", at(0, 12, 12, 8)).runbook("KafkaHotPartition"),
			drawn(line(query(byPartition+`(tidemark_partition_lag_seconds`+ofGroup+`)`, "{{topic}}/{{partition}}"), field("s", none, seconds()), nil)).
				named(8, "Time Lag by Partition", "How long the oldest unread message of each partition has waited. The line is the alert's default limit.", at(12, 12, 12, 8)).runbook("KafkaPartitionStalled"),
			table(now(`tidemark_partition_owner_info`+ofGroup, "table"), field("none", "no owner is told", nil), map[string]any{
				"excludeByName": map[string]any{"Time": true, "Value": true, "__name__": true, "instance": true, "job": true},
				"indexByName":   map[string]any{"topic": 0, "partition": 1, "client": 2, "host": 3, "member": 4},
				"renameByName":  map[string]any{},
			}).
				named(9, "Who Reads What", "The owner of each partition now, to join with the panels above.", at(0, 20, 12, 8)).runbook("KafkaPartitionStalled"),
			line([]Target{
				{RefID: "A", Expr: by + `(tidemark_group_replicas` + ofGroup + `)`, LegendFormat: "{{consumergroup}} has", Range: true},
				{RefID: "B", Expr: by + `(tidemark_group_replicas_needed` + ofGroup + `)`, LegendFormat: "{{consumergroup}} needs", Range: true},
				{RefID: "C", Expr: by + `(tidemark_group_replicas_useful` + ofGroup + `)`, LegendFormat: "{{consumergroup}} can use", Range: true},
			}, field("short", none, nil), nil).
				named(10, "Replicas", "Had, needed for the drain target, and the most that the partitions let work.", at(12, 20, 12, 8)).runbook("KafkaConsumerCapacityShort"),
			drawn(line(query(by+`(tidemark_group_loss_seconds`+ofGroup+`)`, "{{consumergroup}}"), field("s", "no loss in sight", limits("red", from(86_400, "green"))), nil)).
				named(11, "Time until Messages Are Lost", "When retention will begin to delete what the group has not read.", at(0, 28, 12, 8)).runbook("KafkaRetentionOvertakesConsumer"),
			line(query(by+`(tidemark_eta_error_ratio`+ofGroup+`) * 100`, "{{consumergroup}}"), field("percent", "no drain has ended yet", nil), nil).
				named(12, "How Wrong the Drain Times Were", "Mean error of the drain times told, over the true ones.", at(12, 28, 12, 8)).runbook("KafkaConsumerDrainTooSlow"),
		},
	}
}
