// Package clients holds crm-events to what its clients do: browsers, packages of
// Node and Go, curl, and the whole service to a crowd of them while replicas and
// brokers come and go. The service is the real program, in processes of its own.
package clients

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

const (
	topic = "aetherlink.events"
	group = "crm-events-sse"
	// patience is how long something on a busy machine may take that will happen.
	patience = 30 * time.Second
)

// program is crm-events, built once for all tests of this package.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if flag.Parse(); testing.Short() {
		return m.Run() // all tests need tools
	}
	dir, err := os.MkdirTemp("", "crm-events-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "crm-events")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/crm-events").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build crm-events: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// missing skips a test that lacks a tool, or fails it where nothing may be skipped.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("TIDEMARK_INTEGRATION") != "" {
		t.Fatalf("%s; test/tools brings it", what)
	}
	t.Skipf("NOT TESTED: %s; test/tools brings it, and TIDEMARK_INTEGRATION=1 insists on it", what)
}

// bed is a topic in this process and one crm-events before it.
type bed struct {
	t         testing.TB
	publisher *kafka.Publisher
	service   *service
	line      *line
	published int
}

// onBothTransports runs a test with each.
func onBothTransports(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Helper()
	if testing.Short() {
		t.Skip("clients are processes of their own; not with -short")
	}
	for _, transport := range []string{"nethttp", "dense"} {
		t.Run(transport, func(t *testing.T) { test(t, openBed(t, "--dense="+strconv.FormatBool(transport == "dense"))) })
	}
}

func openBed(t testing.TB, flags ...string) *bed {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cluster := kafka.Options{Config: kafka.Config{Name: "main", Brokers: broker.ListenAddrs()}}
	publisher, err := kafka.OpenPublisher(cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(publisher.Close)
	s := launch(t, freeAddress(t), append(flags, "--kafka.brokers="+strings.Join(broker.ListenAddrs(), ","), "--drain=1s")...)
	return &bed{t: t, publisher: publisher, service: s, line: openLine(t, s.address)}
}

// publish adds events to the only partition: their offsets go on from the last.
func (b *bed) publish(n int) {
	b.t.Helper()
	records := make([]tidemark.Record, n)
	for i := range records {
		records[i] = tidemark.Record{
			Topic: topic, Partition: 0, Key: []byte("job-1"), Value: fmt.Appendf(nil, `{"Seq":%d,"Text":"ä\u2028 %s"}`, b.published+i, strings.Repeat("x", 100)),
			Headers: []tidemark.Header{{Key: "type", Value: []byte("JobCreated")}, {Key: "tenant_id", Value: []byte("t1")}},
		}
	}
	if err := b.publisher.Publish(b.t.Context(), records...); err != nil {
		b.t.Fatal(err)
	}
	b.published += n
}

// service is one crm-events.
type service struct {
	t       testing.TB
	address string
	cmd     *exec.Cmd
	ended   chan error
}

// launch starts a crm-events and returns when events flow.
func launch(t testing.TB, address string, flags ...string) *service {
	t.Helper()
	s := &service{t: t, address: address, ended: make(chan error, 1)}
	s.cmd = exec.Command(program, append([]string{"--listen=" + address, "--clients.max-per-ip=10000"}, flags...)...)
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(s.kill)
	await(t, "crm-events to be ready", func() bool {
		answer, err := http.Get("http://" + address + "/readyz") //nolint:gosec // our own service
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return s
}

// stop ends the service as an orchestrator does.
func (s *service) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	err := <-s.ended
	s.ended <- err
	if err != nil {
		s.t.Errorf("crm-events ended with %v", err)
	}
}

func (s *service) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	err := <-s.ended
	s.ended <- err
}

// metric reads one series of the service.
func (s *service) metric(series string) string {
	answer, err := http.Get("http://" + s.address + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, is := strings.CutPrefix(lines.Text(), series+" "); is {
			return value
		}
	}
	return "absent"
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await looks until something is so.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); !is(); <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// line is a network between clients and a service that can be cut.
type line struct {
	net.Listener
	to string

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func openLine(t testing.TB, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Listener: listener, to: to}
	t.Cleanup(func() { _ = listener.Close(); l.cut() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(conn)
		}
	}()
	return l
}

func (l *line) carry(conn net.Conn) {
	defer conn.Close()
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer far.Close()
	l.mu.Lock()
	if l.down {
		l.mu.Unlock()
		return
	}
	l.conns = append(l.conns, conn, far)
	l.mu.Unlock()
	go func() {
		_, _ = io.Copy(far, conn)
		_ = far.Close()
	}()
	_, _ = io.Copy(conn, far)
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

func (l *line) url(path string) string { return "http://" + l.Addr().String() + path }

// heard is what a client has said that it got.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) add(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

// count says how many lines begin so.
func (h *heard) count(begin string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.lines {
		if strings.HasPrefix(line, begin) {
			n++
		}
	}
	return n
}

// events are the lines about events, one after another.
func (h *heard) events() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var text strings.Builder
	for _, line := range h.lines {
		if strings.HasPrefix(line, "event ") {
			text.WriteString(line + "\n")
		}
	}
	return text.String()
}

// process runs a client that says what it hears on its standard output.
func process(t testing.TB, name string, args ...string) *heard {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := new(heard)
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			h.add(lines.Text())
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
		_ = cmd.Wait() // it was killed
	})
	return h
}
