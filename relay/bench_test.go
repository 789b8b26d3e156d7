package relay_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/relay"
)

// crowdEnv makes the test binary a crowd of clients: "address number".
const crowdEnv = "RELAY_TEST_CROWD"

func TestMain(m *testing.M) {
	if who := os.Getenv(crowdEnv); who != "" {
		address, n, _ := strings.Cut(who, " ")
		crowd(address, n)
		return
	}
	os.Exit(m.Run())
}

// crowd opens streams and reads them, each second says how many frames came, and
// ends with its standard input. It is a process of its own, so that the server's
// cost can be told from the clients'.
func crowd(address, number string) {
	var frames atomic.Int64
	n, _ := strconv.Atoi(number)
	for i := range n {
		// One source address has 28,000 ports for connections to one server.
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i/10000+1))}}
		conn, err := dialer.Dial("tcp", address)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Fprintf(conn, "GET /crm-events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
		go func() {
			buffer := make([]byte, 32<<10)
			for {
				n, err := conn.Read(buffer)
				frames.Add(int64(bytes.Count(buffer[:n], []byte("\ndata: "))))
				if err != nil {
					return
				}
			}
		}()
	}
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			fmt.Println(frames.Load())
		}
	}()
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// stage is a service on the loopback and a crowd in front of it.
type stage struct {
	b       *testing.B
	service *relay.Service
	counts  *bufio.Scanner
}

func openStage(b *testing.B, m *memory, clients int, change func(*relay.Options)) *stage {
	b.Helper()
	o := relay.Options{Source: m, Member: m.join()}
	o.Topic, o.Group = topic, "crm-events-sse"
	o.MaxClients, o.MaxClientsPerIP, o.MaxConnectRate = clients+1, clients+1, 1e6
	change(&o)
	service, err := relay.New(o)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: service.Handler()}
	go func() { _ = server.Serve(listener) }()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- service.Run(ctx) }()
	st := &stage{b: b, service: service}
	stop := st.launch(listener.Addr().String(), clients)
	b.Cleanup(func() {
		stop()
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		_ = server.Close()
	})
	st.await(int64(clients)) // connected
	return st
}

// launch starts the crowd.
func (st *stage) launch(address string, clients int) (stop func()) {
	st.b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", crowdEnv, address, clients))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		st.b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		st.b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		st.b.Fatal(err)
	}
	st.counts = bufio.NewScanner(out)
	return func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// await waits until the crowd has so many frames.
func (st *stage) await(frames int64) {
	st.b.Helper()
	for st.counts.Scan() {
		if n, err := strconv.ParseInt(st.counts.Text(), 10, 64); err == nil && n >= frames {
			return
		}
	}
	st.b.Fatal("the crowd has gone")
}

// latency is a quantile of the time from Kafka's answer to the socket, read
// between the bounds of the histogram's buckets.
func (st *stage) latency(quantile float64) time.Duration {
	st.b.Helper()
	answer := httptest.NewRecorder()
	st.service.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var bounds, counts []float64
	for _, bucket := range regexp.MustCompile(`relay_latency_seconds_bucket{le="(.*)"} (.*)`).FindAllStringSubmatch(answer.Body.String(), -1) {
		bound, _ := strconv.ParseFloat(bucket[1], 64)
		count, _ := strconv.ParseFloat(bucket[2], 64)
		bounds, counts = append(bounds, bound), append(counts, count)
	}
	below, from := 0.0, 0.0
	want := quantile * counts[len(counts)-1]
	for i, count := range counts {
		if count >= want {
			return time.Duration((from + (bounds[i]-from)*(want-below)/(count-below)) * 1e9)
		}
		below, from = count, bounds[i]
	}
	return 0
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDelivery has 1,000 clients in another process; one round is a second of
// events of 220 bytes at an even pace. It reports the server's own time on the
// processors per event and client, and how late events were.
func BenchmarkDelivery(b *testing.B) {
	const clients = 1000
	run := func(rate int, dense bool, coalesce time.Duration) func(*testing.B) {
		return func(b *testing.B) {
			m := newMemory(3)
			st := openStage(b, m, clients, func(o *relay.Options) { o.Dense, o.Coalesce = dense, coalesce })
			value := fmt.Appendf(nil, `{"Type":"JobCreated","TenantId":"6f1c2a34-0000-4000-8000-000000000001","Text":%q}`, strings.Repeat("x", 30))
			began, published := cpu(), 0
			tick := time.NewTicker(time.Second / time.Duration(rate))
			defer tick.Stop()
			for b.Loop() {
				for i := range rate {
					<-tick.C
					m.append(i%3, []byte("job-17"), value)
				}
				published += rate
			}
			st.await(int64(clients * (published + 1)))
			deliveries := float64(clients * published)
			b.ReportMetric(float64((cpu()-began).Nanoseconds())/1000/deliveries, "cpu-µs/delivery")
			b.ReportMetric(float64(st.latency(0.5).Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(st.latency(0.99).Microseconds())/1000, "p99-ms")
			b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
		}
	}
	for _, rate := range []int{10, 50, 300} {
		b.Run(fmt.Sprintf("nethttp/%d-a-second", rate), run(rate, false, 5*time.Millisecond))
		b.Run(fmt.Sprintf("dense/%d-a-second", rate), run(rate, true, 5*time.Millisecond))
	}
	b.Run("dense-coalesced/500-a-second", run(500, true, 10*time.Millisecond))
}

// BenchmarkIdleClient reports what a client that has had one event costs in memory.
func BenchmarkIdleClient(b *testing.B) {
	const clients = 8000
	for _, transport := range []string{"nethttp", "dense"} {
		b.Run(transport, func(b *testing.B) {
			m := newMemory(3)
			before := resident(b)
			st := openStage(b, m, clients, func(o *relay.Options) { o.Dense, o.RingRecords = transport == "dense", 1024 })
			m.publish(0, 1)
			st.await(2 * clients)
			runtime.GC() // what pools hold goes with the second
			for b.Loop() {
				debug.FreeOSMemory()
			}
			b.ReportMetric(float64(resident(b)-before)/clients, "B/client")
		})
	}
}

// resident is how much of our memory is in RAM.
func resident(b *testing.B) int {
	b.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}
