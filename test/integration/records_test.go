//go:build linux

package integration

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// testRecords publishes to three partitions, which a tail reads whole and two
// members of one group share: each record is worked once, and then nothing lags.
func testRecords(t *testing.T, cluster *kafkatest.Cluster, client *kgo.Client, protocol, topic string) {
	t.Helper()
	group, options := "workers-of-"+topic, kafka.Options{Config: kafka.Config{Brokers: cluster.Bootstrap()}}
	fill(t, client, topic, 1, 0, 0, 0)
	var members [2]*kafka.Member
	for i := range members {
		m, err := kafka.OpenMember(options, kafka.MemberOptions{Group: group, Topics: []string{topic}, Protocol: protocol})
		if err != nil {
			t.Fatal(err)
		}
		members[i] = m
	}
	await(t, "both members to own their share", func() bool {
		one, other := len(members[0].Owned()), len(members[1].Owned())
		return one > 0 && other > 0 && one+other == 3
	})

	want := publish(t, options, topic, 300)
	if got := tail(t, options, kafka.TailOptions{Topic: topic}, len(want)); !maps.Equal(got, want) {
		t.Errorf("the tail read %v, want each record once", got)
	}
	if got := work(t, members, len(want)); !maps.Equal(got, want) {
		t.Errorf("the members worked %v, want each record once", got)
	}
	for _, m := range members {
		if err := m.Close(t.Context()); err != nil {
			t.Errorf("leave: %v", err)
		}
	}
	done := int64(0)
	for _, row := range cluster.Groups() {
		if row.Group != group {
			continue
		}
		if done += row.Committed.N; row.Lag != (kafkatest.Number{Known: true}) || row.Member != "" {
			t.Errorf("the tool says %+v, want no lag and no member", row)
		}
	}
	if done != int64(len(want)) {
		t.Errorf("committed %d records, want %d", done, len(want))
	}
}

// publish publishes n records by key and returns how often each is to be read.
func publish(t *testing.T, o kafka.Options, topic string, n int) map[string]int {
	t.Helper()
	publisher, err := kafka.OpenPublisher(o)
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	want := map[string]int{}
	var records []tidemark.Record
	for i := range n {
		key := fmt.Sprintf("customer-%d", i)
		records = append(records, tidemark.Record{Topic: topic, Partition: -1, Key: []byte(key), Value: []byte("{}")})
		want[key] = 1
	}
	if err := publisher.Publish(t.Context(), records...); err != nil {
		t.Fatalf("publish: %v", err)
	}
	return want
}

func tail(t *testing.T, o kafka.Options, read kafka.TailOptions, n int) map[string]int {
	t.Helper()
	tail, err := kafka.OpenTail(o, read)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := map[string]int{}
	for len(got) < n {
		records, err := tail.Next(ctx)
		if err != nil {
			t.Fatalf("tail after %d of %d records: %v", len(got), n, err)
		}
		for _, r := range records {
			got[string(r.Key)]++
		}
	}
	return got
}

// work has the members work and commit until n different records are done.
func work(t *testing.T, members [2]*kafka.Member, n int) map[string]int {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var mu sync.Mutex
	done := map[string]int{}
	var all sync.WaitGroup
	for _, m := range members {
		all.Go(func() {
			for {
				records, err := m.Next(ctx)
				if err != nil {
					return // somebody saw the last record, or it took too long
				}
				var positions []tidemark.Position
				for _, r := range records {
					positions = append(positions, tidemark.Position{Topic: r.Topic, Partition: r.Partition, Next: r.Offset + 1})
				}
				if err := m.Commit(t.Context(), positions); err != nil {
					t.Errorf("commit: %v", err)
				}
				mu.Lock()
				for _, r := range records {
					done[string(r.Key)]++
				}
				enough := len(done) >= n
				mu.Unlock()
				if enough {
					stop()
				}
			}
		})
	}
	all.Wait()
	return done
}
