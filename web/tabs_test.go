package web_test

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/web"
)

// BenchmarkHundredTabs says what 100 open pages cost a server with 10,000 groups:
// memory with all of them up to date, its highest point while they opened at
// once, and bytes on the wire for each tab and look, of which every 17th group
// has changed.
func BenchmarkHundredTabs(b *testing.B) {
	const tabs, groups = 100, 10_000
	s, err := web.New(web.Options{Config: web.Config{Access: "read"}})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	s.Publish(madeUp(start, groups))
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	server := &http.Server{Handler: s.Handler(), BaseContext: func(net.Listener) context.Context { return ctx }, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	before, peak := used(), watchHeap(ctx)
	var received atomic.Int64
	var readers sync.WaitGroup
	for range tabs {
		readers.Go(func() { drink(b, "http://"+listener.Addr().String()+"/api/tidemark/v1/stream", &received) })
	}
	settle(&received)
	rest, most, look := used()-before, peak()-before, 0.0
	for n := 1; b.Loop(); n++ {
		was := received.Load()
		s.Publish(madeUp(start.Add(time.Duration(n)*15*time.Second), groups))
		settle(&received)
		look = float64(received.Load()-was) / tabs
	}
	b.ReportMetric(rest/1e6, "MB-at-rest")
	b.ReportMetric(most/1e6, "MB-at-most")
	b.ReportMetric(look/1e3, "kB/look/tab")
	cancel()
	readers.Wait()
	if err := server.Close(); err != nil {
		b.Fatal(err)
	}
}

// drink reads a stream as a browser does, squeezed, and keeps nothing.
func drink(b *testing.B, url string, received *atomic.Int64) {
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Error(err)
		return
	}
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		b.Error(err)
		return
	}
	defer response.Body.Close()
	buffer := make([]byte, 16<<10)
	for err == nil {
		var n int
		n, err = response.Body.Read(buffer)
		received.Add(int64(n))
	}
}

// settle waits until something has come and then nothing more for three seconds,
// which is longer than the pace of the streams.
func settle(received *atomic.Int64) {
	for last, quiet := received.Load(), 0; quiet < 30; time.Sleep(100 * time.Millisecond) {
		if now := received.Load(); now != last {
			last, quiet = now, 0
		} else if now > 0 {
			quiet++
		}
	}
}

// used is how much memory lives, in bytes: heap after a collection, and stacks.
func used() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// watchHeap looks at the heap ten times a second; the function it returns says
// the most that was seen.
func watchHeap(ctx context.Context) (most func() float64) {
	var top atomic.Uint64
	go func() {
		for ctx.Err() == nil {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			top.Store(max(top.Load(), m.HeapInuse+m.StackInuse))
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return func() float64 { return float64(top.Load()) }
}
