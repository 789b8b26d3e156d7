package rules_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
)

func TestGrafanaSeesAPrometheus(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)

	if got, want := b.query("sum(kafka_consumergroup_lag)"), []float64{600}; !same(got, want) {
		t.Errorf("query = %v, want %v", got, want)
	}
	const during = "&start=1762077600&end=1762077900"
	for path, wants := range map[string][]string{
		"/api/v1/query_range?query=kafka:group_lag_sum&step=60" + during: {`"matrix"`, `"600"`},
		"/api/v1/series?match[]=kafka:group_lag_sum" + during:            {`"consumergroup":"crm-events-sse"`},
		"/api/v1/labels?" + during:                                       {`"consumergroup"`},
		"/api/v1/label/consumergroup/values?" + during:                   {`"crm-events-sse"`},
		"/api/v1/rules?type=alert":                                       {`"crm_events_lag_alerts"`, `"crm_events_service"`, `"kafka_lag"`, `"CrmEventsConsumerLagHigh"`, `"state":"firing"`},
		"/api/v1/alerts":                                                 {`"alertname":"CrmEventsConsumerLagHigh"`, `"runbook_url"`},
		"/api/v1/targets":                                                {`"job":"tidemark"`, `"cluster":"main"`, `"health":"up"`},
		"/api/v1/metadata":                                               {`"kafka_consumergroup_lag"`, `Current Approximate Lag`},
		"/api/v1/status/buildinfo":                                       {`"version":"3.16.0"`},
		"/api/v1/status/config":                                          {`scrape_interval`},
		"/api/v1/status/flags":                                           {`"success"`},
		"/api/v1/scrape_pools":                                           {`"success"`},
		"/api/v1/alertmanagers":                                          {`"activeAlertmanagers":[]`},
	} {
		body := ask(b, http.MethodGet, path, http.StatusOK)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("GET %s lacks %s in %s", path, want, body[:min(len(body), 500)])
			}
		}
	}
}

func TestNothingCanBeWrittenOrAskedOfTheStoresInsides(t *testing.T) {
	b := newBed(t, reference())
	for _, path := range []string{"/api/v1/write", "/api/v1/otlp/v1/metrics"} {
		ask(b, http.MethodPost, path, http.StatusNotFound)
	}
	ask(b, http.MethodPost, "/api/v1/admin/tsdb/delete_series?match[]=up", http.StatusInternalServerError) // Prometheus says it so
	for _, path := range []string{"/api/v1/status/tsdb", "/api/v1/status/tsdb/blocks", "/api/v1/status/walreplay"} {
		ask(b, http.MethodGet, path, http.StatusNotFound)
	}
	ask(b, http.MethodGet, "/api/v1/query_exemplars?query=up&start=0&end=1", http.StatusUnprocessableEntity)
	ask(b, http.MethodGet, "/api/v1/notifications", http.StatusOK)
}

func TestAnotherOriginIsNotLetIn(t *testing.T) {
	b := newBed(t, reference())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/labels", nil)
	r.Header.Set("Origin", "https://elsewhere.example")
	w := httptest.NewRecorder()
	b.engine.Handler().ServeHTTP(w, r)
	if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("Access-Control-Allow-Origin = %q, want none", got)
	}
}

func TestAClusterOutOfSightIsATargetThatIsDown(t *testing.T) {
	b := newBed(t, reference())
	b.world.failed = http.ErrServerClosed
	b.look()
	if body := ask(b, http.MethodGet, "/api/v1/targets", http.StatusOK); !strings.Contains(body, `"health":"down"`) {
		t.Errorf("targets = %s, want one that is down", body)
	}
}

func TestFederationServesPresentValuesAsText(t *testing.T) {
	b := newBed(t, reference())
	b.now = time.Now()
	b.world.lag = 600
	b.look()
	body := ask(b, http.MethodGet, `/federate?match[]=kafka:group_lag_sum&match[]={job="tidemark",__name__="kafka_brokers"}`, http.StatusOK)
	want := []string{
		`# TYPE kafka:group_lag_sum untyped`,
		`kafka:group_lag_sum{cluster="main",consumergroup="crm-events-sse",instance=""} 600`,
		`# TYPE kafka_brokers untyped`,
		`kafka_brokers{cluster="main",instance="here:9308",job="tidemark"} 1`,
	}
	if got := strings.Split(strings.TrimSpace(body), "\n"); !slices.Equal(got, want) {
		t.Errorf("federation = %q, want %q", got, want)
	}
	ask(b, http.MethodGet, "/federate?match[]=up{", http.StatusBadRequest)
}

func ask(b *bed, method, path string, status int) string {
	b.Helper()
	w := httptest.NewRecorder()
	b.engine.Handler().ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), method, path, nil))
	if got, want := w.Code, status; got != want {
		b.Errorf("%s %s: %d %s, want %d", method, path, got, w.Body, want)
	}
	return w.Body.String()
}
