package metrics_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
)

// BenchmarkPageOfAMillionPartitions writes 2.1 million samples: 1,000 groups that
// read 10 topics of 100 partitions each. The target is 0.2 s (issue 3).
func BenchmarkPageOfAMillionPartitions(b *testing.B) {
	v := million()
	samples := 0
	for range metrics.Samples(v) {
		samples++
	}
	var page metrics.Page
	b.ReportAllocs()
	for b.Loop() {
		if err := page.Write(io.Discard, v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(samples), "samples")
}

func million() *tidemark.View {
	s := &tidemark.Snapshot{Began: noon, Ended: noon}
	for topic := range 10 {
		t := tidemark.Topic{Name: fmt.Sprintf("domain.events.topic-%02d", topic)}
		for id := range int32(100) {
			t.Partitions = append(t.Partitions, tidemark.Log{ID: id, Replicas: 3, InSync: 3, End: 1_000_000})
		}
		s.Topics = append(s.Topics, t)
	}
	o := tidemark.Observation{Cluster: "main", Snapshot: s}
	for group := range 1000 {
		name := fmt.Sprintf("consumer-group-%05d", group)
		s.Groups = append(s.Groups, tidemark.Group{Name: name, Members: make([]tidemark.Member, 3)})
		o.Estimates = append(o.Estimates, tidemark.Estimate{Group: name, State: tidemark.CaughtUp})
		for _, t := range s.Topics {
			for id := range int32(100) {
				s.Partitions = append(s.Partitions, tidemark.Partition{Group: name, Topic: t.Name, ID: id, Committed: 999_000 + int64(id), LogEnd: 1_000_000})
			}
		}
	}
	return &tidemark.View{At: noon, Observations: []tidemark.Observation{o}}
}
