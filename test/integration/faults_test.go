//go:build linux

package integration

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

const backlog = 10 // records behind, of each of the groups, on each partition

// TestWhileBrokersDieAndHangNothingUnseenReadsAsANumber kills one of three brokers
// and then freezes another, so that the rest cannot even elect. Nothing is
// produced or committed meanwhile: whatever reads as known must be the backlog.
func TestWhileBrokersDieAndHangNothingUnseenReadsAsANumber(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	client := newClient(t, cluster.Bootstrap())
	fill(t, client, "orders", 3, 50, 50, 50, 50, 50, 50)
	groups := make([]string, 8) // enough for every broker to coordinate some
	for i := range groups {
		groups[i] = fmt.Sprintf("billing-%d", i)
		commit(t, client, groups[i], "orders", 40, 40, 40, 40, 40, 40)
	}
	collector := open(t, kafka.Config{Brokers: cluster.Bootstrap()})
	await(t, "three brokers in sync", func() bool { return healthy(t, cluster, groups) })
	if unknown := check(t, look(t, collector), groups); unknown > 0 {
		t.Errorf("before any fault %d partitions are unknown, want 0", unknown)
	}

	cluster.Kill(1)
	check(t, look(t, collector), groups)
	await(t, "the two others to take over", func() bool { return check(t, look(t, collector), groups) == 0 })

	cluster.Freeze(2)
	for range 3 {
		snapshot := look(t, collector)
		if check(t, snapshot, groups) == 0 {
			t.Error("one broker of three answers and everything is known, want unknowns")
		}
		if len(snapshot.Gaps) == 0 {
			t.Error("one broker of three answers and the snapshot has no gap")
		}
	}

	cluster.Thaw(2)
	cluster.Restart(1)
	await(t, "the cluster to heal", func() bool { return healthy(t, cluster, groups) })
	check(t, look(t, collector), groups)
	if unknown := check(t, look(t, collector), groups); unknown > 0 {
		t.Errorf("two looks after healing %d partitions are unknown, want 0", unknown)
	}
}

// check fails on every number that is not the truth, and counts what is unknown.
func check(t *testing.T, s *tidemark.Snapshot, groups []string) (unknown int) {
	t.Helper()
	for _, name := range groups {
		behind := 0
		for _, p := range s.Of(name) {
			if lag, known := p.Lag(); known && lag != backlog {
				t.Errorf("%s %s: lag = %d, want %d or unknown (%+v)", name, place(p.Topic, p.ID), lag, backlog, p)
			} else if known {
				behind++
			}
		}
		unknown += 6 - behind
		group, seen := s.Group(name)
		total := s.Total(group)
		if seen && total.Complete && total.Records != 6*backlog {
			t.Errorf("%s: a total of %d passes as complete, want %d", name, total.Records, 6*backlog)
		}
	}
	return unknown
}

// healthy asks with a client of its own, which remembers nothing, whether every
// partition has all its replicas and every coordinator answers.
func healthy(t *testing.T, cluster *kafkatest.Cluster, groups []string) bool {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Bootstrap()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	metadata, err := admin.Metadata(t.Context())
	if err != nil || len(metadata.Brokers) < 3 {
		return false
	}
	for _, topic := range metadata.Topics {
		for _, p := range topic.Partitions {
			if p.Err != nil || p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return false
			}
		}
	}
	return admin.FetchManyOffsets(t.Context(), groups...).Error() == nil
}
