package relay

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
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
}

func newMetrics(s *Service) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
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
		workBusy:    counter("crm_events_work_busy_seconds_total", "Time spent working on records; the rest was waiting for them. Its rate is the utilisation."),
	}
	// Series that are there from the beginning can be told from those that are not known.
	for family, words := range map[*prometheus.CounterVec][]string{
		m.disconnects: {"client", "slow", "drain", "kafka", "refused"},
		m.resumes:     {live, exact, approximate, holed},
		m.gaps:        {overflow, retention, recreated},
	} {
		for _, word := range words {
			family.WithLabelValues(word)
		}
	}
	m.registry.MustRegister(m.messages, m.requests, m.deliveries, m.disconnects, m.resumes, m.gaps,
		m.undecodable, m.relayBusy, m.workBusy, &state{s: s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
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
	clients, _ := s.clients.count()
	gauge("crm_events_sse_clients", "Streams that are open.", float64(clients), nil)

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
