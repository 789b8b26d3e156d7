package artifacts

// overview answers for all groups: who is behind, how long, and is it getting better?
func overview() Dashboard {
	none := "no group is seen yet"
	group := func(expr, legend, unit, id string, limit *Thresholds) Panel {
		p := line(query(expr, legend), field(unit, none, limit), nil).runbook(id)
		if limit != nil {
			p.FieldConfig.Defaults.Custom["thresholdsStyle"] = thresholdsDrawn()
		}
		return p
	}
	const by = `max by (cluster, consumergroup) `
	return Dashboard{
		UID: "kafka-lag-overview", Title: "Kafka Lag – Overview",
		Description: "Every consumer group of every cluster: behind, by how much, and does it get better? Save a copy to change it.",
		Tags:        []string{"kafka", "lag", "tidemark"},
		Timezone:    "browser", Refresh: "15s", Time: Span{"now-3h", "now"}, SchemaVersion: 36, GraphTooltip: 1,
		Annotations: alerting("Alerts", `alertname=~"Kafka.*|Tidemark.*", alertname!="TidemarkWatchdog"`),
		Templating:  variables(),
		Links: []Link{
			{Title: "Live view", Type: "link", Icon: "external link", URL: "${tidemark}/", TargetBlank: true},
			{Title: "CRM Events", Type: "link", Icon: "dashboard", URL: "/d/crm-events-pipeline"},
		},
		Panels: []Panel{
			stat("background", "none", now(`sum(`+by+`(tidemark_group_state{state=~"growing|stalled|stopped|unknown", cluster=~"$cluster", consumergroup=~"$consumergroup"}))`, ""), field("short", none, limits("green", from(1, "red")))).
				named(1, "Groups in Trouble or Unknown", "Groups that fall behind, do not move, have nobody who reads, or cannot be judged.", at(0, 0, 6, 4)).runbook("KafkaConsumerFallingBehind"),
			stat("value", "area", query(`max(tidemark_group_lag_seconds`+ofGroup+`)`, "oldest"), field("s", none, limits("green", from(60, "yellow"), from(300, "red")))).
				named(2, "Oldest Unread Message", "The longest that any message has waited for any group.", at(6, 0, 6, 4)).runbook("KafkaConsumerTimeLagHigh"),
			stat("background", "none", now(`sum(1 - `+by+`(tidemark_group_complete`+ofGroup+`))`, ""), field("short", none, limits("green", from(1, "yellow")))).
				named(3, "Groups Not Fully Seen", "Groups whose lag is not known whole. Their totals are absent, not smaller.", at(12, 0, 6, 4)).runbook("KafkaLagDataMissing"),
			stat("value", "area", query(`max(tidemark_look_age_seconds{cluster=~"$cluster"})`, "age"), field("s", "no cluster is seen yet", limits("green", from(30, "yellow"), from(60, "red")))).
				named(4, "Age of the Data", "How old the latest look is at the cluster that was looked at longest ago.", at(18, 0, 6, 4)).runbook("TidemarkBlind"),
			group(by+`(tidemark_group_lag_records`+ofGroup+`)`, "{{consumergroup}}", "short", "KafkaConsumerFallingBehind", nil).
				named(5, "Lag by Group (messages)", "Messages that wait. A gap: a partition was not seen.", at(0, 4, 12, 8)),
			group(by+`(tidemark_group_lag_seconds`+ofGroup+`)`, "{{consumergroup}}", "s", "KafkaConsumerTimeLagHigh", limits("green", from(300, "red"))).
				named(6, "Lag by Group (time)", "How long the oldest unread message has waited. The line is the alert's default limit.", at(12, 4, 12, 8)),
			group(by+`(tidemark_group_arrivals_per_second`+ofGroup+`) - `+by+`(tidemark_group_consumption_per_second`+ofGroup+`)`, "{{consumergroup}}", "cps", "KafkaConsumerFallingBehind", nil).
				named(7, "Arrivals minus Consumption", "Above 0 a group falls behind, below 0 it catches up.", at(0, 12, 12, 8)),
			group(by+`(tidemark_group_drain_seconds{quantile="0.5", cluster=~"$cluster", consumergroup=~"$consumergroup"})`, "{{consumergroup}}", "s", "KafkaConsumerDrainTooSlow", limits("green", from(1800, "red"))).
				named(8, "Time until Caught Up", "Net of arrivals. Absent while there is no end in sight.", at(12, 12, 12, 8)),
			group(by+`(tidemark_group_replicas_needed`+ofGroup+`) - `+by+`(tidemark_group_replicas`+ofGroup+`)`, "{{consumergroup}}", "short", "KafkaConsumerCapacityShort", limits("green", from(1, "yellow"))).
				named(9, "Replicas Missing", "Needed minus present. Above what the partitions allow, replicas alone do not help.", at(0, 20, 12, 8)),
			group(`sum by (consumergroup, state) (max by (cluster, consumergroup, state) (tidemark_group_state`+ofGroup+`) == 1)`, "{{consumergroup}} {{state}}", "short", "KafkaConsumerGroupStopped", nil).
				named(10, "States", "The one state that each group is in.", at(12, 20, 12, 8)),
		},
	}
}
