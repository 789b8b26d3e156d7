package relay

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is what the service tells about itself. The first three names are the
// original's, and mean what they say.
type metrics struct {
	registry    *prometheus.Registry
	messages    prometheus.Counter
	requests    *prometheus.CounterVec
	deliveries  prometheus.Counter
	disconnects *prometheus.CounterVec
	resumes     *prometheus.CounterVec
	gaps        *prometheus.CounterVec
	undecodable prometheus.Counter
	relayBusy   prometheus.Counter
	workBusy    prometheus.Counter
	relayed     prometheus.Histogram
	delivered   prometheus.Histogram
	skewed      prometheus.Counter
}

func newMetrics(s *Service) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	latency := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}) // to 16 s
	}
	m := &metrics{
		registry:    prometheus.NewRegistry(),
		messages:    counter("crm_events_messages_total", "Records that this replica has worked on, each once."),
		requests:    counters("crm_events_http_requests_total", "HTTP requests answered; a stream counts when it begins.", "path", "method", "code"),
		deliveries:  counter("crm_events_deliveries_total", "Events given to clients: one record to ten clients is ten."),
		disconnects: counters("crm_events_disconnects_total", "Streams that ended or were not let in, by reason.", "reason"),
		resumes:     counters("crm_events_resumes_total", "Streams that began, by what the client's position was worth.", "result"),
		gaps:        counters("crm_events_gaps_total", "Gap frames: pieces of the log that a client did not get, by reason.", "reason"),
		undecodable: counter("crm_events_undecodable_total", "Records whose value is no JSON; they are delivered as base64."),
		relayBusy:   counter("crm_events_relay_busy_seconds_total", "Time spent encoding records for the ring."),
		relayed:     latency("crm_events_relay_latency_seconds", "From Kafka's answer to the client's socket, of live deliveries."),
		delivered:   latency("crm_events_delivery_latency_seconds", "From the record's time to the client's socket, of live deliveries; below zero counts as zero."),
		skewed:      counter("crm_events_clock_skew_total", "Live deliveries of records whose time lies ahead of our clock."),
		workBusy:    counter("crm_events_work_busy_seconds_total", "Time spent working on records; the rest was waiting for them. Its rate is the utilisation."),
	}
	// Series that are there from the beginning can be told from those that are not known.
	for family, words := range map[*prometheus.CounterVec][]string{
		m.disconnects: {"client", "slow", "age", "expired", "drain", "kafka", "refused"},
		m.resumes:     {live, exact, approximate, holed},
		m.gaps:        {overflow, retention, recreated, unread},
	} {
		for _, word := range words {
			family.WithLabelValues(word)
		}
	}
	m.registry.MustRegister(m.messages, m.requests, m.deliveries, m.disconnects, m.resumes, m.gaps,
		m.undecodable, m.relayBusy, m.workBusy, m.relayed, m.delivered, m.skewed, &state{s: s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// given notes events of the ring that one client has got, and how long they took.
func (m *metrics) given(frames []*frame, now time.Time) {
	m.deliveries.Add(float64(len(frames)))
	for _, f := range frames {
		m.relayed.Observe(now.Sub(f.appended).Seconds())
		late := now.Sub(time.UnixMilli(f.timestamp))
		if late < -time.Millisecond { // records have no finer time
			m.skewed.Inc()
		}
		m.delivered.Observe(max(0, late).Seconds())
	}
}

func (m *metrics) page() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// state tells at each scrape what is the case now.
type state struct{ s *Service }

// Describe names nothing: all metrics of a scrape are made in Collect.
func (st *state) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (st *state) Collect(out chan<- prometheus.Metric) {
	s := st.s
	gauge := func(name, help string, value float64, labels prometheus.Labels) {
		desc := prometheus.NewDesc(name, help, nil, labels)
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	st.collectClients(out, gauge)
	records, bytes, age := s.ring.size(time.Now())
	gauge("crm_events_ring_records", "Frames in the ring.", float64(records), nil)
	gauge("crm_events_ring_bytes", "Bytes of the frames in the ring.", float64(bytes), nil)
	gauge("crm_events_ring_age_seconds", "How long the oldest frame has been in the ring.", age.Seconds(), nil)

	relayed, _ := s.ring.tail()
	stages := map[string]vector{"relayed": relayed.next, "flushed": s.flushed()}
	for stage, positions := range stages {
		for partition, next := range positions {
			gauge("crm_events_partition_position", "Next offset of a partition, by how far its records have come here.", float64(next),
				prometheus.Labels{"partition": strconv.Itoa(partition), "stage": stage})
		}
	}
}

// collectClients tells how many clients there are, and how far they are behind.
func (st *state) collectClients(out chan<- prometheus.Metric, gauge func(string, string, float64, prometheus.Labels)) {
	clients := st.s.clients.all()
	byState := map[string]int{"live": 0, "catchup": 0, "slow": 0}
	behind := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "crm_events_client_lag_events", Help: "How many frames the clients that follow the ring have yet to get, at this moment.",
		Buckets: prometheus.ExponentialBuckets(1, 4, 10),
	})
	slowest, now := uint64(0), time.Now()
	for _, who := range clients {
		state, frames := st.s.standing(who, now)
		byState[state]++
		if frames != nil {
			behind.Observe(float64(*frames))
			slowest = max(slowest, *frames)
		}
	}
	gauge("crm_events_sse_clients", "Streams that are open.", float64(len(clients)), nil)
	for state, n := range byState {
		gauge("crm_events_clients", "Streams that are open: live, reading from the log first, or slow.", float64(n), prometheus.Labels{"state": state})
	}
	gauge("crm_events_slowest_client_lag_events", "How many frames the slowest client that follows the ring has yet to get.", float64(slowest), nil)
	behind.Collect(out)
}

// standing is the state of one client, and how many frames of the ring it has yet
// to get; nil: it catches up, and that is not known.
func (s *Service) standing(who *client, now time.Time) (state string, behind *uint64) {
	if !who.following.Load() {
		return "catchup", nil
	}
	_, end := s.ring.tail()
	at := who.flushed.Load()
	if s.ring.age(at, now) > slowAfter {
		return "slow", new(end - min(at, end))
	}
	return "live", new(end - min(at, end))
}
