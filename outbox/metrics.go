package outbox

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what a relay tells about itself and the table.
type metrics struct {
	r              *Relay
	published      prometheus.Counter
	parked         prometheus.Counter
	recognised     prometheus.Counter
	ack            prometheus.Histogram
	pressureErrors prometheus.Counter

	// Of the latest count; nil before the first one, and after one that failed: what
	// was not counted is not zero.
	backlog *Backlog
	waiting float64 // age of the oldest transaction that strict order waits for, in seconds
}

func newMetrics(r *Relay) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &metrics{
		r:          r,
		published:  counter("outbox_published_total", "Events that the brokers have acknowledged to this relay."),
		parked:     counter("outbox_parked_total", "Events that this relay has parked."),
		recognised: counter("outbox_recognised_total", "Events that were found in their topic instead of being published again."),
		ack: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "outbox_ack_latency_seconds", Help: "How long the brokers took to acknowledge a batch, or to fail.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8), // 1 ms to 16 s
		}),
		pressureErrors: counter("outbox_pressure_errors_total", "Times that the pressure could not be had; after its time an old one limits nothing."),
	}
}

// Describe names nothing: the gauges of a scrape are made in Collect.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.published, m.parked, m.recognised, m.ack, m.pressureErrors} {
		c.Collect(out)
	}
	send := func(kind prometheus.ValueType, name, help string, value float64, labels prometheus.Labels) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, labels), kind, value)
	}
	gauge := func(name, help string, value float64) { send(prometheus.GaugeValue, name, help, value, nil) }

	p := m.r.pace
	p.mu.Lock()
	limit, by := p.limit(time.Now())
	throttled := p.throttled
	p.mu.Unlock()
	send(prometheus.GaugeValue, "outbox_limit_events_per_second", "The rate that events are published at, at most, and who set it.", limit, prometheus.Labels{"by": by})
	send(prometheus.CounterValue, "outbox_throttled_seconds_total", "Time that shards waited because of the limits, in sum.", throttled.Seconds(), nil)
	gauge("outbox_breaker_state", "0: closed, events flow; 1: one record is tried; 2: open, the brokers are left alone.", m.r.breaker.state())
	gauge("outbox_shards_halted", "Shards of this relay that stand still because of a topic or an event.", float64(m.r.health.halted()))

	m.r.mu.Lock()
	held, backlog, waiting := len(m.r.held), m.backlog, m.waiting
	m.r.mu.Unlock()
	gauge("outbox_shards", "Shards that this relay has.", float64(held))
	if m.r.o.Strict {
		gauge("outbox_strict_waiting_seconds", "Age of the oldest transaction of the database; strict order waits for it.", waiting)
	}
	if backlog != nil {
		gauge("outbox_rows", "Events that wait in the table.", float64(backlog.Rows))
		gauge("outbox_bytes", "Bytes of their payloads.", float64(backlog.Bytes))
		gauge("outbox_oldest_age_seconds", "How long the oldest of them has waited.", backlog.Oldest.Seconds())
		for shard, w := range backlog.Shards {
			of := prometheus.Labels{"shard": strconv.Itoa(shard)}
			send(prometheus.GaugeValue, "outbox_shard_rows", "Events of a shard that wait in the table.", float64(w.Rows), of)
			send(prometheus.GaugeValue, "outbox_shard_oldest_age_seconds", "How long the oldest event of a shard has waited.", w.Oldest.Seconds(), of)
		}
		gauge("outbox_parked", "Events that are parked.", float64(backlog.Parked))
	}
}

// measure counts the backlog every 15 seconds, or less often if that takes long:
// it may cost a twentieth of the time.
func (r *Relay) measure(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		b, err := r.table.Backlog(ctx)
		waiting := r.waiting(ctx)
		r.mu.Lock()
		r.metrics.waiting = waiting
		r.metrics.backlog = &b
		if err != nil {
			r.metrics.backlog = nil
		}
		r.mu.Unlock()
		if ctx.Err() == nil {
			r.health.report("counting the backlog", err)
		}
		pause(ctx, jitter(max(15*time.Second, 20*time.Since(began))))
	}
}

// waiting is how long strict order has been waiting for a transaction.
func (r *Relay) waiting(ctx context.Context) (seconds float64) {
	if !r.o.Strict || r.table.oldest == "" {
		return 0
	}
	if err := r.table.db.QueryRowContext(ctx, r.table.oldest).Scan(&seconds); err != nil {
		return 0
	}
	return seconds
}
