package artifacts

// Dashboards returns all dashboards.
func Dashboards() []Dashboard { return []Dashboard{crmEvents(), overview(), oneGroup()} }

// ofGroup are the matchers of the two variables.
const ofGroup = `{cluster=~"$cluster", consumergroup=~"$consumergroup"}`

// crmEvents is the reference deployment's dashboard: its panels 1 to 19 keep number,
// title, place and limits. What a user saw wrong in it is put right: a panel type
// that does not exist, deployments marked at every scrape, windows that ignore the
// range shown, a counter's raw value, a scale hint that could not exceed 2.
func crmEvents() Dashboard {
	return Dashboard{
		UID: "crm-events-pipeline", Title: "CRM Events - Kafka SSE Pipeline",
		Description: "From Kafka to browsers: does the service run, does it keep up, and what does it take? Save a copy to change it.",
		Tags:        []string{"kafka", "sse", "crm", "events", "aetherlink"},
		Timezone:    "browser", Refresh: "10s", Time: Span{"now-1h", "now"}, SchemaVersion: 36, GraphTooltip: 1,
		Annotations: alerting("Alerts", `alertname=~"CrmEvents.*"`),
		Templating:  variables(),
		Links: []Link{
			{Title: "Live view", Type: "link", Icon: "external link", URL: "${tidemark}/", TargetBlank: true},
			{Title: "Runbooks", Type: "link", Icon: "doc", URL: "${tidemark}/runbooks/", TargetBlank: true},
			{Title: "All groups", Type: "link", Icon: "dashboard", URL: "/d/kafka-lag-overview"},
		},
		Panels: append(append(servicePanels(), trafficPanels()...), lagPanels()...),
	}
}

func servicePanels() []Panel {
	status := field("none", "not scraped yet", limits("red", from(1, "green")))
	status.Mappings = []any{map[string]any{"type": "value", "options": map[string]any{
		"0": map[string]any{"text": "DOWN"}, "1": map[string]any{"text": "UP"},
	}}}
	return []Panel{
		stat("value", "area", query(`crm_events_sse_clients`, "{{instance}}"), field("short", "not scraped yet", limits("red", from(1, "green"), from(50, "yellow")))).
			named(1, "SSE Clients Connected", "Browsers that listen now, of each replica. 0 during the day means that nobody sees live data; above 50 an alert tells.", at(0, 0, 6, 4)).
			runbook("CrmEventsNoClients"),
		stat("background", "none", query(`up{job="crm-events"}`, "{{instance}}"), status).
			named(2, "Service Status", "Whether each replica answered the latest scrape.", at(6, 0, 6, 4)).
			runbook("CrmEventsServiceDown"),
		stat("value", "area", now(`sum(increase(crm_events_messages_total[$__range]))`, ""), field("short", "nothing consumed yet", limits("blue", from(100, "green")))).
			named(3, "Messages Total", "Records worked on within the time shown, by all replicas, each counted once.", at(12, 0, 6, 4)).
			runbook("CrmEventsNoMessages"),
		stat("value", "area", now(`avg(avg_over_time(up{job="crm-events"}[$__range])) * 100`, ""), field("percent", "not scraped yet", limits("red", from(95, "yellow"), from(99, "green")))).
			named(4, "Availability SLO", "Share of scrapes within the time shown that were answered, over all replicas. The objective is 99 %.", at(18, 0, 6, 4)).
			runbook("CrmEventsSLOAvailabilityBreach").decimals(2),
	}
}

func trafficPanels() []Panel {
	smooth := func(fill, width int) map[string]any {
		return map[string]any{"lineInterpolation": "smooth", "fillOpacity": fill, "lineWidth": width}
	}
	requests := line(query(`sum by (method, path) (rate(crm_events_http_requests_total[$__rate_interval]))`, "{{method}} {{path}}"), field("reqps", "no request yet", nil), nil).
		named(7, "HTTP Requests by Endpoint", "Requests answered per second, by all replicas. A stream counts when it begins.", at(0, 12, 12, 8)).
		runbook("CrmEventsHighErrorRate")
	requests.Options["legend"] = map[string]any{"displayMode": "table", "placement": "right", "showLegend": true, "calcs": []string{"mean", "max"}}
	gauge := stat("value", "none", query(`sum(rate(crm_events_messages_total[$__rate_interval]))`, "events/s"), field("ops", "nothing consumed yet", limits("red", from(0.1, "yellow"), from(1, "green")))).
		named(10, "Message Rate vs Baseline", "Records worked on per second, by all replicas. Below 0.1 while records wait, something holds it back.", at(12, 20, 12, 6)).
		runbook("CrmEventsSLOThroughputDegraded")
	gauge.Type = "gauge"
	low, high := 0.0, 10.0
	gauge.FieldConfig.Defaults.Min, gauge.FieldConfig.Defaults.Max = &low, &high
	gauge.Options = map[string]any{"reduceOptions": gauge.Options["reduceOptions"], "showThresholdLabels": false, "showThresholdMarkers": true}
	return []Panel{
		line(query(`sum(rate(crm_events_messages_total[$__rate_interval]))`, "events/s"), field("ops", "nothing consumed yet", nil), smooth(10, 1)).
			named(5, "Message Throughput (events/sec)", "Records worked on per second, by all replicas: what is consumed, which is not what arrives.", at(0, 4, 12, 8)).
			runbook("CrmEventsSLOThroughputDegraded"),
		line(query(`crm_events_sse_clients`, "{{instance}}"), field("short", "not scraped yet", nil), smooth(20, 2)).
			named(6, "SSE Clients Over Time", "Browsers that listen, of each replica.", at(12, 4, 12, 8)).
			runbook("CrmEventsTooManyClients"),
		requests,
		line(query(`up{job="crm-events"}`, "{{instance}}"), field("short", "not scraped yet", limits("red", from(1, "green"))), map[string]any{"lineInterpolation": "stepAfter", "fillOpacity": 50}).
			named(8, "Service Uptime", "1 while a replica answers scrapes, 0 while it does not.", at(12, 12, 12, 8)).
			runbook("CrmEventsFrequentRestarts"),
		table(now(`up{job="crm-events"}`, "table"), Field{Unit: "none", NoValue: "not scraped yet"}, map[string]any{"excludeByName": map[string]any{"Time": true, "Value": true}}).
			named(9, "Service Labels & Metadata", "The replicas that are scraped, and the labels that their series carry.", at(0, 20, 12, 6)),
		gauge,
		Panel{Type: "text", Options: map[string]any{"mode": "markdown", "content": about}}.
			named(11, "Service Info", "Where things are.", at(0, 26, 24, 3)),
	}
}

