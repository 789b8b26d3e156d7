package shard_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/shard"
)

const tick = 15 * time.Second

func TestThreeShardsSeeTogetherWhatOneSeesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		alone := w.look(w.collector(nil))
		if len(alone) != 1000 {
			t.Fatalf("%d groups, want 1000", len(alone))
		}
		a := w.tidemark("a")
		time.Sleep(tick)
		if got := w.look(a.collector); !maps.Equal(got, alone) {
			t.Errorf("one alone sees %d groups, want all", len(got))
		}

		b, c := w.tidemark("b"), w.tidemark("c")
		for range 2 {
			time.Sleep(tick)
			if got, _ := w.union(a, b, c); !maps.Equal(got, alone) {
				t.Errorf("while shares change hands the three see %d groups, want all", len(got))
			}
		}
		time.Sleep(tick)
		got, twice := w.union(a, b, c)
		if !maps.Equal(got, alone) || twice > 0 {
			t.Errorf("the three see %d groups, %d of them twice; want all, each once", len(got), twice)
		}
		for _, one := range []*running{a, b, c} {
			if n := len(w.look(one.collector)); n < 250 || n > 420 {
				t.Errorf("one of three has %d of 1000 groups, want about a third", n)
			}
			if got := one.shard.Members(); !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Errorf("members are %v, want a, b and c", got)
			}
		}
	})
}

func TestTheGroupsOfOneThatDiesAreWatchedByOthersWithinTwoTicks(t *testing.T) {
	for _, how := range []string{"killed", "stopped"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1000)
				alone := w.look(w.collector(nil))
				a, b, c := w.tidemark("a"), w.tidemark("b"), w.tidemark("c")
				time.Sleep(3 * tick)
				before := w.look(a.collector)

				if how == "killed" {
					c.cut.Store(true) // not a word to anybody
				} else {
					c.stop()
				}
				time.Sleep(2*tick - time.Second)
				got, twice := w.union(a, b)
				if !maps.Equal(got, alone) || twice > 0 {
					t.Errorf("two ticks after, the others see %d groups, %d of them twice; want all, each once", len(got), twice)
				}
				after := w.look(a.collector)
				for group := range before {
					if _, kept := after[group]; !kept {
						t.Errorf("group %s has changed hands, but its tidemark has not", group)
					}
				}
			})
		})
	}
}

func TestOneThatComesBackUnderItsNameGetsTheSameGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 100)
		w.tidemark("a")
		b := w.tidemark("b")
		time.Sleep(3 * tick)
		before := w.look(b.collector)
		b.stop()
		time.Sleep(tick)
		again := w.tidemark("b")
		time.Sleep(tick)
		if after := w.look(again.collector); !maps.Equal(before, after) || len(after) == 0 {
			t.Errorf("has %d groups, want the %d as before", len(after), len(before))
		}
	})
}

func TestTwoOfOneNameShareAsOthersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 100)
		a, twin := w.tidemark("same"), w.tidemark("same")
		time.Sleep(3 * tick)
		if got, twice := w.union(a, twin); len(got) != 100 || twice > 0 {
			t.Errorf("two of one name see %d groups, %d of them twice; want 100, each once", len(got), twice)
		}
	})
}

func TestOneThatHearsNothingGoesOnWithItsGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 100)
		a := w.tidemark("a")
		time.Sleep(tick)
		a.cut.Store(true)
		time.Sleep(10 * time.Minute)
		if !a.shard.Mine("group-7") {
			t.Error("the only one there is has given up its groups")
		}
		a.cut.Store(false)
		time.Sleep(2 * time.Minute)
		if !a.shard.Mine("group-7") {
			t.Error("it did not get them again")
		}
	})
}

