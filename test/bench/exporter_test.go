package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// scrapers is how many ask for the page at the same time.
const scrapers = 20

// BenchmarkExporter runs the product's own exporter as a process of its own: it looks
// some times, is scraped b.N times by one and then once by twenty at the same time.
func BenchmarkExporter(b *testing.B) {
	binary := ""
	each(b, sizes(), func(b *testing.B, c cluster) {
		if c.stats == "" {
			b.Skip("the requests of a cluster that we were given cannot be told apart")
		}
		if binary == "" {
			folder, err := filepath.Abs("../../cmd/tidemark")
			if err != nil {
				b.Fatal(err)
			}
			binary = compile(b, folder)
		}
		e := export(b, binary, c)
		e.looks(b, 5)
		var size int
		for b.Loop() {
			size = len(get(b, e.url))
		}
		b.ReportMetric(float64(size)/1e6, "MB/op")
		b.ReportMetric(float64(e.crowd(b)), "requests-for-20-scrapers")
		b.ReportMetric(e.peak(b), "peak-MiB")
	})
}

// exporter is a running exporter.
type exporter struct {
	url     string
	pid     int
	cluster cluster
}

// every is how often it looks: seldom enough for a crowd of scrapers in between.
const every = 10 * time.Second

func export(b *testing.B, binary string, c cluster) exporter {
	b.Helper()
	file := filepath.Join(b.TempDir(), "tidemark.yaml")
	config := fmt.Sprintf("clusters:\n  - {name: bench, brokers: [%q], interval: %s}\n", c.brokers[0], every)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), binary, "exporter", "--config.file", file, "--web.listen-address", "127.0.0.1:29308", "--log.level", "error")
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return exporter{url: "http://127.0.0.1:29308/metrics", pid: command.Process.Pid, cluster: c}
}

// looks waits until the exporter has looked so many times: the cluster was asked,
// and then left alone.
func (e exporter) looks(b *testing.B, n int) {
	b.Helper()
	for range n {
		before, began := e.cluster.traffic(b).Requests, time.Now()
		for e.cluster.traffic(b).Requests == before {
			if time.Since(began) > 3*every {
				b.Fatal("the exporter does not look")
			}
			time.Sleep(100 * time.Millisecond)
		}
		for quiet := 0; quiet < 10; quiet++ {
			before = e.cluster.traffic(b).Requests
			time.Sleep(100 * time.Millisecond)
			if e.cluster.traffic(b).Requests != before {
				quiet = 0
			}
		}
	}
}

// crowd returns how many requests the cluster saw while many scraped at once.
func (e exporter) crowd(b *testing.B) int64 {
	b.Helper()
	e.looks(b, 1)
	before := e.cluster.traffic(b).Requests
	var all sync.WaitGroup
	for range scrapers {
		all.Go(func() { get(b, e.url) })
	}
	all.Wait()
	return e.cluster.traffic(b).Requests - before
}

// peak is the most memory that the exporter had at any time, in MiB.
func (e exporter) peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, err := strconv.Atoi(string(kib))
	if err != nil {
		b.Fatalf("read the peak of process %d: %v", e.pid, err)
	}
	return float64(n) / 1024
}
