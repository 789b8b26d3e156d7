// Package sink writes records into a table of PostgreSQL, each once: the work of a
// group member whose records shall be there to be asked for later.
//
// It hides the table, the batches and the pool of connections. A record is known by
// its header event_id, so that one that comes again, after a crash between insert
// and commit or from a producer that repeats itself, changes nothing. Write returns
// when the rows are safe: who commits to Kafka after that loses nothing. It never
// drops a record that the database does not like: there is none, since whatever a
// record holds is stored as bytes.
//
// May change until version 1.
package sink

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/aetherlink/tidemark"
)

// connections is how many batches are on their way at once, at most: one per
// partition that a replica owns, as a rule.
const connections = 8

//go:embed schema.sql
var schema string

//go:embed insert.sql
var insert string

// Sink is the table. Make it with [Open].
type Sink struct{ db *sql.DB }

// Open connects to a database, postgres://…, which need not be up yet.
func Open(address string) (*Sink, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("sink: open the database: %w", err)
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return &Sink{db}, nil
}

// Migrate makes the table, if it is not there.
func (s *Sink) Migrate(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("sink: make the table crm_event: %w", err)
	}
	return nil
}

// Write inserts records in one statement. Those that are there already are left as
// they are. On an error none of them was written by this call. It may be called by
// several goroutines at once.
func (s *Sink) Write(ctx context.Context, records []tidemark.Record) error {
	if len(records) == 0 {
		return nil
	}
	if _, err := s.db.ExecContext(ctx, insert, columns(records)...); err != nil {
		return fmt.Errorf("sink: insert %d events: %w", len(records), err)
	}
	return nil
}

// Close ends all connections.
func (s *Sink) Close() error { return s.db.Close() }

// columns are the records, column by column.
func columns(records []tidemark.Record) []any {
	n := len(records)
	ids, topics, kinds, tenants := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	partitions, offsets, times := make([]int32, n), make([]int64, n), make([]time.Time, n)
	keys, values := make([][]byte, n), make([][]byte, n)
	for i, r := range records {
		topics[i], partitions[i], offsets[i], times[i] = r.Topic, r.Partition, r.Offset, r.Timestamp
		keys[i], values[i] = r.Key, r.Value
		ids[i], kinds[i], tenants[i] = header(r, "event_id"), header(r, "type"), header(r, "tenant_id")
		if ids[i] == "" { // with the time: offsets begin anew when a topic is made anew
			ids[i] = fmt.Sprintf("%s/%d/%d@%d", r.Topic, r.Partition, r.Offset, r.Timestamp.UnixMilli())
		}
	}
	return []any{ids, topics, partitions, offsets, times, kinds, tenants, keys, values}
}

// header is a header as PostgreSQL takes text: without NUL and broken UTF-8.
func header(r tidemark.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return strings.ReplaceAll(strings.ToValidUTF8(string(h.Value), "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return ""
}
