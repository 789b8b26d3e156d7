package notify_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/notify"
)

// receivers are the four kinds that people use most, each speaking its protocol.
type receivers struct {
	t    *testing.T
	http *httptest.Server
	mail net.Listener
	got  map[string]chan string // what came, by kind
	down sync.Map               // kinds that fail
}

func openReceivers(t *testing.T) *receivers {
	t.Helper()
	r := &receivers{t: t, got: map[string]chan string{}}
	for _, kind := range []string{"slack", "pagerduty", "webhook", "mail"} {
		r.got[kind] = make(chan string, 100)
	}
	r.http = httptest.NewServer(http.HandlerFunc(r.post))
	t.Cleanup(r.http.Close)
	var err error
	if r.mail, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := r.mail.Accept()
			if err != nil {
				return
			}
			go r.smtp(c)
		}
	}()
	t.Cleanup(func() { _ = r.mail.Close() })
	return r
}

// post is the HTTP side: Slack's incoming webhook, PagerDuty's events API v2, a webhook.
func (r *receivers) post(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	kind := strings.Split(request.URL.Path, "/")[1]
	if _, fails := r.down.Load(kind); fails {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if !json.Valid(body) {
		r.t.Errorf("%s got %q, want JSON", kind, body)
	}
	r.got[kind] <- string(body)
	if kind == "pagerduty" {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"status":"success"}`)
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// smtp is a server of RFC 5321 with one user.
func (r *receivers) smtp(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 mail.example ESMTP")
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "EHLO", "HELO":
			say("250-mail.example\r\n250 AUTH PLAIN")
		case "AUTH":
			say("235 welcome")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for in.Scan() && in.Text() != "." {
				text.WriteString(in.Text() + "\n")
			}
			r.got["mail"] <- text.String()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// config names all of them; secrets are read from files.
func (r *receivers) config() string {
	dir := r.t.TempDir()
	for name, secret := range map[string]string{
		"slack": r.http.URL + "/slack/" + canary, "key": canary + "-key", "token": canary + "-token", "password": canary + "-password",
	} {
		write(r.t, filepath.Join(dir, name), secret)
	}
	return fmt.Sprintf(`
global: {smtp_smarthost: %q, smtp_from: tidemark@example.com, smtp_require_tls: false, smtp_auth_username: tidemark, smtp_auth_password_file: %q, slack_api_url_file: %q}
route: {receiver: all, group_by: [consumergroup], group_wait: 50ms, group_interval: 200ms, repeat_interval: 4h}
receivers:
- name: all
  slack_configs: [{channel: "#kafka", send_resolved: true}]
  pagerduty_configs: [{routing_key_file: %q, url: %q}]
  webhook_configs: [{url: %q, http_config: {authorization: {credentials_file: %q}}}]
  email_configs: [{to: team@example.com, send_resolved: true}]
`, r.mail.Addr(), filepath.Join(dir, "password"), filepath.Join(dir, "slack"), filepath.Join(dir, "key"),
		r.http.URL+"/pagerduty/v2/enqueue", r.http.URL+"/webhook/", filepath.Join(dir, "token"))
}

// wants waits for what a kind gets next and looks for words in it.
func (r *receivers) wants(kind string, words ...string) {
	r.t.Helper()
	select {
	case got := <-r.got[kind]:
		plain := strings.NewReplacer("=\n", "", "=3D", "=", `\u003c`, "<", `\u003e`, ">", `\u0026`, "&", "&amp;", "&").Replace(got)
		for _, word := range words {
			if !strings.Contains(plain, word) {
				r.t.Errorf("%s got\n%s\nwithout %q", kind, plain, word)
			}
		}
	case <-time.After(20 * time.Second):
		r.t.Fatalf("%s got nothing", kind)
	}
}

const (
	canary    = "canary-8c1f0e"
	runbook   = "http://tidemark:9308/runbooks/LagHigh?cluster=main&group=billing"
	dashboard = "http://tidemark:9308/groups/main/billing"
)

func linked(name string) tidemark.Alert {
	a := firing(name, "billing", "warning")
	a.Annotations["runbook_url"], a.Annotations["dashboard_url"] = runbook, dashboard
	return a
}

// start runs a notifier in real time. The returned function ends it.
func start(t *testing.T, o notify.Options) (n *notify.Notifier, stop func()) {
	t.Helper()
	n, err := notify.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return n, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestEachReceiverGetsFiringAndResolvedGroupedWithLinks(t *testing.T) {
	r := openReceivers(t)
	n, stop := start(t, notify.Options{Config: notify.Config{Alertmanager: file(t, r.config())}, ExternalURL: "http://tidemark:9308"})
	defer stop()
	lag, late := linked("LagHigh"), linked("TimeLagHigh")
	n.Send(t.Context(), []tidemark.Alert{lag, late})
	r.wants("slack", `"channel":"#kafka"`, "[FIRING:2] billing", "<"+runbook+"|Runbook>", "<"+dashboard+"|Live view>", `"color":"danger"`, `"title_link":"http://tidemark:9308/alerts"`)
	r.wants("pagerduty", `"event_action":"trigger"`, `"routing_key":"`+canary+`-key"`, "[FIRING:2] billing", runbook, dashboard, `"num_firing":2`)
	r.wants("webhook", `"status":"firing"`, `"groupLabels":{"consumergroup":"billing"}`, "LagHigh", "TimeLagHigh", runbook, dashboard)
	r.wants("mail", "To: team@example.com", "[FIRING:2] billing", "LagHigh", runbook, dashboard)
	n.Send(t.Context(), []tidemark.Alert{resolved(lag), resolved(late)})
	r.wants("slack", "[RESOLVED] billing", `"color":"good"`)
	r.wants("pagerduty", `"event_action":"resolve"`)
	r.wants("webhook", `"status":"resolved"`, runbook)
	r.wants("mail", "[RESOLVED] billing", runbook)
}

func TestATestReachesEveryIntegrationOfAReceiverOrSaysWhichItDoesNot(t *testing.T) {
	r := openReceivers(t)
	o := notify.Options{Config: notify.Config{Alertmanager: file(t, r.config())}, ExternalURL: "http://tidemark:9308"}
	if err := notify.Test(t.Context(), o, "all"); err != nil {
		t.Error(err)
	}
	for kind, words := range map[string][]string{"slack": {"TidemarkTest"}, "pagerduty": {"trigger"}, "webhook": {"This is a test"}, "mail": {"This is a test"}} {
		r.wants(kind, words...)
		r.wants(kind)
	}
	r.down.Store("slack", true)
	err := notify.Test(t.Context(), o, "all")
	if err == nil || !strings.Contains(err.Error(), "slack of receiver all") || strings.Contains(err.Error(), "webhook") || strings.Contains(err.Error(), canary) {
		t.Errorf("error = %v, want one about Slack only, without its secret", err)
	}
	if err := notify.Test(t.Context(), o, "nobody"); err == nil || !strings.Contains(err.Error(), "there are all") {
		t.Errorf("error = %v, want one that names the receivers", err)
	}
}

// Secrets are in files, in the URL of a receiver and in that of an Alertmanager.
func TestNoSecretIsInLogsMetricsOrAnswers(t *testing.T) {
	r := openReceivers(t)
	for _, kind := range []string{"slack", "pagerduty", "webhook", "api"} {
		r.down.Store(kind, true)
	}
	registry := prometheus.NewRegistry()
	text := strings.Replace(r.config(), r.http.URL+"/webhook/", strings.Replace(r.http.URL, "http://", "http://user:"+canary+"@", 1)+"/webhook/"+canary, 1)
	elsewhere := notify.Config{External: []string{strings.Replace(r.http.URL, "http://", "http://user:"+canary+"@", 1)}}
	for _, config := range []notify.Config{{Alertmanager: file(t, text)}, elsewhere} {
		var log safe
		n, stop := start(t, notify.Options{Config: config, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Registerer: registry})
		n.Send(t.Context(), []tidemark.Alert{linked("LagHigh")})
		if config.Alertmanager != "" {
			r.wants("mail")
		}
		log.waitFor(t, "500")
		for _, path := range []string{"/api/v2/status", "/api/v2/receivers", "/api/v2/alerts", "/api/v2/alerts/groups"} {
			w := httptest.NewRecorder()
			n.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if strings.Contains(w.Body.String(), canary) {
				t.Errorf("%s shows a secret: %s", path, w.Body)
			}
		}
		stop()
		if strings.Contains(log.String(), canary) {
			t.Errorf("the log shows a secret:\n%s", log.String())
		}
	}
	metrics, err := registry.Gather()
	if err != nil || strings.Contains(fmt.Sprint(metrics), canary) {
		t.Errorf("metrics show a secret: %s (%v)", metrics, err)
	}
}

// safe is a log that may be read while it is written.
type safe struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *safe) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(line)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor waits until a line with a word is written.
func (s *safe) waitFor(t *testing.T, word string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.String(), word); {
		if time.Now().After(deadline) {
			t.Fatalf("no line with %q in\n%s", word, s.String())
		}
		<-time.After(10 * time.Millisecond)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