const about = "**Stream** `:9010/crm-events` · **health** `/healthz` · **metrics** `/metrics` | **Objectives** availability 99 %, " +
	"lag under 500, drain under 30 minutes | **Runbooks** [all]($tidemark/runbooks/) | **Live** [tidemark]($tidemark/)"

func lagPanels() []Panel {
	lag := line(query(`kafka:group_lag_sum`, "lag"), field("none", "no consumer has committed yet, or a partition is not known", limits("green", from(500, "yellow"), from(1000, "red"))), nil).
		named(13, "Consumer Lag (messages)", "Messages that wait, over all partitions. A gap means that a partition could not be seen: part of a lag is not the lag.", at(0, 29, 12, 8)).
		runbook("CrmEventsConsumerLagHigh")
	lag.FieldConfig.Defaults.Custom["thresholdsStyle"] = thresholdsDrawn()
	eta := field("s", "nothing moves, or nothing waits", limits("green", from(600, "yellow"), from(1800, "red")))
	return []Panel{
		lag,
		stat("value", "area", query(`kafka:group_drain_eta_seconds`, ""), eta).
			named(14, "Drain ETA", "How long the backlog takes at the present rate of consumption. Nothing is shown when nothing moves: the state says why.", at(12, 29, 6, 4)).
			runbook("CrmEventsDrainEtaBreached"),
		stat("value", "area", query(`max by (cluster, consumergroup) (tidemark_group_replicas_needed)`, "{{consumergroup}}"), field("none", "no rate known yet: 1", limits("green", from(2, "yellow"), from(4, "red")))).
			named(15, "Scale Hint (replicas)", "Replicas that arrivals and backlog need, by what one can do; not capped by the partitions. Right after a drain it may be high for a moment: with no lag, ignore it.", at(18, 29, 6, 4)).
			runbook("KafkaConsumerCapacityShort").decimals(0),
		stat("value", "area", query(`kafka:group_drain_eta_seconds`+ofGroup+` / 60`, "{{consumergroup}}"), field("m", "nothing moves, or nothing waits", limits("green", from(10, "yellow"), from(30, "red")))).
			named(16, "Backlog Drain Time (minutes)", "Drain ETA of the groups chosen, in minutes.", at(0, 37, 6, 4)).
			runbook("CrmEventsDrainEtaBreached").decimals(1),
		table(now(`kafka:group_partition_lag`+ofGroup, "table"), Field{Unit: "short", NoValue: "no consumer has committed yet", Thresholds: limits("green", from(500, "yellow"), from(1000, "red"))}, map[string]any{
			"excludeByName": map[string]any{"Time": true, "__name__": true, "job": true, "instance": true},
			"renameByName":  map[string]any{"Value": "lag", "consumergroup": "group"},
		}).
			named(17, "Per-Partition Lag", "Messages that wait on each partition. One far above the others: a hot key, or an owner that does not move.", at(6, 37, 18, 8)).
			runbook("CrmEventsPartitionStuck"),
		stat("value", "area", query(`kafka:group_consumer_count`+ofGroup, "{{consumergroup}}"), field("short", "no such group", limits("red", from(1, "yellow"), from(2, "green")))).
			named(18, "Consumer Group Size", "Members of the group. With one, nobody takes over when it goes.", at(0, 45, 6, 4)).
			runbook("CrmEventsUnderReplicatedConsumers"),
		stat("value", "area", query(`kafka:group_skew_ratio`+ofGroup, "{{consumergroup}}"), field("short", "nothing waits", limits("green", from(2, "yellow"), from(3, "orange"), from(4, "red")))).
			named(19, "Hot-Key Skew Ratio", "Lag of the hottest partition over the mean of all. Above 4, one key or one owner is the reason; replicas do not help.", at(6, 45, 6, 4)).
			runbook("CrmEventsHotKeySkewHigh").decimals(1),
		Panel{Type: "alertlist", Options: map[string]any{
			"viewMode": "list", "maxItems": 20, "sortOrder": 3, "groupMode": "default", "dashboardAlerts": false,
			"alertInstanceLabelFilter": `{alertname=~"CrmEvents.*"}`,
			"stateFilter":              map[string]any{"firing": true, "pending": true, "noData": false, "normal": false, "error": true},
		}}.
			named(12, "Active Alerts", "Alerts of this service that pend or fire, of the rules that the data source evaluates.", at(0, 49, 24, 6)),
	}
}
