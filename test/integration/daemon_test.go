//go:build linux

package integration

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/daemon"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestTheMetricsPageAnswersAndStaysTrueWhileBrokersDieAndHang is what an operator
// would see of the faults in the test of the collector: every scrape is held to the
// truth, and a scrape never waits for a broker.
func TestTheMetricsPageAnswersAndStaysTrueWhileBrokersDieAndHang(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	client := newClient(t, cluster.Bootstrap())
	fill(t, client, "orders", 3, 50, 50, 50, 50, 50, 50)
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = fmt.Sprintf("billing-%d", i)
		commit(t, client, groups[i], "orders", 40, 40, 40, 40, 40, 40)
	}
	await(t, "three brokers in sync", func() bool { return healthy(t, cluster, groups) })
	d := watch(t, kafka.Config{Name: "test", Brokers: cluster.Bootstrap(), Interval: 2 * time.Second})
	allKnown := func() bool { return d.scrape(groups) == len(groups) }
	someUnknown := func() bool { return d.scrape(groups) < len(groups) }
	await(t, "the first look", allKnown)

	cluster.Kill(1)
	await(t, "the loss of a broker to be seen", someUnknown)
	await(t, "the two others to take over", allKnown)

	cluster.Freeze(2)
	await(t, "the second loss to be seen", someUnknown)
	for range 2 {
		d.awaitLook(time.Now(), groups)
		if !someUnknown() {
			t.Error("one broker of three answers and the page knows everything")
		}
	}

	cluster.Thaw(2)
	cluster.Restart(1)
	await(t, "the cluster to heal", func() bool { return healthy(t, cluster, groups) })
	first := d.awaitLook(time.Now(), groups)
	d.awaitLook(first, groups)
	if known := d.scrape(groups); known < len(groups) {
		t.Errorf("two looks after healing %d of %d groups are known, want all", known, len(groups))
	}
	d.judgeTimes()
}

// watched is a daemon that watches the cluster, as one who scrapes it sees it.
type watched struct {
	t     *testing.T
	page  string
	view  atomic.Pointer[tidemark.View]
	times []time.Duration // how long each scrape took
}

func watch(t *testing.T, c kafka.Config) *watched {
	t.Helper()
	var network net.ListenConfig
	listener, err := network.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &watched{t: t, page: "http://" + listener.Addr().String() + "/metrics"}
	d.view.Store(&tidemark.View{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{
			Config: config.Config{Clusters: []kafka.Config{c}}, Listener: listener, Dir: t.TempDir(),
			Published: d.view.Store, Log: slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended: %v", err)
		}
	})
	return d
}

// awaitLook waits for a view of a look that began after the given moment, and
// returns when that one began. It scrapes meanwhile.
func (d *watched) awaitLook(after time.Time, groups []string) (began time.Time) {
	d.t.Helper()
	await(d.t, "a look", func() bool {
		d.scrape(groups)
		began = d.view.Load().Observations[0].Snapshot.Began
		return began.After(after)
	})
	return began
}

// truth is the only value that these series may have; absent they may be.
func truth(series string) (value float64, bound bool) {
	name, labels, _ := strings.Cut(series, "{")
	if strings.Contains(labels, `topic="`) && !strings.Contains(labels, `topic="orders"`) {
		return 0, false
	}
	value, bound = map[string]float64{
		"kafka_topic_partition_current_offset":   50,
		"kafka_consumergroup_current_offset":     40,
		"kafka_consumergroup_current_offset_sum": 6 * 40,
		"kafka_consumergroup_lag":                backlog,
		"kafka_consumergroup_lag_sum":            6 * backlog,
		"tidemark_group_lag_records":             6 * backlog,
		"tidemark_group_topic_lag_records":       6 * backlog,
	}[name]
	return value, bound
}

// scrape reads the page, fails on every number that is not the truth and on every
// group that is neither known nor marked as incomplete, and counts the known ones.
func (d *watched) scrape(groups []string) (known int) {
	d.t.Helper()
	looked := len(d.view.Load().Observations) > 0 // asked first: the page is never older
	page := d.read()
	for series, got := range page {
		if want, bound := truth(series); bound && got != want {
			d.t.Errorf("%s = %v, want %v or nothing", series, got, want)
		}
	}
	for _, group := range groups {
		labels := fmt.Sprintf("{cluster=%q,consumergroup=%q}", "test", group)
		_, total := page["tidemark_group_lag_records"+labels]
		complete, marked := page["tidemark_group_complete"+labels]
		switch {
		case total:
			known++
		case looked && (!marked || complete != 0):
			d.t.Errorf("group %s has no total and is not marked as incomplete", group)
		}
	}
	return known
}

func (d *watched) read() map[string]float64 {
	d.t.Helper()
	began := time.Now()
	page := read(d.t, d.page)
	d.times = append(d.times, time.Since(began))
	return page
}

// judgeTimes holds the usual scrape to 50 ms: the slowest may have met a garbage
// collection or another process, but one that asks a broker first takes seconds.
func (d *watched) judgeTimes() {
	d.t.Helper()
	slices.Sort(d.times)
	usual, slowest := d.times[len(d.times)/2], d.times[len(d.times)-1]
	d.t.Logf("%d scrapes, usually %v, at most %v", len(d.times), usual, slowest)
	if usual > 50*time.Millisecond || slowest > 2*time.Second {
		d.t.Errorf("a scrape takes %v, at most %v; want up to 50 ms, never seconds", usual, slowest)
	}
}
