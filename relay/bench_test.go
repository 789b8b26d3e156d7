package relay_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aetherlink/tidemark/relay"
)

// BenchmarkDelivery has 1,000 clients in memory; one round is 100 records of 220
// bytes, encoded once and delivered to all: 100,000 deliveries.
func BenchmarkDelivery(b *testing.B) {
	const clients, round = 1000, 100
	m := newMemory(3)
	r := m.start(b, func(o *relay.Options) { o.MaxClientsPerIP = clients })
	var lines atomic.Int64
	arrived := make(chan struct{}, 1)
	for range clients {
		tab := r.connect("")
		b.Cleanup(func() { _ = tab.answer.Body.Close() })
		go func() {
			_, _ = io.Copy(counting{&lines, arrived}, tab.answer.Body)
		}()
	}
	value := []byte(fmt.Sprintf(`{"Type":"JobCreated","TenantId":"6f1c2a34-0000-4000-8000-000000000001","Seq":1,"Text":%q}`, strings.Repeat("x", 110)))
	want := int64(clients * 5) // retry, connected
	b.ReportAllocs()
	for b.Loop() {
		for i := range round {
			m.append(i%3, []byte("job-17"), value)
		}
		want += clients * round * 3 // id, data, blank
		for lines.Load() < want {
			<-arrived
		}
	}
	b.ReportMetric(float64(b.N)*clients*round/b.Elapsed().Seconds(), "deliveries/s")
}

// counting counts the lines that are written to it.
type counting struct {
	lines   *atomic.Int64
	arrived chan<- struct{}
}

func (c counting) Write(text []byte) (int, error) {
	c.lines.Add(int64(bytes.Count(text, []byte("\n"))))
	select {
	case c.arrived <- struct{}{}:
	default:
	}
	return len(text), nil
}
