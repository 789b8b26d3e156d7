package outbox_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

const tenant = "0190b5e4-0000-7000-8000-000000000001"

// onBoth runs a test on SQLite, in virtual time, and on a real PostgreSQL.
func onBoth(t *testing.T, test func(*world)) {
	t.Parallel() // PostgreSQL's wait more than they work
	t.Run("sqlite", func(t *testing.T) { onSQLite(t, test) })
	t.Run("postgresql", func(t *testing.T) { onPostgreSQL(t, test) })
}

func onSQLite(t *testing.T, test func(*world)) {
	file := filepath.Join(folder(t), "outbox.db")
	synctest.Test(t, func(t *testing.T) {
		test(newWorld(t, &world{address: file, kind: outbox.SQLite, long: 2 * time.Hour}))
	})
}

// folder is in memory where it can be: two hours of leases are thousands of syncs.
func folder(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "outbox-") //nolint:usetesting // in memory
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func onPostgreSQL(t *testing.T, test func(*world)) {
	test(newWorld(t, &world{address: postgres(t).database(t), kind: outbox.PostgreSQL, long: 3 * time.Second}))
}

// world is a database with an outbox, brokers, and the application that writes.
type world struct {
	*testing.T
	*fakeBrokers
	address string
	kind    outbox.Kind
	long    time.Duration // what a long time is: in PostgreSQL's tests it passes really
	table   *outbox.Table // the application's
	written map[string]int
}

func newWorld(t *testing.T, w *world) *world {
	w.T, w.fakeBrokers, w.written = t, &fakeBrokers{}, map[string]int{}
	w.table, _ = w.open()
	if err := w.table.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// open opens the database once more, with a wire that can be cut.
func (w *world) open() (*outbox.Table, *wire) {
	w.Helper()
	var inner driver.Connector
	var err error
	if w.kind == outbox.SQLite {
		inner, err = sqlite.NewConnector("file:" + w.address + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	} else {
		var config *pgx.ConnConfig
		config, err = pgx.ParseConfig(w.address)
		if err == nil {
			inner = stdlib.GetConnector(*config)
		}
	}
	if err != nil {
		w.Fatal(err)
	}
	cable := &wire{}
	table := outbox.On(sql.OpenDB(connector{inner, cable}), w.kind)
	w.Cleanup(func() { _ = table.Close() })
	return table, cable
}

// write commits n more events of an aggregate, each in a transaction of its own.
func (w *world) write(aggregate string, n int) {
	w.Helper()
	for range n {
		w.commit(w.event(aggregate))
	}
}

func (w *world) event(aggregate string) outbox.Event {
	w.written[aggregate]++
	return outbox.Event{Tenant: tenant, Aggregate: aggregate, Type: "JobCreated", Topic: "events", Payload: []byte(strconv.Itoa(w.written[aggregate]))}
}

func (w *world) commit(events ...outbox.Event) {
	w.Helper()
	tx := w.begin()
	if err := outbox.Write(w.Context(), tx, events...); err != nil {
		w.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		w.Fatal(err)
	}
	if err := w.table.Wake(w.Context()); err != nil {
		w.Error(err)
	}
}

func (w *world) begin() *sql.Tx {
	w.Helper()
	tx, err := w.table.DB().BeginTx(w.Context(), nil)
	if err != nil {
		w.Fatal(err)
	}
	return tx
}

// process is a relay with a connection of its own.
type process struct {
	*outbox.Relay
	*wire // of a doomed one
	stop  func()
}

// relay runs a relay until stop, or the end of the test.
func (w *world) relay(change ...func(*outbox.Options)) *process {
	w.Helper()
	table, err := outbox.Open(w.address)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = table.Close() })
	return w.run(table, nil, change...)
}

// doomed runs a relay whose connection to the database can be cut.
func (w *world) doomed(change ...func(*outbox.Options)) *process {
	w.Helper()
	table, cable := w.open()
	soon := func(o *outbox.Options) { o.Lease = 3 * time.Second } // another one shall take over
	return w.run(table, cable, append([]func(*outbox.Options){soon}, change...)...)
}

func (w *world) run(table *outbox.Table, cable *wire, change ...func(*outbox.Options)) *process {
	w.Helper()
	o := outbox.Options{Table: table, Publish: w.publish, Judge: judge}
	o.Drain = time.Second
	if w.kind == outbox.PostgreSQL { // where time passes really
		o.Lease, o.Poll = 10*time.Second, 200*time.Millisecond
	}
	for _, c := range change {
		c(&o)
	}
	relay, err := outbox.New(o)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		w.Helper()
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("the relay ended with %v", err)
		}
	})
	w.Cleanup(stop)
	return &process{relay, cable, stop}
}

// await asks until the answer is yes.
func (w *world) await(what string, done func() bool) {
	w.Helper()
	deadline := time.Now().Add(max(time.Minute, w.long))
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !done() {
		if <-again.C; time.Now().After(deadline) {
			w.Fatalf("waited for %s; published: %v", what, w.log())
		}
	}
}

func (w *world) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// awaitAll waits until all that was written is published and the table is empty,
// and returns how many records were published more than once.
func (w *world) awaitAll() (repeats int) {
	w.Helper()
	w.await("everything to be published and deleted", func() bool { return w.missing() == "" && w.rows() == 0 })
	return w.checkOrder()
}

func (w *world) missing() string {
	seen := w.byAggregate()
	for aggregate, n := range w.written {
		for i := range n {
			if !slices.Contains(seen[aggregate], i+1) {
				return fmt.Sprintf("%s %d", aggregate, i+1)
			}
		}
	}
	return ""
}

// checkOrder fails if an event was first published before an earlier one of its
// aggregate, and counts repeats.
func (w *world) checkOrder() (repeats int) {
	w.Helper()
	for aggregate, numbers := range w.byAggregate() {
		last := 0
		for _, n := range numbers {
			switch {
			case n <= last:
				repeats++
			case n == last+1:
				last = n
			default:
				w.Errorf("%s: %d was published after %d: %v", aggregate, n, last, numbers)
				return repeats
			}
		}
	}
	return repeats
}

func (w *world) byAggregate() map[string][]int {
	seen := map[string][]int{}
	for _, r := range w.records() {
		n, _ := strconv.Atoi(string(r.Value))
		seen[string(r.Key)] = append(seen[string(r.Key)], n)
	}
	return seen
}

func (w *world) rows() int64 { return w.backlog().Rows }

func (w *world) backlog() outbox.Backlog {
	w.Helper()
	b, err := w.table.Backlog(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return b
}

// fakeBrokers take records, unless they are told otherwise.
type fakeBrokers struct {
	mu    sync.Mutex
	taken []tidemark.Record
	down  chan struct{}                   // not nil: closed when they are up again
	each  func(r tidemark.Record) error   // an error refuses the record and those after it
	ask   func(records []tidemark.Record) // before they take anything
}

func (b *fakeBrokers) publish(ctx context.Context, records ...tidemark.Record) error {
	b.mu.Lock()
	down, each, ask := b.down, b.each, b.ask
	b.mu.Unlock()
	if ask != nil {
		ask(records)
	}
	if down != nil { // as a Kafka client does: it tries for as long as it may
		select {
		case <-down:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, r := range records {
		if each != nil {
			if err := each(r); err != nil {
				return err
			}
		}
		b.mu.Lock()
		b.taken = append(b.taken, r)
		b.mu.Unlock()
	}
	return nil
}

func (b *fakeBrokers) set(change func(*fakeBrokers)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// goDown makes the brokers unreachable until up is called.
func (b *fakeBrokers) goDown() (up func()) {
	down := make(chan struct{})
	b.set(func(b *fakeBrokers) { b.down = down })
	return func() {
		b.set(func(b *fakeBrokers) { b.down = nil })
		close(down)
	}
}

func (b *fakeBrokers) records() []tidemark.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.taken)
}

// log is what the brokers have, as "aggregate number".
func (b *fakeBrokers) log() []string {
	var lines []string
	for _, r := range b.records() {
		lines = append(lines, string(r.Key)+" "+string(r.Value))
	}
	return lines
}

func (b *fakeBrokers) has(line string) bool { return slices.Contains(b.log(), line) }

var (
	errCut    = errors.New("the wire is cut")
	errClosed = errors.New("no such topic")
	errBad    = errors.New("the record is bad")
)

func judge(err error) outbox.Verdict {
	switch {
	case errors.Is(err, errClosed):
		return outbox.Closed
	case errors.Is(err, errBad):
		return outbox.Unpublishable
	}
	return outbox.Retry
}

// headerOf returns the value of a record's header.
func headerOf(r tidemark.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// inShard returns names of aggregates of one shard.
func inShard(shard, n int) []string {
	var names []string
	for i := 0; len(names) < n; i++ {
		if name := fmt.Sprintf("job-%d", i); outbox.ShardOf(name) == shard {
			names = append(names, name)
		}
	}
	return names
}

// wire lies between a relay and its database.
type wire struct {
	mu     sync.Mutex
	cut    bool
	before func(statement string) // nil: nothing
}

func (w *wire) set(before func(statement string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = before
}

// die makes every statement fail from now on: for the database, the process is gone.
func (w *wire) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
}

// mend undoes die.
func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

func (w *wire) pass(statement string) error {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		before(strings.Join(strings.Fields(statement), " "))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return errCut
	}
	return nil
}

type connector struct {
	driver.Connector
	*wire
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &connection{inner, c.wire}, nil
}

type connection struct {
	driver.Conn
	*wire
}

func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.pass(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.pass(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *connection) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.pass("begin"); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c *connection) CheckNamedValue(v *driver.NamedValue) error {
	if checker, is := c.Conn.(driver.NamedValueChecker); is {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
