package otlp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	otel "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/otlp"
)

// TestMain looks up a name before any test does: Go's resolver makes a channel at
// its first use, and one made in one test's bubble may not be used in the next.
func TestMain(m *testing.M) {
	_, _ = net.DefaultResolver.LookupHost(context.Background(), "localhost")
	os.Exit(m.Run())
}

// receiver is an OpenTelemetry collector that keeps what it is sent.
type receiver struct {
	t        *testing.T
	status   atomic.Int32
	requests int
	points   map[string]*otel.NumberDataPoint // by name and labels
	metrics  map[string]*otel.Metric
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if status := int(r.status.Load()); status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		r.t.Error(err)
	}
	var sent collector.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &sent); err != nil {
		r.t.Error(err)
	}
	r.requests++
	for _, m := range sent.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		r.metrics[m.Name] = m
		for _, p := range append(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()...) {
			words := []string{m.Name}
			for _, a := range p.Attributes {
				if value := a.Value.GetStringValue(); value != "" {
					words = append(words, a.Key+"="+value)
				} else {
					words = append(words, fmt.Sprintf("%s=%d", a.Key, a.Value.GetIntValue()))
				}
			}
			r.points[strings.Join(words, " ")] = p
		}
	}
}

// push runs a pusher that is handed one view per interval, against a receiver.
func push(t *testing.T, intervals int, view func(i int) *tidemark.View, r *receiver) {
	t.Helper()
	network := new(kfake.VirtualNetwork)
	listener, err := network.Listen("tcp", "127.0.0.1:4318")
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	p, err := otlp.New(otlp.Options{
		Config: otlp.Config{Endpoint: "http://127.0.0.1:4318/v1/metrics"}, Version: "test",
		Dial: network.DialContext, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(intervals)*15*time.Second+time.Second)
	defer cancel()
	go func() {
		for i := range intervals {
			if v := view(i); v != nil {
				p.Push(v)
			}
			time.Sleep(15 * time.Second)
		}
	}()
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
}

// seen is a view of a cluster with one group on a topic of so many partitions, ten
// records behind on each.
func seen(partitions int32) *tidemark.View {
	now := time.Now()
	s := &tidemark.Snapshot{
		Cluster: "main", Began: now, Ended: now, Topics: []tidemark.Topic{{Name: "orders"}},
		Groups: []tidemark.Group{{Name: "billing", Type: "classic", Phase: "Empty"}},
	}
	for id := range partitions {
		s.Topics[0].Partitions = append(s.Topics[0].Partitions, tidemark.Log{ID: id, End: 30})
		s.Partitions = append(s.Partitions, tidemark.Partition{Group: "billing", Topic: "orders", ID: id, Committed: 20, LogEnd: 30})
	}
	estimate := tidemark.Estimate{Cluster: "main", Group: "billing", State: tidemark.Stopped, Partitions: make([]tidemark.PartitionEstimate, partitions)}
	return &tidemark.View{At: now, Observations: []tidemark.Observation{{Cluster: "main", Snapshot: s, Estimates: []tidemark.Estimate{estimate}}}}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, points: map[string]*otel.NumberDataPoint{}, metrics: map[string]*otel.Metric{}}
	r.status.Store(http.StatusOK)
	return r
}

func TestACollectorGetsLagUnderTheNamesOfItsOwnKafkaReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		push(t, 1, func(int) *tidemark.View { return seen(2) }, r)
		for name, want := range map[string]float64{
			"kafka.consumer_group.lag cluster=main group=billing partition=1 topic=orders": 10,
			"kafka.consumer_group.lag_sum cluster=main group=billing topic=orders":         20,
			"kafka.partition.current_offset cluster=main partition=0 topic=orders":         30,
			"tidemark_group_state cluster=main group=billing state=stopped":                1,
		} {
			p, found := r.points[name]
			if !found {
				t.Errorf("the collector lacks %s; it has %d series", name, len(r.points))
				continue
			}
			if got := p.GetAsDouble(); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
		if got, want := r.metrics["kafka.consumer_group.lag"].Unit, "{records}"; got != want {
			t.Errorf("unit of lag = %q, want %q", got, want)
		}
	})
}

func TestALargeViewGoesInSeveralRequestsAndNothingOfItIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		push(t, 1, func(int) *tidemark.View { return seen(12_000) }, r)
		lags := 0
		for name := range r.points {
			if len(name) > 24 && name[:25] == "kafka.consumer_group.lag " {
				lags++
			}
		}
		if got, want := lags, 12_000; got != want {
			t.Errorf("lags = %d, want %d", got, want)
		}
		if r.requests < 5 {
			t.Errorf("requests = %d, want several", r.requests)
		}
	})
}

func TestACollectorThatWasAwayGetsTheNewestViewAndNoOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		r.status.Store(http.StatusServiceUnavailable)
		var last *tidemark.View
		push(t, 6, func(i int) *tidemark.View {
			if i == 3 {
				r.status.Store(http.StatusOK)
			}
			last = seen(1)
			return last
		}, r)
		p := r.points["kafka.consumer_group.lag cluster=main group=billing partition=0 topic=orders"]
		if p == nil {
			t.Fatal("nothing arrived once the collector was back")
		}
		if got, want := time.Unix(0, int64(p.TimeUnixNano)), last.At; got.Before(want.Add(-16 * time.Second)) {
			t.Errorf("the latest sample is of %s, want one of about %s", got, want)
		}
	})
}

func TestAViewThatDoesNotChangeIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		push(t, 4, func(i int) *tidemark.View {
			if i > 0 {
				return nil
			}
			return seen(1)
		}, r)
		if got, want := r.requests, 1; got != want {
			t.Errorf("requests = %d, want %d", got, want)
		}
	})
}

func TestAnEndpointThatIsNoURLIsRefused(t *testing.T) {
	for _, endpoint := range []string{"collector:4318", "grpc://collector:4317", "http://"} {
		if err := (otlp.Config{Endpoint: endpoint}).Validate(); err == nil {
			t.Errorf("%q is taken", endpoint)
		}
	}
}
