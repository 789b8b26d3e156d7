//go:build linux

package integration

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
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
)

// TestAClusterThatHangsDoesNotDelayAnother has two embedded clusters in virtual time.
// After a quarter of an hour all connections to the second lead nowhere.
func TestAClusterThatHangsDoesNotDelayAnother(t *testing.T) {
	_, _ = net.DefaultResolver.LookupHost(t.Context(), "localhost") // a bubble cannot be the first to do so
	synctest.Test(t, func(t *testing.T) {
		const every = 15 * time.Second
		var network kfake.VirtualNetwork
		var hangs atomic.Bool
		serveGroup(t, &network, 9092, 9093, 9094)
		serveGroup(t, &network, 9192, 9193, 9194)
		listener, err := network.Listen("tcp", "127.0.0.1:9308")
		if err != nil {
			t.Fatal(err)
		}

		began, looks := map[string]time.Time{}, 0
		seen := func(v *tidemark.View) {
			for _, o := range v.Observations {
				if o.Snapshot == nil || o.Snapshot.Began.Equal(began[o.Cluster]) {
					continue
				}
				s := o.Snapshot
				if o.Cluster == "well" {
					looks++
					if before := began["well"]; !before.IsZero() && s.Began.Sub(before) != every || s.Ended.Sub(s.Began) > time.Second {
						t.Errorf("a look of %v began %v after the one before, want at once and every %v", s.Ended.Sub(s.Began), s.Began.Sub(before), every)
					}
				}
				group, _ := s.Group("billing")
				if total := s.Total(group); total.Complete && total.Records != 20 || !total.Complete && o.Cluster == "well" {
					t.Errorf("%s: total is %+v, want 20, complete", o.Cluster, total)
				}
				began[o.Cluster] = s.Began
			}
		}
		stuck := time.AfterFunc(15*time.Minute, func() { hangs.Store(true) })
		defer stuck.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Second)
		defer cancel()
		err = daemon.Run(ctx, daemon.Options{
			Config: config.Config{Clusters: []kafka.Config{
				{Name: "well", Brokers: []string{"localhost:9092"}, Interval: every},
				{Name: "stuck", Brokers: []string{"localhost:9192"}, Interval: every},
			}},
			Listener: listener, Dir: t.TempDir(), Published: seen, Log: slog.New(slog.DiscardHandler),
			Dial: func(ctx context.Context, kind, address string) (net.Conn, error) {
				if !strings.Contains(address, ":91") {
					return network.DialContext(ctx, kind, address)
				}
				if hangs.Load() {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				conn, err := network.DialContext(ctx, kind, address)
				return &hole{conn, &hangs}, err
			},
		})
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if want := int(time.Hour/every) + 1; looks != want {
			t.Errorf("%d looks in an hour, want %d", looks, want)
		}
	})
}

// serveGroup serves a cluster where the group billing is 10 records behind on each of
// two partitions.
func serveGroup(t *testing.T, network *kfake.VirtualNetwork, ports ...int) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.ListenFn(network.Listen), kfake.Ports(ports...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fill(t, client, "orders", 1, 10, 10)
	var offsets kadm.Offsets
	for id := range int32(2) {
		offsets.AddOffset("orders", id, 0, -1)
	}
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "billing", offsets); err != nil {
		t.Fatal(err)
	}
}

// hole is a connection whose packets are dropped while it hangs.
type hole struct {
	net.Conn
	hangs *atomic.Bool
}

func (h *hole) Write(b []byte) (int, error) {
	if h.hangs.Load() {
		return len(b), nil
	}
	return h.Conn.Write(b)
}
