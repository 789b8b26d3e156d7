package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark/kafka"
)

// TestProxiesOfTheManualPassEventsOnAtOnce runs the snippets of docs/proxies.md in
// front of a service: an event comes through while the stream stays open, and the
// service notices when the browser behind the proxy leaves.
func TestProxiesOfTheManualPassEventsOnAtOnce(t *testing.T) {
	manual, err := os.ReadFile("../../docs/proxies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"nethttp", "dense"} {
		t.Run(transport, func(t *testing.T) { checkProxies(t, string(manual), transport == "dense") })
	}
}

func checkProxies(t *testing.T, manual string, dense bool) {
	t.Helper()
	at, publish := serveOnLoopback(t, func(s *settings) { s.relay.Dense = dense })
	service := at.public.Addr().String()
	t.Run("nginx", func(t *testing.T) {
		port := freePort(t)
		snippets := blocks(manual, "nginx")
		dir := t.TempDir()
		config := "daemon off; pid " + dir + "/pid; error_log stderr; events {}\nhttp { access_log off;\n" +
			"client_body_temp_path " + dir + "; proxy_temp_path " + dir + "; fastcgi_temp_path " + dir + "; uwsgi_temp_path " + dir + "; scgi_temp_path " + dir + ";\n" +
			snippets[1] + "server { listen 127.0.0.1:" + port + ";\n" + snippets[0] + "}\n}\n"
		startProxy(t, "nginx", "-e", "stderr", "-c", write(t, dir, strings.ReplaceAll(config, "crm-events:9010", service)))
		checkProxy(t, "127.0.0.1:"+port, service, publish)
	})
	t.Run("haproxy", func(t *testing.T) {
		port := freePort(t)
		config := strings.NewReplacer("crm-events:9010", service, "bind :8080", "bind 127.0.0.1:"+port).Replace(blocks(manual, "haproxy")[0])
		startProxy(t, "haproxy", "-db", "-f", write(t, t.TempDir(), config))
		checkProxy(t, "127.0.0.1:"+port, service, publish)
	})
}

// blocks returns the fenced blocks of a language.
func blocks(manual, language string) (texts []string) {
	for _, rest := range strings.Split(manual, "\n```"+language+"\n")[1:] {
		text, _, _ := strings.Cut(rest, "```")
		texts = append(texts, text)
	}
	return texts
}

func write(t *testing.T, dir, text string) string {
	t.Helper()
	file := filepath.Join(dir, "proxy.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startProxy runs a proxy until the end of the test. Without it the test is
// skipped, unless TIDEMARK_INTEGRATION is set: then it fails.
func startProxy(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if _, found := os.Stat("/usr/sbin/" + name); err != nil && found == nil {
		path, err = "/usr/sbin/"+name, nil
	}
	if err != nil && os.Getenv("TIDEMARK_INTEGRATION") != "" {
		t.Fatalf("no proxy to test with: %v; apt-get install %s", err, name)
	}
	if err != nil {
		t.Skipf("NOT CHECKED: %v; apt-get install %s brings it, and TIDEMARK_INTEGRATION=1 insists on it", err, name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // nginx takes its workers along
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // it says that it was stopped
}

func checkProxy(t *testing.T, proxy, service string, publish func()) {
	t.Helper()
	lines, leave := stream(t, proxy+"/crm-events", "")
	await(t, lines, `"kind":"connected"`)
	publish()
	await(t, lines, `"kind":"domain_event"`)
	leave()
	lines, leave = stream(t, proxy+"/crm-events?typed=1", "earliest") // the proxy passes id and query on
	await(t, lines, `"kind":"domain_event"`)
	leave()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(get(t, "http://"+service+"/metrics"), "crm_events_sse_clients 0"); {
		if time.Now().After(deadline) {
			t.Fatal("the service still has a client after the browser left")
		}
		publish()
		time.Sleep(100 * time.Millisecond) // another process gives no other sign
	}
}

// stream opens the stream through a proxy, which may need a moment to start.
func stream(t *testing.T, address, id string) (lines *bufio.Scanner, leave func()) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 100 {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Accept", "text/event-stream")
		q.Header.Set("Last-Event-ID", id)
		if answer, err := client.Do(q); err == nil && answer.StatusCode == http.StatusOK {
			return bufio.NewScanner(answer.Body), leave
		}
		time.Sleep(100 * time.Millisecond) // another process gives no other sign
	}
	t.Fatalf("no stream through the proxy at %s", address)
	return nil, leave
}

func await(t *testing.T, lines *bufio.Scanner, what string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), what) {
			return
		}
	}
	t.Fatalf("the stream ended before %s: %v", what, lines.Err())
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url) //nolint:gosec // our own service
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serveOnLoopback runs the service over a broker in this process.
func serveOnLoopback(t *testing.T, change func(*settings)) (at ports, publishOne func()) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "aetherlink.events"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cluster := kafka.Options{Config: kafka.Config{Name: "main", Brokers: broker.ListenAddrs()}}
	s := settings{reset: "earliest", listen: "127.0.0.1:0"}
	s.relay.Topic, s.relay.Group, s.relay.Drain = "aetherlink.events", "crm-events-sse", time.Second
	change(&s)
	at, err = openPorts(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error)
	go func() { ended <- serve(ctx, s, at, cluster) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the service ended with %v", err)
		}
	})
	return at, func() { publish(t, cluster, 1) }
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
