//go:build linux

package integration

import (
	"context"
	"log/slog"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/daemon"
	"github.com/aetherlink/tidemark/history"
	"github.com/aetherlink/tidemark/kafka"
)

// TestARealPrometheusTakesWhatIsWrittenToIt has Debian's Prometheus receive remote
// writes, and asks it what it got.
func TestARealPrometheusTakesWhatIsWrittenToIt(t *testing.T) {
	outside := launch(t, regexp.MustCompile(`msg="Listening on" address=(\S+)`), debian(t, "prometheus"),
		"--config.file=/dev/null", "--web.enable-remote-write-receiver", "--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0")
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client := newClient(t, cluster.ListenAddrs())
	fill(t, client, "orders", 1, 30, 30)
	commit(t, client, "billing", "orders", 10, 20)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{
			Config: config.Config{
				Clusters: []kafka.Config{{Name: "main", Brokers: cluster.ListenAddrs(), Interval: time.Second}},
				History:  history.Config{RemoteWrite: []map[string]any{{"url": "http://" + outside + "/api/v1/write"}}},
			},
			Listener: listener, Dir: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler),
		})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended: %v", err)
		}
	}()
	await(t, "the lag of billing in Prometheus", func() bool {
		for _, lag := range query(t, outside, `kafka_consumergroup_lag_sum{consumergroup="billing",topic="orders"}`) {
			return lag == 30
		}
		return false
	})
}
