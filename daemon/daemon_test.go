package daemon_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/daemon"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/web"
)

// TestMain looks up a name before any test does: Go's resolver makes a channel at
// its first use, and one made in one test's bubble may not be used in the next.
func TestMain(m *testing.M) {
	_, _ = net.DefaultResolver.LookupHost(context.Background(), "localhost")
	os.Exit(m.Run())
}

// bed is a Kafka of three brokers on a network of its own, in virtual time.
type bed struct {
	t        *testing.T
	network  *kfake.VirtualNetwork
	cluster  *kfake.Cluster
	client   *kgo.Client
	admin    *kadm.Client
	listener net.Listener
	began    time.Time
}

func newBed(t *testing.T) *bed {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	cluster, err := kfake.NewCluster(kfake.Ports(9092, 9093, 9094), kfake.ListenFn(network.Listen), kfake.SeedTopics(3, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(network.DialContext),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	listener, err := network.Listen("tcp", "127.0.0.1:9308")
	if err != nil {
		t.Fatal(err)
	}
	return &bed{t: t, network: network, cluster: cluster, client: client, admin: kadm.NewClient(client), listener: listener, began: time.Now()}
}

// again is the same Kafka with a new port for the next daemon.
func (b *bed) again() *bed {
	b.t.Helper()
	listener, err := b.network.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	next := *b
	next.listener = listener
	return &next
}

// publish appends n records to each partition of orders.
func (b *bed) publish(n int) {
	b.t.Helper()
	var records []*kgo.Record
	for p := range int32(3) {
		for range n {
			records = append(records, &kgo.Record{Topic: "orders", Partition: p, Value: []byte("x")})
		}
	}
	if err := b.client.ProduceSync(b.t.Context(), records...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// commit sets the group billing to an offset on each partition.
func (b *bed) commit(offset int64) {
	b.t.Helper()
	var offsets kadm.Offsets
	for p := range int32(3) {
		offsets.AddOffset("orders", p, offset, -1)
	}
	if err := b.admin.CommitAllOffsets(b.t.Context(), "billing", offsets); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) config() config.Config {
	return config.Config{
		Clusters:  []kafka.Config{{Name: "main", Brokers: b.cluster.ListenAddrs(), Interval: 15 * time.Second}},
		Pipelines: []tidemark.Pipeline{{Name: "billing", Cluster: "main", Group: "billing", Thresholds: tidemark.Thresholds{LagRecords: 500}}},
		Rules:     rules.Config{Packs: []string{"kafka-lag"}},
		Web:       web.Config{Access: "read"}, // the virtual network has no loopback
	}
}

// run runs a daemon until the given time has passed, and calls watch with each view.
func (b *bed) run(c config.Config, long time.Duration, watch func(*tidemark.View)) {
	b.t.Helper()
	b.runAs(daemon.Options{Config: c, Dir: b.t.TempDir(), Published: watch}, long)
}

// runAs runs a daemon with options of its own on this bed's network.
func (b *bed) runAs(o daemon.Options, long time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), long)
	defer cancel()
	o.Listener, o.Dial, o.Version, o.Log = b.listener, b.network.DialContext, "test", slog.New(slog.DiscardHandler)
	err := daemon.Run(ctx, o)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		b.t.Error(err)
	}
}

func (b *bed) get(path string) (int, string) {
	b.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: b.network.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://127.0.0.1:9308"+path, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestAnHourOfLagIsSeenWholeAndEachTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.commit(0)
		go func() {
			time.Sleep(time.Second / 2) // never on a tick
			for range 3600 {
				b.publish(1)
				time.Sleep(time.Second)
			}
		}()
		looks, last := 0, &tidemark.View{}
		b.run(b.config(), time.Hour+7*time.Second, func(v *tidemark.View) { looks++; last = v }) // never on a tick
		if got, want := looks, 241; got != want {
			t.Errorf("looks = %d, want %d", got, want)
		}
		e, _ := last.Observations[0].Estimate("billing")
		if got, want := e.Lag, (tidemark.Total{Records: 3 * 3600, Partitions: 3, Complete: true}); got != want {
			t.Errorf("lag = %+v, want %+v", got, want)
		}
		if got, want := e.State, tidemark.Stopped; got != want {
			t.Errorf("state = %s, want %s: %s", got, want, e.Because)
		}
	})
}

func TestTheMetricsPageAndPrometheusAPIShowTheSameMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.publish(20)
		b.commit(5)
		go func() {
			time.Sleep(2 * time.Minute)
			_, page := b.get("/metrics")
			want := `kafka_consumergroup_lag_sum{cluster="main",consumergroup="billing",topic="orders"} 45`
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %s:\n%s", want, page)
			}
			_, answer := b.get("/api/v1/query?query=sum(kafka_consumergroup_lag)")
			if !strings.Contains(answer, `"45"`) {
				t.Errorf("the query answers %s, want 45", answer)
			}
			if status, answer := b.get("/readyz"); status != http.StatusOK {
				t.Errorf("not ready: %d %s", status, answer)
			}
		}()
		b.run(b.config(), 3*time.Minute+time.Second, func(*tidemark.View) {})
	})
}

func TestKafkaAwayIsNoReasonToEndAndIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		c := b.config()
		c.Clusters[0].Brokers = []string{"127.0.0.1:1"}
		var last *tidemark.View
		b.run(c, time.Minute+time.Second, func(v *tidemark.View) { last = v })
		if last == nil || last.Observations[0].Failed == nil {
			t.Fatalf("no view says that the look failed: %+v", last)
		}
	})
}

func TestAlertsPendFireAndAreHandedOnWithTheView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.publish(1000)
		b.commit(0)
		states := map[string]bool{}
		b.run(b.config(), 12*time.Minute+time.Second, func(v *tidemark.View) {
			for _, a := range v.Alerts {
				states[a.Name+" "+string(a.State)] = true
			}
		})
		for _, want := range []string{"KafkaConsumerGroupStopped pending", "KafkaConsumerGroupStopped firing"} {
			if !states[want] {
				t.Errorf("never saw %q; saw %v", want, states)
			}
		}
	})
}
