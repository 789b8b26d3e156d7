package notify_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/notify"
)

const team = `
route: {receiver: team, group_by: [consumergroup], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
inhibit_rules: [{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [consumergroup]}]
receivers: [{name: team, webhook_configs: [{url: "http://localhost:80/"}]}]
`

// world is a network in memory and what was said in it. It lives in virtual time.
type world struct {
	t    *testing.T
	net  kfake.VirtualNetwork
	said chan message
	dir  string // of the journal; empty: nothing is kept
}

// message is what Alertmanager posts to a webhook.
type message struct {
	Status      string
	GroupLabels map[string]string
	Alerts      []struct {
		Status       string
		Labels       map[string]string
		GeneratorURL string
	}
}

// inWorld runs a test with a webhook that hears everything.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, said: make(chan message, 100)}
		w.serve("localhost:80", w.hear())
		test(t, w)
	})
}

// hear is the webhook.
func (w *world) hear() http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			w.t.Errorf("read what the webhook got: %v", err)
		}
		w.said <- m
	}
}

func (w *world) serve(address string, handler http.Handler) {
	w.t.Helper()
	listener, err := w.net.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	w.t.Cleanup(func() { _ = server.Close() })
}

// run starts a notifier. The returned function ends it, as a stop of the process does.
func (w *world) run(o notify.Options) (n *notify.Notifier, stop func()) {
	w.t.Helper()
	o.Dial, o.ExternalURL = w.net.DialContext, "http://tidemark:9308"
	var err error
	if o.Journal, err = notify.OpenJournal(w.dir, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	if n, err = notify.Open(o); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	synctest.Wait()
	if len(ended) > 0 {
		w.t.Fatalf("run: %v", <-ended)
	}
	return n, func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("run: %v", err)
		}
	}
}

// heard returns what the webhook has got since it was asked last.
func (w *world) heard() []message {
	var all []message
	for {
		select {
		case m := <-w.said:
			all = append(all, m)
		default:
			return all
		}
	}
}

// call asks the notifier's API and reads the answer into to, unless that is nil.
func (w *world) call(n *notify.Notifier, method, path, body string, to any) {
	w.t.Helper()
	request := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer ours") // as somebody who signed in to our pages
	answer := httptest.NewRecorder()
	n.Handler().ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		w.t.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
	}
	if to == nil {
		return
	}
	if err := json.Unmarshal(answer.Body.Bytes(), to); err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, path, err, answer.Body)
	}
}

// active returns the names of the alerts that the API lists as active.
func (w *world) active(n *notify.Notifier) []string {
	w.t.Helper()
	var listed []struct{ Labels map[string]string }
	w.call(n, http.MethodGet, "/api/v2/alerts", "", &listed)
	var names []string
	for _, a := range listed {
		names = append(names, a.Labels["alertname"])
	}
	return names
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "alertmanager.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func firing(name, group, severity string) tidemark.Alert {
	return tidemark.Alert{
		Name: name, State: tidemark.AlertFiring,
		Labels:      map[string]string{"alertname": name, "consumergroup": group, "severity": severity},
		Annotations: map[string]string{"summary": group + " is behind"},
		ActiveSince: time.Now().Add(-5 * time.Minute), FiredAt: time.Now(),
	}
}

func resolved(a tidemark.Alert) tidemark.Alert {
	a.State, a.ResolvedAt = tidemark.AlertResolved, time.Now()
	return a
}
