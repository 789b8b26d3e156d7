package rules

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// prometheusVersion is the Prometheus whose API this is: Grafana chooses what it
// asks for by it.
const prometheusVersion = "3.16.0"

// Handler answers Prometheus' HTTP API below /api/v1 and federation on /federate.
// It only reads: nothing can be written or deleted through it.
func (e *Engine) Handler() http.Handler {
	api := route.New().WithPrefix("/api/v1")
	e.api().Register(api)
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", sameOrigin(api))
	mux.HandleFunc("/federate", e.federate)
	// The store is behind an interface that does not tell its insides.
	for _, path := range []string{"/api/v1/status/tsdb", "/api/v1/status/tsdb/blocks", "/api/v1/status/walreplay"} {
		mux.Handle(path, http.NotFoundHandler())
	}
	return mux
}

// sameOrigin hides from the API that a page of another origin asks, so that it
// allows none: which origins may ask is for the guard before us.
func sameOrigin(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("Origin")
		h.ServeHTTP(w, r)
	})
}

// api is long because Prometheus' constructor is: 42 parameters, named here one
// by one. It is the only place that knows them.
func (e *Engine) api() *v1.API {
	var (
		began         = time.Now()
		ready         = func(h http.HandlerFunc) http.HandlerFunc { return h }
		pools         = func(context.Context) v1.ScrapePoolsRetriever { return shown{e} }
		targets       = func(context.Context) v1.TargetRetriever { return shown{e} }
		alertmanagers = func(context.Context) v1.AlertmanagerRetriever { return shown{e} }
		ruleGroups    = func(context.Context) v1.RulesRetriever { return shown{e} }
		settings      = func() config.Config { return *e.scraped }
		runtimeInfo   = func() (v1.RuntimeInfo, error) {
			host, err := os.Hostname()
			return v1.RuntimeInfo{
				StartTime: began, ServerTime: time.Now(), Hostname: host, LastConfigTime: began, ReloadConfigSuccess: true,
				GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0),
			}, err
		}
		build    = &v1.PrometheusVersion{Version: prometheusVersion, Revision: "tidemark " + e.options.Version, GoVersion: runtime.Version()}
		notes    = func() []notifications.Notification { return nil }
		noNotes  = func() (<-chan notifications.Notification, func(), bool) { return nil, func() {}, false }
		external = v1.GlobalURLOptions{ListenAddress: e.external.Host, Host: e.external.Host, Scheme: e.external.Scheme}
	)
	return v1.NewAPI(
		e.queries,                // qe
		e.options.Storage,        // q
		nil,                      // apV2: nothing is written
		shown{e},                 // eq
		pools,                    // spsr
		targets,                  // tr
		alertmanagers,            // ar
		settings,                 // configFunc
		nil,                      // flagsMap
		external,                 // globalURLOptions
		ready,                    // readyFunc
		nil,                      // db: only for the paths that Handler refuses, and for administrators
		"",                       // dbDir
		false,                    // enableAdmin
		false,                    // enableSearch
		0,                        // maxSearchLimit
		e.options.Log,            // logger
		ruleGroups,               // rr
		50_000_000,               // remoteReadSampleLimit, Prometheus' default
		10,                       // remoteReadConcurrencyLimit, Prometheus' default
		1<<20,                    // remoteReadMaxBytesInFrame, Prometheus' default
		false,                    // isAgent
		nil,                      // corsOrigin: see sameOrigin
		runtimeInfo,              // runtimeInfo
		build,                    // buildInfo
		notes,                    // notificationsGetter
		noNotes,                  // notificationsSub
		e.registry,               // gatherer
		prometheus.NewRegistry(), // registerer: of one handler's counters, so that there may be several
		nil,                      // statsRenderer
		false,                    // rwEnabled
		nil,                      // acceptRemoteWriteProtoMsgs
		false,                    // otlpEnabled
		false,                    // otlpDeltaToCumulative
		false,                    // otlpNativeDeltaIngestion
		lookback,                 // lookbackDelta
		false,                    // enableTypeAndUnitLabels
		false,                    // appendMetadata
		nil,                      // overrideErrorCode
		nil,                      // featureRegistry
		v1.OpenAPIOptions{ExternalURL: e.options.ExternalURL, Version: prometheusVersion},
		e.parser,     // promqlParser
		false,        // enableQueryCost
		queryTimeout, // queryTimeoutFlag
	)
}

// shown is what the API shows of the engine.
type shown struct{ *Engine }

// RuleGroups returns the rule groups.
func (s shown) RuleGroups() []*rules.Group {
	all := make([]*rules.Group, len(s.groups))
	for i, g := range s.groups {
		all[i] = g.Group
	}
	return all
}

// AlertingRules returns the alerting rules of all groups.
func (s shown) AlertingRules() []*rules.AlertingRule { return s.alertingRules() }

// ScrapePools returns the names of the scraped jobs.
func (s shown) ScrapePools() []string { return s.scraper.ScrapePools() }

// TargetsDropped returns what relabelling has dropped.
func (s shown) TargetsDropped() map[string][]*scrape.Target { return s.scraper.TargetsDropped() }

// TargetsDroppedCounts counts what relabelling has dropped.
func (s shown) TargetsDroppedCounts() map[string]int { return s.scraper.TargetsDroppedCounts() }

// ScrapePoolConfig returns the configuration of a scraped job.
func (s shown) ScrapePoolConfig(job string) (*config.ScrapeConfig, error) {
	return s.scraper.ScrapePoolConfig(job)
}

// TargetsActive returns the scraped targets, and the clusters as if they were some.
func (s shown) TargetsActive() map[string][]*scrape.Target {
	active := s.scraper.TargetsActive()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.clusters {
		active[clusterJob] = append(active[clusterJob], t)
	}
	return active
}

// Alertmanagers returns none: who is told about alerts is not for this package.
func (shown) Alertmanagers() []*url.URL { return nil }

// DroppedAlertmanagers returns none.
func (shown) DroppedAlertmanagers() []*url.URL { return nil }

// ExemplarQuerier answers that exemplars are not kept.
func (shown) ExemplarQuerier(context.Context) (storage.ExemplarQuerier, error) {
	return nil, errors.New("exemplars are not kept")
}
