package daemon

import (
	"compress/gzip"
	"io"
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/expfmt"

	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/runbooks"
	"github.com/aetherlink/tidemark/web"
)

// mounts are the parts' handlers behind the pages' guard. Handlers of the running
// configuration are looked up at each request, because a reload replaces them.
func (d *daemon) mounts() []web.Mount {
	engine := func(w http.ResponseWriter, r *http.Request) { d.scope.Load().engine.Handler().ServeHTTP(w, r) }
	notifier := func(w http.ResponseWriter, r *http.Request) { d.scope.Load().notifier.Handler().ServeHTTP(w, r) }
	scaler := func(w http.ResponseWriter, r *http.Request) { d.scope.Load().scaler.Handler().ServeHTTP(w, r) }
	return []web.Mount{
		{Path: d.Telemetry, Handler: http.HandlerFunc(d.metrics), Open: true},
		{Path: "/api/v1/", Handler: http.HandlerFunc(engine)},
		{Path: "/federate", Handler: http.HandlerFunc(engine)},
		{Path: "/api/v2/", Handler: http.HandlerFunc(notifier), Acts: true},
		{Path: "/api/tidemark/v1/scale", Handler: http.HandlerFunc(scaler), Acts: true},
		{Path: "/api/tidemark/v1/scale/", Handler: http.HandlerFunc(scaler), Acts: true},
		{Path: "/runbooks/", Handler: runbooks.Handler(d.view.Load)},
		{Path: "/-/reload", Handler: http.HandlerFunc(d.serveReload), Acts: true},
	}
}

// metrics writes the page of the latest view and what the process says of itself.
func (d *daemon) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", metrics.ContentType)
	out := io.Writer(w)
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		// Level 1: the page is as large as the cluster, and level 6 costs three times the time for a third less bytes.
		packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		defer packed.Close()
		out = packed
	}
	if err := d.page.Write(out, d.view.Load()); err != nil {
		return // the scraper has gone
	}
	own, err := d.registry.Gather()
	if err != nil {
		d.Log.Warn("own metrics are incomplete", "err", err)
	}
	for _, family := range own {
		if _, err := expfmt.MetricFamilyToText(out, family); err != nil {
			return
		}
	}
}

func (d *daemon) serveReload(w http.ResponseWriter, r *http.Request) {
	if err := d.askReload(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, "configuration changed\n")
}

func newRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "tidemark_build_info",
		Help:        "Version of this tidemark and of the Go it was built with; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	// kafka_exporter says its build under this name, and dashboards ask for it.
	r.MustRegister(versioncollector.NewCollector("kafka_exporter"))
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
