package outbox_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

// BenchmarkRelay drains 20,000 rows of 1,000 aggregates and 200 bytes to brokers
// that acknowledge at once: what the database costs, from reading to deleting.
func BenchmarkRelay(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkRelay(b, filepath.Join(b.TempDir(), "outbox.db")) })
	b.Run("postgresql", func(b *testing.B) { benchmarkRelay(b, postgres(b).database(b)) })
}

func benchmarkRelay(b *testing.B, address string) {
	const rows = 20_000
	table, err := outbox.Open(address)
	if err != nil {
		b.Fatal(err)
	}
	defer table.Close()
	if err := table.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		fill(b, table, rows)
		published := make(chan int, rows)
		o := outbox.Options{Table: table, Publish: func(_ context.Context, records ...tidemark.Record) error {
			published <- len(records)
			return nil
		}}
		relay, err := outbox.New(o)
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error)
		b.StartTimer()
		go func() { ended <- relay.Run(ctx) }()
		for n := 0; n < rows; {
			n += <-published
		}
		b.StopTimer()
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func fill(b *testing.B, table *outbox.Table, rows int) {
	b.Helper()
	tx, err := table.DB().BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range rows {
		e := outbox.Event{Tenant: tenant, Aggregate: fmt.Sprintf("job-%d", i%1000), Type: "JobCreated", Topic: "events", Payload: make([]byte, 200)}
		if err := outbox.Write(b.Context(), tx, e); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}