func TestNothingIsOursBeforeTheOthersAreKnown(t *testing.T) {
	s, err := shard.Open(shard.Options{
		Config: shard.Config{Group: "tidemarks", Name: "a"},
		Kafka:  kafka.Options{Config: kafka.Config{Name: "main", Brokers: []string{"kafka:9092"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Mine("group-7") || s.Members() != nil {
		t.Error("a shard that has not run has groups or members")
	}
}

func TestWhoMayNotBeInTheGroupIsToldWhatToGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, kfake.EnableACLs(), kfake.EnableSASL(), kfake.Superuser("PLAIN", "root", "root"), kfake.User("PLAIN", "watcher", "secret"))
		o := w.options()
		o.SASL = kafka.SASL{Mechanism: "plain", Username: "watcher", Password: "secret"}
		s, err := shard.Open(shard.Options{Config: shard.Config{Group: "tidemarks", Name: "a"}, Kafka: o})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "--operation Read --group tidemarks") {
			t.Errorf("error is %v, want one that says what to grant", err)
		}
	})
}

// world is a cluster in memory, whose groups have committed.
type world struct {
	t   *testing.T
	net kfake.VirtualNetwork
}

func newWorld(t *testing.T, groups int, opts ...kfake.Opt) *world {
	t.Helper()
	w := &world{t: t}
	opts = append(opts, kfake.ListenFn(w.net.Listen), kfake.Ports(9092, 9093, 9094), kfake.SeedTopics(2, "orders"))
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	if groups == 0 {
		return w
	}
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.OffsetCommit.Int16(), 9) // the last one with topic names
	client, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.MaxVersions(versions), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range groups {
		commit(t, client, fmt.Sprintf("group-%d", i))
	}
	return w
}

func commit(t *testing.T, client *kgo.Client, group string) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	about := kmsg.NewOffsetCommitRequestTopic()
	about.Topic = "orders"
	for id := range int32(2) {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition = id
		about.Partitions = append(about.Partitions, p)
	}
	req.Topics = append(req.Topics, about)
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

func (w *world) options() kafka.Options {
	return kafka.Options{Config: kafka.Config{Name: "main", Brokers: []string{"localhost:9092"}}, Dial: w.net.DialContext}
}

func (w *world) collector(mine func(string) bool) *kafka.Collector {
	w.t.Helper()
	o := w.options()
	o.Mine = mine
	c, err := kafka.Open(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// look returns the totals of the groups that a collector sees.
func (w *world) look(c *kafka.Collector) map[string]tidemark.Total {
	w.t.Helper()
	snapshot, err := c.Snapshot(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]tidemark.Total{}
	for _, g := range snapshot.Groups {
		if strings.HasPrefix(g.Name, "group-") { // and not the tidemarks' own
			all[g.Name] = snapshot.Total(g)
		}
	}
	return all
}

// union returns what several see together, and how many groups more than one sees.
func (w *world) union(tidemarks ...*running) (all map[string]tidemark.Total, twice int) {
	w.t.Helper()
	all = map[string]tidemark.Total{}
	sum := 0
	for _, one := range tidemarks {
		seen := w.look(one.collector)
		sum += len(seen)
		maps.Copy(all, seen)
	}
	return all, sum - len(all)
}

// running is one tidemark.
type running struct {
	shard     *shard.Shard
	collector *kafka.Collector
	cut       atomic.Bool // its share of the network is down
	stop      func()
}

func (w *world) tidemark(name string) *running {
	w.t.Helper()
	r := &running{}
	o := w.options()
	o.Dial = func(ctx context.Context, kind, address string) (net.Conn, error) {
		if r.cut.Load() {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		conn, err := w.net.DialContext(ctx, kind, address)
		return &cable{conn, &r.cut}, err
	}
	var err error
	if r.shard, err = shard.Open(shard.Options{Config: shard.Config{Group: "tidemarks", Name: name}, Kafka: o}); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.shard.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	r.stop = func() { cancel(); <-done }
	w.t.Cleanup(r.stop)
	r.collector = w.collector(r.shard.Mine)
	return r
}

// cable swallows what is sent while it is cut.
type cable struct {
	net.Conn
	cut *atomic.Bool
}

func (c *cable) Write(b []byte) (int, error) {
	if c.cut.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
