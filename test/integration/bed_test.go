//go:build linux

// Package integration holds Tidemark to a real Apache Kafka: what it says about
// groups equals what Kafka's own tool says, through every kind of sign-in, and
// while brokers die and hang nothing that it could not see reads as a number.
//
// The tests drive the cluster with a Kafka client of their own; the tool is the oracle.
package integration

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// patience is how long a real cluster may take for something that it will do.
const patience = 2 * time.Minute

func newClient(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// fill makes a topic whose partitions hold the given numbers of records.
func fill(t *testing.T, client *kgo.Client, topic string, replicas int16, records ...int) {
	t.Helper()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), int32(len(records)), replicas, nil, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
	var batch []*kgo.Record
	for id, n := range records {
		for range n {
			batch = append(batch, &kgo.Record{Topic: topic, Partition: int32(id), Value: []byte("x")})
		}
	}
	if err := client.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
		t.Fatalf("fill topic %s: %v", topic, err)
	}
}

// commit commits for a group without members. An offset below 0 commits nothing.
func commit(t *testing.T, client *kgo.Client, group, topic string, offsets ...int64) {
	t.Helper()
	var all kadm.Offsets
	for id, at := range offsets {
		if at >= 0 {
			all.AddOffset(topic, int32(id), at, -1)
		}
	}
	await(t, "a commit of group "+group, func() bool {
		return kadm.NewClient(client).CommitAllOffsets(t.Context(), group, all) == nil
	})
}

// join makes a member of a group that reads the topic and never commits.
func join(t *testing.T, brokers []string, group, topic string, opts ...kgo.Opt) {
	t.Helper()
	opts = append(opts, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	newClient(t, brokers, opts...)
}

func open(t *testing.T, c kafka.Config) *kafka.Collector {
	t.Helper()
	c.Name = "test"
	if err := c.Validate(); err != nil {
		t.Fatalf("validate %+v: %v", c, err)
	}
	collector, err := kafka.Open(kafka.Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(collector.Close)
	return collector
}

func look(t *testing.T, collector *kafka.Collector) *tidemark.Snapshot {
	t.Helper()
	snapshot, err := collector.Snapshot(t.Context())
	if err != nil {
		t.Fatalf("look: %v", err)
	}
	return snapshot
}

// await asks until the answer is yes. A real cluster gives no other sign.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", patience, what)
		case <-again.C:
		}
	}
}

func partition(t *testing.T, s *tidemark.Snapshot, group, topic string, id int32) tidemark.Partition {
	t.Helper()
	for _, p := range s.Of(group) {
		if p.Topic == topic && p.ID == id {
			return p
		}
	}
	t.Errorf("no partition %s/%d of group %s in the snapshot; gaps: %v", topic, id, group, s.Gaps)
	return tidemark.Partition{Committed: tidemark.Unseen, LogEnd: tidemark.Unseen, LogStart: tidemark.Unseen}
}
