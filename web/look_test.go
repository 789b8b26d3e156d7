package web_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

// TestLook serves a made-up world to look at, and is skipped unless asked for:
//
//	TIDEMARK_LOOK=127.0.0.1:9400 TIDEMARK_LOOK_GROUPS=10000 go test -run TestLook -timeout 1h ./web
func TestLook(t *testing.T) {
	address := os.Getenv("TIDEMARK_LOOK")
	if address == "" {
		t.Skip("TIDEMARK_LOOK does not say where to listen")
	}
	groups, _ := strconv.Atoi(os.Getenv("TIDEMARK_LOOK_GROUPS"))
	s, err := web.New(web.Options{Version: "v0.1.0", Demo: groups == 0, Drills: madeUpDrills, Replay: madeUpReplay, Mounts: []web.Mount{
		{Path: "/api/v1/query_range", Handler: http.HandlerFunc(madeUpHistory)},
		{Path: "/api/v1/query", Handler: text(`{"status":"success","data":{"resultType":"vector","result":[]}}`)},
		{Path: "/api/v1/rules", Handler: text(madeUpRules)},
		{Path: "/api/v1/targets", Handler: text(madeUpTargets)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interval := time.Second
	if groups > 0 {
		interval = 5 * time.Second
	}
	go func() {
		for at := time.Now().Add(-60 * interval); ctx.Err() == nil; at = at.Add(interval) {
			s.Publish(madeUp(at, groups))
			if wait := time.Until(at); wait > 0 {
				time.Sleep(wait)
			}
		}
	}()
	t.Log("look at http://" + address)
	server := &http.Server{Addr: address, Handler: s.Handler(), ReadHeaderTimeout: time.Second}
	t.Fatal(server.ListenAndServe())
}

// plot is the part of one made-up group.
type plot struct {
	name       string
	state      tidemark.State
	partitions int
	members    int
	in, out    float64
	lag        float64 // when the plot begins, five minutes ago
	need       int
	reason     tidemark.Reason
	because    string
}

var plots = []plot{
	{"crm-events-audit", tidemark.Stopped, 3, 0, 0, 0, 39, 1, 0, "nobody is a member, and 39 records wait"},
	{"crm-events-sse", tidemark.Growing, 3, 1, 14.7, 2.7, 6000, 12, 0, "14.7/s arrive and 2.7/s are consumed, so the lag grows by 12/s"},
	{"metrics-sink", tidemark.CaughtUp, 12, 3, 310, 310, 0, 2, 0, "62 records behind are two batches on their way"},
	{"nightly-export", tidemark.Idle, 6, 0, 0, 0, 0, 0, 0, "nothing to read"},
	{"orders-billing", tidemark.Draining, 6, 2, 122, 163, 30000, 2, 0, "falls by 41/s"},
	{"payments", tidemark.Unknown, 0, 0, 0, 0, 0, 0, tidemark.Denied, "we may not see this group: GROUP_AUTHORIZATION_FAILED"},
	{"search-indexer", tidemark.Stalled, 48, 4, 88, 80, 21000, 5, 0, "partition 17 has not moved for 4m, its owner indexer-3 is alive"},
	{"shipping", tidemark.Steady, 6, 2, 40, 40, 1234, 3, 0, "1,234 behind, neither falling nor growing"},
	{"warehouse", tidemark.Unknown, 6, 2, 12, 0, 900, 0, 0, "only two looks so far"},
}

func madeUp(at time.Time, groups int) *tidemark.View {
	s := &tidemark.Snapshot{Cluster: "prod-eu", Began: at.Add(-41 * time.Millisecond), Ended: at, Brokers: []tidemark.Broker{
		{ID: 1, Address: "kafka-1.prod:9092", Up: true}, {ID: 2, Address: "kafka-2.prod:9092", Up: true}, {ID: 3, Address: "kafka-3.prod:9092"},
	}, Requests: []tidemark.RequestCount{{API: "DescribeGroups", N: 1022}, {API: "ListOffsets", N: 7340}, {API: "OffsetFetch", N: 9312}}}
	o := tidemark.Observation{Cluster: "prod-eu", Snapshot: s}
	s.Gaps = []tidemark.Gap{{What: "group payments", Reason: tidemark.Denied, Err: errors.New("GROUP_AUTHORIZATION_FAILED: this principal lacks Describe on it")}}
	phase := float64(at.UnixMilli()%600_000) / 1000
	for i := range max(groups, len(plots)) {
		p := plots[i%len(plots)]
		if groups > 0 {
			p.name = fmt.Sprintf("service-%05d.team-%02d", i, i%37)
			p.lag *= 1 + float64(i%91)/30
			if i%17 > 0 && p.state != tidemark.Unknown { // most groups are well
				p.state, p.lag, p.in, p.out = tidemark.CaughtUp, 0, 5, 5
			}
		}
		plant(&o, p, at, phase)
	}
	labels := map[string]string{"severity": "critical", "cluster": "prod-eu", "consumergroup": "crm-events-sse"}
	notes := map[string]string{"summary": "crm-events-sse is 500 records or more behind for 5 minutes", "runbook_url": "/runbooks/CrmEventsConsumerLagHigh"}
	return &tidemark.View{
		At: at, Observations: []tidemark.Observation{o},
		Pipelines: []tidemark.Pipeline{{Name: "crm-events", Group: "crm-events-sse", Owner: "team-crm", Thresholds: tidemark.Thresholds{LagRecords: 500}}, {Name: "orders", Group: "orders-billing", Thresholds: tidemark.Thresholds{LagRecords: 5000}}},
		Alerts: []tidemark.Alert{
			{Name: "CrmEventsConsumerLagHigh", State: tidemark.AlertFiring, Labels: labels, Annotations: notes, Value: 10843, ActiveSince: at.Add(-14 * time.Minute), FiredAt: at.Add(-9 * time.Minute)},
			{Name: "KafkaPartitionStalled", State: tidemark.AlertPending, Labels: map[string]string{"severity": "warning", "cluster": "prod-eu", "consumergroup": "search-indexer"}, Annotations: map[string]string{"summary": "partition 17 of documents does not move"}, Value: 1, ActiveSince: at.Add(-2 * time.Minute), DataMissingSince: at.Add(-30 * time.Second)},
		},
		Events: []tidemark.Event{
			{At: at.Add(-14 * time.Minute), Kind: tidemark.EventState, Cluster: "prod-eu", Group: "crm-events-sse", Text: "steady → growing"},
			{At: at.Add(-9 * time.Minute), Kind: tidemark.EventAlert, Cluster: "prod-eu", Group: "crm-events-sse", Text: "CrmEventsConsumerLagHigh fires"},
			{At: at.Add(-2 * time.Minute), Kind: tidemark.EventRebalance, Cluster: "prod-eu", Group: "search-indexer", Text: "rebalanced in 3.1s, 5 → 4 members"},
		},
	}
}

func plant(o *tidemark.Observation, p plot, at time.Time, phase float64) {
	g := tidemark.Group{Name: p.name, Type: "classic", Phase: "Stable", Assignor: "cooperative-sticky", At: at, Reason: p.reason}
	if p.reason != tidemark.Fine {
		g.At = at.Add(-7 * time.Minute)
	}
	lag := max(0, p.lag+(p.in-p.out)*phase)
	if p.state == tidemark.Steady {
		lag += 40 * math.Sin(phase/9)
	}
	for m := range p.members {
		member := tidemark.Member{ID: fmt.Sprintf("%s-%d-5c1f", p.name, m), Client: fmt.Sprintf("%s-%d", p.name, m), Host: fmt.Sprintf("/10.1.4.%d", 17+m)}
		owned := tidemark.Assignment{Topic: "topic." + p.name}
		for id := m; id < p.partitions; id += p.members {
			owned.Partitions = append(owned.Partitions, int32(id))
		}
		member.Assigned = []tidemark.Assignment{owned}
		g.Members = append(g.Members, member)
	}
	if p.members == 0 {
		g.Phase, g.Assignor = "Empty", ""
	}
	e := tidemark.Estimate{
		Cluster: "prod-eu", Group: p.name, State: p.state, Because: p.because, Lag: tidemark.Total{Complete: p.reason == tidemark.Fine},
		Arrivals:        tidemark.Rate{PerSecond: p.in, Error: p.in / 20, Known: p.reason == tidemark.Fine},
		Consumption:     tidemark.Rate{PerSecond: p.out, Error: p.out / 20, Known: p.out > 0 || p.members == 0 && p.reason == tidemark.Fine},
		ReplicaCapacity: tidemark.Rate{PerSecond: p.out / float64(max(p.members, 1)), Known: p.out > 0},
		Replicas:        tidemark.Replicas{Have: p.members, Needed: p.need, Useful: p.partitions, PartitionsNeeded: p.need, Known: p.need > 0},
		TimeLag:         tidemark.TimeLag{Value: time.Duration(lag / max(p.in, 0.001) * float64(time.Second)), Error: 3 * time.Second, Known: p.reason == tidemark.Fine && (p.in > 0 || lag == 0)},
	}
	if p.state == tidemark.Draining || p.state == tidemark.CaughtUp || p.state == tidemark.Idle {
		left := time.Duration(lag / max(p.out-p.in, 1) * float64(time.Second))
		e.Drain = tidemark.Drain{P10: left * 8 / 10, P50: left, P90: left * 13 / 10, Known: true}
	}
	topic := tidemark.Topic{Name: "topic." + p.name}
	for id := range p.partitions {
		part := tidemark.Partition{Group: p.name, Topic: "topic." + p.name, ID: int32(id), LogStart: 1000, LogEnd: 500_000}
		part.Committed = part.LogEnd - int64(lag/float64(p.partitions))
		pe := tidemark.PartitionEstimate{Topic: part.Topic, ID: part.ID, State: p.state, Arrivals: tidemark.Rate{PerSecond: p.in / float64(p.partitions), Known: true}, Consumption: tidemark.Rate{PerSecond: p.out / float64(p.partitions), Known: true}}
		switch {
		case p.state == tidemark.Stalled && id == 17:
			part.Committed -= 18_000
			pe.Reason, e.Skew = tidemark.Stuck, 3.4
		case p.state == tidemark.Stalled && id == 18:
			part.Committed, pe.Reason, pe.State = tidemark.Uncommitted, tidemark.NeverCommitted, tidemark.Unknown
		case p.state == tidemark.Stalled:
			pe.State = tidemark.CaughtUp
		case p.name == "warehouse" && id == 2:
			part.Reason, pe.Reason, pe.State = tidemark.Unreachable, tidemark.Unreachable, tidemark.Unknown
		}
		log := tidemark.Log{ID: part.ID, Leader: 1 + part.ID%2, Replicas: 3, InSync: 3, Start: part.LogStart, End: part.LogEnd, At: at}
		switch {
		case p.name == "warehouse" && id == 2:
			log.Leader, log.Reason, log.At = -1, tidemark.Unreachable, at.Add(-7*time.Minute)
		case p.name == "metrics-sink":
			log.InSync = 2
		case p.name == "shipping" && id == 1:
			log.Held, log.Stable = at.Add(-12*time.Minute), part.Committed+20
		}
		topic.Partitions = append(topic.Partitions, log)
		e.Lag.Add(part)
		o.Snapshot.Partitions = append(o.Snapshot.Partitions, part)
		e.Partitions = append(e.Partitions, pe)
	}
	if p.partitions > 0 {
		o.Snapshot.Topics = append(o.Snapshot.Topics, topic)
	}
	o.Snapshot.Groups = append(o.Snapshot.Groups, g)
	o.Estimates = append(o.Estimates, e)
}

// madeUpHistory answers a query for a lag with a hill that has a hole.
func madeUpHistory(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !strings.Contains(q.Get("query"), "_lag_records") {
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
		return
	}
	from, _ := strconv.ParseFloat(q.Get("start"), 64)
	to, _ := strconv.ParseFloat(q.Get("end"), 64)
	step, _ := strconv.ParseFloat(q.Get("step"), 64)
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"tidemark_group_lag_records","consumergroup":"crm-events-sse"},"values":[`)
	comma := ""
	for t := from; t <= to; t += step {
		share := (t - from) / (to - from)
		if share > 0.3 && share < 0.36 {
			continue
		}
		fmt.Fprintf(w, `%s[%g,"%g"]`, comma, t, math.Round(9000*share*share+300*math.Sin(share*40)+400))
		comma = ","
	}
	fmt.Fprint(w, `]}]}}`)
}

func madeUpDrills() []web.Drill {
	known := func(n float64) web.Number { return web.Number{Value: n, Known: true} }
	at := web.Time{Time: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
	return []web.Drill{
		{Name: "backlog", Title: "A backlog of 10,000 records drains as predicted", Reports: []web.DrillReport{{
			Drill: "backlog", Group: "crm-events-sse", Topic: "aetherlink.events", StartedAt: at, Took: known(611), Passed: true,
			Drain: &web.DrillDrain{From: known(10_000), Took: known(590), Replicas: known(3), Capacity: known(5.6), Error: known(0.2)},
			Steps: []web.DrillStep{{Number: 1, Text: "publish 10000 to aetherlink.events", Verdict: "passed", Took: known(2)}, {Number: 2, Text: "expect alert CrmEventsConsumerLagHigh within 6m", Verdict: "passed", Seen: "fired after 5m 3s", Took: known(303)}},
		}}},
		{Name: "consumer-crash", Title: "A consumer dies and is noticed"},
	}
}

func madeUpReplay(_ context.Context, rule string, from, to time.Time) (web.Replay, error) {
	labels := map[string]string{"cluster": "prod-eu", "consumergroup": "crm-events-sse"}
	known := func(n float64) web.Number { return web.Number{Value: n, Known: true} }
	at := func(share float64) web.Time {
		return web.Time{Time: from.Add(time.Duration(share * float64(to.Sub(from))))}
	}
	return web.Replay{Rule: rule, From: at(0), To: at(1), For: known(300), Threshold: known(1400), Hold: known(900), Firings: []web.Firing{
		{Labels: labels, ActiveAt: at(0.1), FiredAt: at(0.12), EndedAt: at(0.1205), Worst: known(520)},
		{Labels: labels, ActiveAt: at(0.4), FiredAt: at(0.42), EndedAt: at(0.5), Worst: known(4020)},
		{Labels: labels, ActiveAt: at(0.9), FiredAt: at(0.905), Worst: known(9020)},
	}}, nil
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

const madeUpRules = `{"status":"success","data":{"groups":[{"name":"crm_events_lag_alerts","file":"crm-events.yaml","interval":15,"rules":[
{"name":"CrmEventsConsumerLagHigh","query":"kafka:group_lag_sum{consumergroup=\"crm-events-sse\"} > 500","type":"alerting","state":"firing","duration":300,"health":"ok","lastEvaluation":"2026-11-23T13:00:00Z"},
{"name":"kafka:group_lag_sum","query":"sum by (consumergroup) (kafka_consumergroup_lag)","type":"recording","health":"ok","lastEvaluation":"2026-11-23T13:00:00Z"}]}]}}`

const madeUpTargets = `{"status":"success","data":{"activeTargets":[{"scrapePool":"crm-events","scrapeUrl":"http://crm-events:9010/metrics","labels":{},"health":"up","lastError":"","lastScrape":"2026-11-23T13:00:00Z","lastScrapeDuration":0.004},
{"scrapePool":"crm-events","scrapeUrl":"http://crm-events-2:9010/metrics","labels":{},"health":"down","lastError":"connection refused","lastScrape":"2026-11-23T13:00:00Z","lastScrapeDuration":0}]}}`
