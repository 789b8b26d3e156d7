// Package outbox brings events from a table in the application's own database to
// Kafka, so that an event is published if, and only if, the change that it tells
// of was committed.
//
// The application writes an event in the transaction of the change ([Write]). A
// [Relay] reads the [Table], publishes, and deletes what the brokers have
// acknowledged. Any number of relays may run: each row belongs to one of 64
// shards by its aggregate, each shard is leased to one relay at a time, and the
// lease's epoch fences off a relay that was paused and does not know that another
// one has taken over. Events of one aggregate are published in the order of their
// ids, at least once.
//
// It hides two dialects of SQL (PostgreSQL and SQLite), leases, retries, and what
// the brokers may be asked to take: rate, records in flight, a breaker. It never
// keeps a transaction open while it talks to a broker, never counts attempts, and
// never drops an event: what cannot be published is parked, visibly. It knows no
// Kafka client: publishing is a function handed in.
//
// May change until version 1.
package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
	"unicode/utf8"
)

// Shards is how many parts the table has. It is part of what is stored.
const Shards = 64

// Event is one fact for others to know.
type Event struct {
	ID         string // a UUID, by which consumers know a repeat; empty: a new one
	Tenant     string // a UUID
	Aggregate  string // what the event is about; becomes the record's key
	Type       string
	Topic      string
	Headers    map[string]string // published beside those of the outbox
	Payload    []byte            // published byte by byte
	OccurredAt time.Time         // zero: now
}

// Execer is a transaction: *sql.Tx, or *sql.Conn with one open.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// insert works in both dialects.
const insert = `insert into outbox (event_id, tenant_id, aggregate, type, topic, headers, payload, occurred_at, shard)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// Write adds events to the table in the caller's transaction. Call [Table.Wake]
// after the commit, and they are published at once.
//
// Two transactions may commit in another order than they wrote. If the events of
// an aggregate must be in order, lock the aggregate's own row before writing.
func Write(ctx context.Context, tx Execer, events ...Event) error {
	for _, e := range events {
		args, err := e.columns()
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insert, args...); err != nil {
			return fmt.Errorf("write event %s of %s to the outbox: %w", e.Type, e.Aggregate, err)
		}
	}
	return nil
}

func (e Event) columns() ([]any, error) {
	if e.ID == "" {
		e.ID = newID()
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = time.Now()
	}
	if err := e.validate(); err != nil {
		return nil, err
	}
	headers := []byte("{}")
	if len(e.Headers) > 0 {
		headers, _ = json.Marshal(e.Headers) // strings always have a JSON form
	}
	payload := e.Payload
	if payload == nil {
		payload = []byte{}
	}
	occurred := e.OccurredAt.UTC().Format(time.RFC3339Nano)
	return []any{e.ID, e.Tenant, e.Aggregate, e.Type, e.Topic, string(headers), payload, occurred, ShardOf(e.Aggregate)}, nil
}

func (e Event) validate() error {
	if e.Aggregate == "" || e.Type == "" || e.Topic == "" {
		return errors.New("outbox: an event needs an aggregate, a type and a topic")
	}
	if !isID(e.ID) || !isID(e.Tenant) {
		return fmt.Errorf("outbox: event %q of tenant %q: both must be UUIDs", e.ID, e.Tenant)
	}
	texts := []string{e.Aggregate, e.Type, e.Topic}
	for name, value := range e.Headers {
		if isOurs(name) {
			return fmt.Errorf("outbox: header %q is one that the outbox writes itself", name)
		}
		texts = append(texts, name, value)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Errorf("outbox: %q is no text that both databases keep as it is: it must be UTF-8 without zeros", text)
		}
	}
	return nil
}

// ShardOf is the shard of an aggregate: FNV-1a, 32 bits, modulo [Shards].
func ShardOf(aggregate string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(aggregate)) // never fails
	return int(h.Sum32() % Shards)
}

// newID is a UUID of version 7: those made later sort later, which keeps the
// index of the ids small in memory.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	ms := time.Now().UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	x := hex.EncodeToString(b[:])
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}

func isID(text string) bool {
	digits := strings.ReplaceAll(text, "-", "")
	_, err := hex.DecodeString(digits)
	return err == nil && len(digits) == 32 && len(text) == 36
}
