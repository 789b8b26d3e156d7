// Package bench measures what a refresh of everything costs, against the cluster
// that other monitors were measured against: a process of its own, so that its
// work is not counted as ours.
//
//	go test -bench . -benchtime 5x -timeout 30m ./test/bench
//
// Targets at S3, a million group-partitions: for a look at most 0.25 s of CPU and 30
// requests; at most 0.2 s of CPU for the page; the exporter with all of it in at most
// 600 MiB. At S1: in 60 MiB. At S2 with a round trip of 1 ms: a look in 100 ms. Twenty
// scrapers at once: no request.
package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/metrics"
)

// size is a size of cluster, as flags of fakecluster.
type size struct{ name, flags string }

// sizes are 30,000, 100,000 and 1,000,000 group-partitions.
func sizes() []size {
	return []size{
		{"S1", "-topics 100 -partitions 30 -groups 100 -topics-per-group 10"},
		{"S2", "-topics 200 -partitions 20 -groups 1000 -topics-per-group 5"},
		{"S3", "-topics 250 -partitions 40 -groups 1000 -topics-per-group 25"},
	}
}

// distant are the sizes with a network between us and the brokers.
func distant() []size {
	all := sizes()
	for i := range all {
		all[i] = size{all[i].name + "-1ms", all[i].flags + " -latency 1ms"}
	}
	return all
}

// BenchmarkLook looks at the cluster: once to connect, then b.N times.
func BenchmarkLook(b *testing.B) {
	each(b, append(sizes(), distant()...), func(b *testing.B, c cluster) {
		look := c.collector(b)
		latest := look()
		c.check(b, latest)
		first, bytes := sent(latest), c.bytes(b)
		var used time.Duration
		b.ReportAllocs()
		for b.Loop() {
			before := cpu(b)
			latest = look()
			used += cpu(b) - before
			b.StopTimer()
			c.check(b, latest)
			b.StartTimer()
		}
		b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
		b.ReportMetric(float64(c.bytes(b)-bytes)/float64(b.N)/1e6, "MB-read/op")
		b.ReportMetric(float64(sent(latest)-first)/float64(b.N), "requests/op")
	})
}

// sent is how many requests the cluster was sent so far.
func sent(s *tidemark.Snapshot) (n int64) {
	for _, r := range s.Requests {
		n += r.N
	}
	return n
}

// BenchmarkPage writes the metrics of one look.
func BenchmarkPage(b *testing.B) {
	each(b, sizes(), func(b *testing.B, c cluster) {
		s := c.collector(b)()
		v := &tidemark.View{At: s.Ended, Observations: []tidemark.Observation{
			{Cluster: s.Cluster, Snapshot: s, Estimates: capacity.New(capacity.Options{}).Observe(s)},
		}}
		var page metrics.Page
		if err := page.Write(io.Discard, v); err != nil {
			b.Fatal(err)
		}
		var size counter
		before := cpu(b)
		b.ReportAllocs()
		for b.Loop() {
			size = 0
			if err := page.Write(&size, v); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/op")
		b.ReportMetric(float64(size)/1e6, "MB/op")
	})
}

// cluster is a running cluster and, if it is fakecluster, what is true about it.
type cluster struct {
	brokers []string
	stats   string // URL; empty for a cluster that we were given
	lag     int64  // of all groups together
}

// each runs a benchmark against the cluster named by TIDEMARK_BENCH_BROKERS, or
// against fakecluster at each size.
func each(b *testing.B, sizes []size, bench func(*testing.B, cluster)) {
	if given := os.Getenv("TIDEMARK_BENCH_BROKERS"); given != "" {
		b.Run("given", func(b *testing.B) { bench(b, cluster{brokers: strings.Split(given, ",")}) })
		return
	}
	source, err := filepath.Abs("../../../shared/bench/fakecluster")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(source); err != nil {
		b.Skipf("NOTHING WAS MEASURED: %v; set TIDEMARK_BENCH_BROKERS to a cluster's brokers", err)
	}
	binary := compile(b, source)
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			if testing.Short() && size.name != "S1" {
				b.Skip("only the smallest is short")
			}
			bench(b, start(b, binary, size.flags))
		})
	}
}

// compile builds the program in a folder and returns its file.
func compile(b *testing.B, folder string) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), filepath.Base(folder))
	build := exec.CommandContext(b.Context(), "go", "build", "-o", binary, ".")
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", folder, err, out)
	}
	return binary
}

// start runs fakecluster until the benchmark ends.
func start(b *testing.B, binary, flags string) cluster {
	b.Helper()
	command := exec.CommandContext(b.Context(), binary, strings.Fields(flags+" -ports 29092,29093,29094 -admin 127.0.0.1:29099")...)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		_, told, ready := strings.Cut(lines.Text(), "lag_sum=")
		if !ready {
			continue
		}
		c := cluster{brokers: []string{"127.0.0.1:29092", "127.0.0.1:29093", "127.0.0.1:29094"}, stats: "http://127.0.0.1:29099/stats"}
		if _, err := fmt.Sscan(told, &c.lag); err != nil {
			b.Fatal(err)
		}
		return c
	}
	b.Fatal("fakecluster ended before it was ready")
	return cluster{}
}

// collector returns a function that looks at the cluster.
func (c cluster) collector(b *testing.B) func() *tidemark.Snapshot {
	b.Helper()
	collector, err := kafka.Open(kafka.Options{Config: kafka.Config{Name: "bench", Brokers: c.brokers}, Deadline: 30 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(collector.Close)
	return func() *tidemark.Snapshot {
		s, err := collector.Snapshot(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
}

// check says that the lag of a look is the true one.
func (c cluster) check(b *testing.B, s *tidemark.Snapshot) {
	b.Helper()
	sum := tidemark.Total{Complete: true}
	for i := range s.Partitions {
		sum.Add(s.Partitions[i])
	}
	if c.stats != "" && (sum.Records != c.lag || !sum.Complete) {
		b.Fatalf("lag is %+v, want %d; gaps: %v", sum, c.lag, s.Gaps)
	}
}

// bytes is what the cluster has answered so far; 0 for a cluster that we were given.
func (c cluster) bytes(b *testing.B) int64 {
	b.Helper()
	if c.stats == "" {
		return 0
	}
	return c.traffic(b).BytesOut
}

// traffic is what went between the cluster and everybody.
type traffic struct {
	Requests int64 `json:"requests"`
	BytesOut int64 `json:"bytes_out"`
}

func (c cluster) traffic(b *testing.B) traffic {
	b.Helper()
	var told struct {
		Traffic struct {
			Total traffic `json:"total"`
		} `json:"traffic"`
	}
	if err := json.Unmarshal(get(b, c.stats), &told); err != nil {
		b.Fatalf("read %s: %v", c.stats, err)
	}
	return told.Traffic.Total
}

func get(b *testing.B, url string) []byte {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatalf("read %s: %v", url, err)
	}
	return body
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
