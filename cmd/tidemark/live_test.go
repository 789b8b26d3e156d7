package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/daemon"
	"github.com/aetherlink/tidemark/record"
)

// startKafka is a broker with one topic of 3 partitions that group billing has read.
func startKafka(t *testing.T) (broker string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	read := make(kadm.Offsets)
	for id := range int32(3) {
		read.AddOffset("orders", id, 0, -1)
	}
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "billing", read); err != nil {
		t.Fatal(err)
	}
	return cluster.ListenAddrs()[0]
}

// startLive runs a whole tidemark that watches a broker, may be told what to do with
// the token "secret", and would scale billing.
func startLive(t *testing.T, broker string) (address string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "tidemark.yaml")
	text := "clusters: [{name: main, brokers: ['" + broker + "']}]\n" +
		"rules: {packs: [crm-events]}\nscale: {targets: [{name: billing, cluster: main, group: billing, max: 3}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	seen, ended := make(chan bool, 1), make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{
			Config: settings, Listener: listener, Dir: dir, Token: "secret", Version: "test", Log: slog.New(slog.DiscardHandler),
			Published: func(*tidemark.View) {
				select {
				case seen <- true:
				default:
				}
			},
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	select {
	case <-seen:
	case err := <-ended:
		t.Fatal(err)
	}
	return "http://" + listener.Addr().String()
}

// writeRecording keeps two hours of one group on two partitions, at which 10/s arrive.
func writeRecording(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "two-hours.rec")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w, err := record.NewWriter(out)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for second := int64(0); second <= 7200; second += 15 {
		at := began.Add(time.Duration(second) * time.Second)
		s := &tidemark.Snapshot{Cluster: "main", Began: at, Ended: at, Groups: []tidemark.Group{{Name: "billing", Phase: "Stable", At: at}}, Topics: []tidemark.Topic{{Name: "orders"}}}
		for id := range int32(2) {
			s.Topics[0].Partitions = append(s.Topics[0].Partitions, tidemark.Log{ID: id, Replicas: 1, InSync: 1, End: 5 * second})
			s.Partitions = append(s.Partitions, tidemark.Partition{Group: "billing", Topic: "orders", ID: id, Committed: 5 * second, LogEnd: 5 * second})
		}
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}
