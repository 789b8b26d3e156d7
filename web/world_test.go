package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world returns a View of one cluster in which crm-events-sse is behind on three
// partitions, one of them never committed, and audit cannot be seen.
func world(at time.Time, lag int64) *tidemark.View {
	partition := func(id int32, committed, end int64) tidemark.Partition {
		return tidemark.Partition{Group: "crm-events-sse", Topic: "aetherlink.events", ID: id, Committed: committed, LogEnd: end}
	}
	s := &tidemark.Snapshot{
		Cluster: "main", Began: at.Add(-40 * time.Millisecond), Ended: at,
		Brokers: []tidemark.Broker{{ID: 1, Address: "kafka:9092", Up: true}, {ID: 2, Address: "kafka:9093"}},
		Topics: []tidemark.Topic{{Name: "aetherlink.events", Partitions: []tidemark.Log{
			{ID: 0, Leader: 1, Replicas: 2, InSync: 1, At: at},
			{ID: 1, Leader: -1, Replicas: 2, Reason: tidemark.Unreachable},
			{ID: 2, Leader: 1, Replicas: 2, InSync: 2, At: at, Held: at.Add(-time.Minute), Stable: 40},
		}}},
		Requests: []tidemark.RequestCount{{API: "ListOffsets", N: 12}},
		Groups: []tidemark.Group{
			{Name: "audit", Reason: tidemark.Denied},
			{Name: "crm-events-sse", Type: "classic", Phase: "Stable", At: at, Members: []tidemark.Member{
				{ID: "m-1", Client: "crm-events", Host: "/10.1.4.17", Assigned: []tidemark.Assignment{{Topic: "aetherlink.events", Partitions: []int32{0, 2}}}},
			}},
		},
		Partitions: []tidemark.Partition{partition(0, 100, 100+lag), partition(1, tidemark.Uncommitted, 7), partition(2, 50, 50)},
		Gaps:       []tidemark.Gap{{What: "group audit", Reason: tidemark.Denied, Err: errors.New("GROUP_AUTHORIZATION_FAILED")}},
	}
	g, _ := s.Group("crm-events-sse")
	growing := tidemark.Estimate{
		Cluster: "main", Group: "crm-events-sse", State: tidemark.Growing, Because: "14.7/s arrive, 2.7/s are consumed", Lag: s.Total(g),
		Arrivals: tidemark.Rate{PerSecond: 14.7, Known: true}, Consumption: tidemark.Rate{PerSecond: 2.7, Known: true},
		Replicas:   tidemark.Replicas{Have: 1, Needed: 12, Useful: 3, PartitionsNeeded: 12, Known: true},
		Partitions: make([]tidemark.PartitionEstimate, 3),
	}
	blind := tidemark.Estimate{Cluster: "main", Group: "audit", State: tidemark.Unknown, Because: "we may not see it"}
	return &tidemark.View{
		At:           at,
		Observations: []tidemark.Observation{{Cluster: "main", Snapshot: s, Estimates: []tidemark.Estimate{blind, growing}}},
		Pipelines:    []tidemark.Pipeline{{Name: "crm", Owner: "team-crm", GroupPattern: "crm-.*", Thresholds: tidemark.Thresholds{LagRecords: 500}}},
		Alerts: []tidemark.Alert{{
			Name: "CrmEventsConsumerLagHigh", State: tidemark.AlertFiring, Value: float64(lag),
			Labels: map[string]string{"severity": "critical", "cluster": "main", "consumergroup": "crm-events-sse"}, ActiveSince: at,
		}},
	}
}

// open returns a server that everyone may read, or what the options say.
func open(t *testing.T, o web.Options) *web.Server {
	t.Helper()
	if o.Access == "" {
		o.Access = "read"
	}
	s, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// get asks the server the way its handler sees it, from another machine.
func get(t *testing.T, s *web.Server, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}
