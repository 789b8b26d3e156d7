// Package otlp pushes what tidemark knows to an OpenTelemetry collector: the same
// samples as on the metrics page, under the names that OpenTelemetry's own Kafka
// receiver uses where it has one, under ours where it has none.
//
// It hides OTLP over HTTP, batches and retries; how to sign in and which
// certificates to trust stands in the variables OTEL_EXPORTER_OTLP_… that every
// exporter of OpenTelemetry reads. It never sends a view twice, and what a
// collector did not take within an interval is not kept for later: the next view
// is newer.
//
// May change until version 1.
package otlp

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
)

// Config is what an operator may write under otlp.
type Config struct {
	// Endpoint is a collector's address with its path, as in
	// http://collector:4318/v1/metrics. Empty: nothing is pushed.
	Endpoint string `yaml:"endpoint"`
	// Interval is the time between two pushes; 0 means 15 seconds.
	Interval time.Duration `yaml:"interval"`
}

// Validate says what in the configuration cannot work, and what would.
func (c Config) Validate() error {
	if c.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("otlp.endpoint is %q; it must be a URL, as http://collector:4318/v1/metrics is", c.Endpoint)
	}
	if c.Interval < 0 {
		return fmt.Errorf("otlp.interval is %s; it must be longer than 0, as 15s is", c.Interval)
	}
	return nil
}

// Options is Config and the living things.
type Options struct {
	Config
	Version string                                                               // of this tidemark
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
	Log     *slog.Logger
}

// Pusher sends the latest view once per interval.
type Pusher struct {
	Options
	latest atomic.Pointer[tidemark.View]
	began  time.Time
}

// New does not need the collector to be there.
func New(o Options) (*Pusher, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Interval == 0 {
		o.Interval = 15 * time.Second
	}
	return &Pusher{Options: o, began: time.Now()}, nil
}

// Push hands over a view. It does not wait: Run sends the newest one it was handed.
func (p *Pusher) Push(v *tidemark.View) { p.latest.Store(v) }

// Run sends until ctx ends. That a collector is away is logged when it begins and
// when it ends, and ends nothing.
func (p *Pusher) Run(ctx context.Context) error {
	if p.Endpoint == "" {
		return nil
	}
	out, err := p.open(ctx)
	if err != nil {
		return fmt.Errorf("otlp.endpoint %s: %w", p.Endpoint, err)
	}
	defer func() { _ = out.Shutdown(context.WithoutCancel(ctx)) }()
	tick := time.NewTicker(p.Interval)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		view := p.latest.Swap(nil)
		if view == nil {
			continue
		}
		err := p.send(ctx, out, view)
		if ctx.Err() != nil {
			return nil
		}
		if away != (err != nil) {
			away = err != nil
			p.say(err)
		}
	}
}

func (p *Pusher) open(ctx context.Context) (*otlpmetrichttp.Exporter, error) {
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(p.Endpoint), otlpmetrichttp.WithTimeout(p.Interval)}
	if p.Dial != nil {
		options = append(options, otlpmetrichttp.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: p.Dial}}))
	}
	return otlpmetrichttp.New(ctx, options...)
}

func (p *Pusher) say(err error) {
	if err != nil {
		p.Log.Warn("samples do not reach the collector", "endpoint", p.Endpoint, "err", err)
		return
	}
	p.Log.Info("samples reach the collector", "endpoint", p.Endpoint)
}

// batch is how many points one request holds: some 2 MB of them, less than the
// 4 MB that collectors take by default.
const batch = 10_000

// send is one view in as many requests as it takes, within one interval.
func (p *Pusher) send(ctx context.Context, out *otlpmetrichttp.Exporter, v *tidemark.View) error {
	ctx, cancel := context.WithTimeout(ctx, p.Interval)
	defer cancel()
	held := 0
	var request []metricdata.Metrics
	for family, points := range families(v, p.began) {
		for part := range slices.Chunk(points, batch) {
			if held+len(part) > batch {
				if err := out.Export(ctx, p.wrapped(request)); err != nil {
					return err
				}
				request, held = nil, 0
			}
			request, held = append(request, metric(family, part)), held+len(part)
		}
	}
	if held == 0 {
		return nil
	}
	return out.Export(ctx, p.wrapped(request))
}

// families yields each family that has samples, with a point for each of them.
func families(v *tidemark.View, began time.Time) iter.Seq2[metrics.Family, []metricdata.DataPoint[float64]] {
	byName := map[string][]metricdata.DataPoint[float64]{}
	for sample := range metrics.Samples(v) {
		byName[sample.Name] = append(byName[sample.Name], metricdata.DataPoint[float64]{
			Attributes: attributes(sample.Series), StartTime: began, Time: v.At, Value: sample.Value,
		})
	}
	return func(yield func(metrics.Family, []metricdata.DataPoint[float64]) bool) {
		for _, f := range metrics.Families() {
			if points := byName[f.Name]; len(points) > 0 && !yield(f, points) {
				return
			}
		}
	}
}

func (p *Pusher) wrapped(all []metricdata.Metrics) *metricdata.ResourceMetrics {
	return &metricdata.ResourceMetrics{
		Resource: resource.NewSchemaless(attribute.String("service.name", "tidemark"), attribute.String("service.version", p.Version)),
		ScopeMetrics: []metricdata.ScopeMetrics{{
			Scope:   instrumentation.Scope{Name: "github.com/aetherlink/tidemark", Version: p.Version},
			Metrics: all,
		}},
	}
}

// metric is one family. Quantiles stay what they are on the page: a label.
func metric(f metrics.Family, points []metricdata.DataPoint[float64]) metricdata.Metrics {
	m := metricdata.Metrics{Name: nameOf(f.Name), Description: f.Help, Unit: unitOf(f.Unit)}
	if f.Type == metrics.Counter {
		m.Data = metricdata.Sum[float64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
		return m
	}
	m.Data = metricdata.Gauge[float64]{DataPoints: points}
	return m
}
