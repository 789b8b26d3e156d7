package main

import (
	"context"
	"database/sql"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// TestWhatACrashedRelayPublishedIsFoundInTheTopic lets the topic have two of five
// events of the table, as a relay leaves them that crashes before it deletes. Two
// more are of a topic that is not there yet.
func TestWhatACrashedRelayPublishedIsFoundInTheTopic(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(3, "aetherlink.events", "quiet"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	cluster := kafka.Options{Config: kafka.Config{Name: "main", Brokers: broker.ListenAddrs()}}
	table := openOutbox(t, filepath.Join(t.TempDir(), "crm.db"))
	defer table.Close()
	for n := range 5 {
		writeEvent(t, table, "job-1", "aetherlink.events", strings.Repeat("x", n+1))
	}
	writeEvent(t, table, "job-2", "nowhere", "x")
	writeEvent(t, table, "job-3", "quiet", "x")
	publishRow(t, cluster, table.DB().QueryRowContext(t.Context(), "select event_id from outbox where id = 1"), "x")
	publishRow(t, cluster, table.DB().QueryRowContext(t.Context(), "select event_id from outbox where id = 2"), "xx")

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- serveOutbox(ctx, outboxSettings{readBack: true}, table, listener, cluster) }()
	var got []tidemark.Record
	for deadline := time.Now().Add(time.Minute); len(got) < 5 && time.Now().Before(deadline); {
		got = nil
		if err := (topic{cluster, "aetherlink.events"}).readBack(t.Context(), time.Now().Add(-time.Hour), func(r tidemark.Record) { got = append(got, r) }); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(got) != 5 {
		t.Fatalf("the topic has %d records, want 5", len(got))
	}
	for n, r := range got {
		if len(r.Value) != n+1 {
			t.Errorf("record %d is %s, want each event once and in order", n, r.Value)
		}
	}
}

// publishRow publishes the event of a row, as a relay does.
func publishRow(t *testing.T, cluster kafka.Options, row *sql.Row, payload string) {
	t.Helper()
	var id string
	if err := row.Scan(&id); err != nil {
		t.Fatal(err)
	}
	publisher, err := kafka.OpenPublisher(cluster)
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	record := tidemark.Record{Topic: "aetherlink.events", Partition: -1, Key: []byte("job-1"), Value: []byte(payload), Headers: []tidemark.Header{{Key: "event_id", Value: []byte(id)}}}
	if err := publisher.Publish(t.Context(), record); err != nil {
		t.Fatal(err)
	}
}

// TestTopicIsNotReadBackWhileATransactionHidesItsEnd has another program's open
// transaction in the topic: what lies behind it cannot be seen, and is not taken
// for nothing.
func TestTopicIsNotReadBackWhileATransactionHidesItsEnd(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "aetherlink.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	other, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.TransactionalID("other"), kgo.DefaultProduceTopic("aetherlink.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := other.ProduceSync(t.Context(), kgo.StringRecord("theirs")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	events := topic{kafka.Options{Config: kafka.Config{Name: "main", Brokers: broker.ListenAddrs()}}, "aetherlink.events"}
	read := func() (n int, err error) {
		err = events.readBack(t.Context(), time.Now().Add(-time.Hour), func(tidemark.Record) { n++ })
		return n, err
	}
	if n, err := read(); err == nil || !strings.Contains(err.Error(), "a transaction is open") {
		t.Errorf("%d records, %v; want an error that speaks of the transaction", n, err)
	}
	if err := other.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if n, err := read(); err != nil || n != 2 { // and its marker
		t.Errorf("%d records, %v; want the other program's and its marker", n, err)
	}
}
