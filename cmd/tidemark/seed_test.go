package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/web"
)

// startSeed serves the reference deployment in trouble: 10,000 records behind on 3
// partitions, 14.7/s arrive, the one replica reads 2.7/s, and an alert fires.
func startSeed(t *testing.T) (address string) {
	t.Helper()
	pages, err := web.New(web.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	pages.Publish(seed(time.Now()))
	mux := http.NewServeMux()
	mux.Handle("/", pages.Handler())
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { _ = new(metrics.Page).Write(w, seed(time.Now())) })
	mux.HandleFunc("/other/metrics", func(w http.ResponseWriter, _ *http.Request) {
		theirs := seed(time.Now())
		theirs.Observations[0].Snapshot.Partitions[0].Committed = 40
		_ = new(metrics.Page).Write(w, theirs)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func seed(at time.Time) *tidemark.View {
	const name, topic = "crm-events-sse", "aetherlink.events"
	s := &tidemark.Snapshot{
		Cluster: "main", Began: at, Ended: at, Brokers: []tidemark.Broker{{ID: 0, Address: "kafka:9092", Up: true}},
		Groups: []tidemark.Group{{Name: name, Type: "classic", Phase: "Stable", At: at, Members: []tidemark.Member{
			{ID: "m-1", Client: "crm-events", Host: "/10.1.4.17", Assigned: []tidemark.Assignment{{Topic: topic, Partitions: []int32{0, 1, 2}}}},
		}}},
	}
	s.Topics = []tidemark.Topic{{Name: topic}}
	for id, lag := range []int64{3350, 3310, 3340} {
		s.Topics[0].Partitions = append(s.Topics[0].Partitions, tidemark.Log{ID: int32(id), Replicas: 1, InSync: 1, End: 50 + lag})
		s.Partitions = append(s.Partitions, tidemark.Partition{Group: name, Topic: topic, ID: int32(id), Committed: 50, LogEnd: 50 + lag})
	}
	known := func(r float64) tidemark.Rate { return tidemark.Rate{PerSecond: r, Known: true} }
	return &tidemark.View{
		At: at,
		Observations: []tidemark.Observation{{Cluster: "main", Snapshot: s, Estimates: []tidemark.Estimate{{
			Cluster: "main", Group: name, State: tidemark.Growing, Because: "grows by 12/s: 14.7/s arrive, 2.7/s are read",
			Lag: s.Total(s.Groups[0]), TimeLag: tidemark.TimeLag{Value: 11 * time.Minute, Known: true},
			Arrivals: known(14.7), Consumption: known(2.7), ReplicaCapacity: known(2.7), Skew: 1.005,
			Replicas:   tidemark.Replicas{Have: 1, Needed: 12, Useful: 3, PartitionsNeeded: 12, Known: true},
			Partitions: make([]tidemark.PartitionEstimate, 3),
		}}}},
		Pipelines: []tidemark.Pipeline{{Name: "crm-events", Group: name, Target: tidemark.Target{Utilisation: 1}}},
		Alerts: []tidemark.Alert{{
			Name: "CrmEventsConsumerLagHigh", State: tidemark.AlertFiring, Value: 10_000, ActiveSince: at.Add(-time.Hour), FiredAt: at.Add(-time.Hour),
			Labels:      map[string]string{"severity": "critical", "cluster": "main", "consumergroup": name},
			Annotations: map[string]string{"summary": "more than 500 records behind for 5 minutes"},
		}},
	}
}
