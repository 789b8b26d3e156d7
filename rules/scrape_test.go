package rules_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/rules"
)

// The scraper asks for the host's full name. Go's resolver makes a channel for all
// of the process at its first use, which must not belong to the bubble of one test.
func TestMain(m *testing.M) {
	host, _ := os.Hostname()
	_, _ = net.DefaultResolver.LookupHost(context.Background(), host)
	os.Exit(m.Run())
}

func TestExternalTargetsAreScrapedIntoTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := scraping(t, rules.Options{
			Config: rules.Config{Scrape: []map[string]any{{
				"job_name":       "outbox",
				"static_configs": []any{map[string]any{"targets": []any{"outbox:9011"}, "labels": map[string]any{"team": "crm"}}},
			}}},
			Pipelines: []tidemark.Pipeline{
				{Name: "a", Scrape: tidemark.Scrape{Job: "crm-events", Targets: []string{"crm-events:9010"}}},
				{Name: "b", Scrape: tidemark.Scrape{Job: "crm-events", Targets: []string{"crm-events:9010"}}},
			},
		})
		time.Sleep(time.Minute)
		for expr, want := range map[string][]float64{
			`crm_events_sse_clients{job="crm-events",instance="crm-events:9010"}`: {3},
			`crm_events_sse_clients{job="outbox",team="crm"}`:                     {3},
			`count(up == 1)`: {2},
			`rate(crm_events_messages_total{job="crm-events"}[1m]) > 0.05`: {2. / 15}, // the two jobs ask one server,
		} {
			if got := b.query(expr); !same(got, want) {
				t.Errorf("%s = %v, want %v", expr, got, want)
			}
		}
		if targets := ask(b, http.MethodGet, "/api/v1/targets", http.StatusOK); !strings.Contains(targets, `"scrapePool":"crm-events"`) {
			t.Errorf("targets = %s, want crm-events among them", targets)
		}
	})
}

func TestSpeed30ScrapesEvery500ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := scraping(t, rules.Options{
			Pipelines: []tidemark.Pipeline{{Name: "a", Scrape: tidemark.Scrape{Job: "crm-events", Targets: []string{"crm-events:9010"}}}},
			Speed:     30,
		})
		time.Sleep(11 * time.Second)
		if got, want := b.query(`count_over_time(up[10s])`), []float64{20}; !same(got, want) {
			t.Errorf("scraped %v times in 10 seconds, want %v", got, want)
		}
	})
}

func TestRunWithoutTargetsEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scraping(t, rules.Options{})
		time.Sleep(time.Hour)
	})
}

// scraping runs an engine, whose targets all are one server in memory, until the
// test ends. That nothing is left running then is what synctest sees to.
func scraping(t *testing.T, o rules.Options) *bed {
	db, err := tsdb.Open(t.TempDir(), nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wire := make(pipes)
	served := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served++
		fmt.Fprintf(w, "crm_events_sse_clients 3\ncrm_events_messages_total %d\n", served)
	}), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(wire) }()
	o.Storage, o.Dial = db, wire.dial
	engine, err := rules.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		server.Close()
		db.Close()
	})
	return &bed{T: t, engine: engine, db: db}
}

// pipes is a network in memory: a listener, and how to reach it.
type pipes chan net.Conn

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }
