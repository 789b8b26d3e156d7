package outbox_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

// 8. The first relay stops for a minute while a batch is on its way, like a
// virtual machine that is paused: its statements and its records arrive late.
func TestPausedRelayIsFencedOff(t *testing.T) {
	onBoth(t, func(w *world) {
		frozen := make(chan struct{})
		var freeze sync.Once
		var first *process
		ready := make(chan struct{})
		first = w.doomed(func(o *outbox.Options) {
			o.BatchRecords = 5
			o.Publish = func(_ context.Context, records ...tidemark.Record) error {
				<-ready
				freeze.Do(func() { first.set(func(string) { <-frozen }) })
				<-frozen
				return w.publish(context.Background(), records...)
			}
		})
		close(ready)
		w.write("job-1", 20)
		w.pass(100 * time.Millisecond)
		w.relay()
		w.awaitAll()
		w.write("job-1", 5)
		w.awaitAll()
		close(frozen)
		w.await("the late batch", func() bool { return len(w.records()) > 25 })
		w.write("job-1", 5)
		w.await("everything", func() bool { return w.missing() == "" && w.rows() == 0 })
		if got, want := len(w.records()), 35; got > want {
			w.Errorf("%d records, want at most %d: one batch too many", got, want)
		}
		w.checkEpochs()
	})
}

// checkEpochs fails unless the order is right for a consumer that drops records of
// a lower epoch than it has seen in the shard.
func (w *world) checkEpochs() {
	w.Helper()
	highest, last := map[string]int{}, map[string]int{}
	for _, r := range w.records() {
		shard := headerOf(r, "shard")
		epoch, _ := strconv.Atoi(headerOf(r, "epoch"))
		if epoch < highest[shard] {
			continue
		}
		highest[shard] = epoch
		n, _ := strconv.Atoi(string(r.Value))
		if n > last[string(r.Key)]+1 {
			w.Errorf("%s: %d was published after %d", r.Key, n, last[string(r.Key)])
		}
		last[string(r.Key)] = max(n, last[string(r.Key)])
	}
}

// A relay gives its shards up while the database is away, which does not know that.
func TestRelayThatWasCutOffTakesItsShardsUpAgain(t *testing.T) {
	onBoth(t, func(w *world) {
		relay := w.doomed()
		w.write("job-1", 3)
		w.awaitAll()
		relay.die()
		w.write("job-1", 3)
		w.pass(max(5*time.Second, w.long/100))
		relay.mend()
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
	})
}

// 9.
func TestTwoRelaysShareTheShards(t *testing.T) {
	onBoth(t, func(w *world) {
		by := map[string]map[string]bool{} // owner → shards
		var mu sync.Mutex
		as := func(owner string) func(*outbox.Options) {
			by[owner] = map[string]bool{}
			return func(o *outbox.Options) {
				o.Owner = owner
				o.Publish = func(ctx context.Context, records ...tidemark.Record) error {
					mu.Lock()
					by[owner][headerOf(records[0], "shard")] = true
					mu.Unlock()
					return w.publish(ctx, records...)
				}
			}
		}
		publishAll := func() {
			for shard := range outbox.Shards {
				w.write(inShard(shard, 1)[0], 2)
			}
			if repeats := w.awaitAll(); repeats != 0 {
				w.Errorf("%d records were published twice", repeats)
			}
		}
		w.relay(as("a"))
		publishAll()
		w.relay(as("b"))
		publishAll() // while shards change hands
		w.await("an even split", func() bool { return w.held("a") == outbox.Shards/2 && w.held("b") == outbox.Shards/2 })
		clear(by["a"])
		clear(by["b"])
		publishAll()
		if a, b := len(by["a"]), len(by["b"]); a != outbox.Shards/2 || b != outbox.Shards/2 {
			w.Errorf("they published %d and %d shards, want %d each", a, b, outbox.Shards/2)
		}
	})
}

// held is how many shards an owner has.
func (w *world) held(owner string) (n int) {
	w.Helper()
	if err := w.table.DB().QueryRowContext(w.Context(), "select count(*) from outbox_shard where owner = $1", owner).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// 14.
func TestClocksDoNotDecideTheOrder(t *testing.T) {
	onBoth(t, func(w *world) {
		at := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
		for i := range 10 {
			e := w.event("job-1")
			e.OccurredAt = at.Add(-time.Duration(i) * 24 * time.Hour)
			w.commit(e)
		}
		w.relay()
		w.awaitAll()
		if got, want := headerOf(w.records()[1], "occurred_at"), "2030-12-31T00:00:00Z"; got != want {
			w.Errorf("the second event occurred at %s, want %s", got, want)
		}
	})
}

// 15.
func TestShutdownWaitsForWhatTheBrokersHave(t *testing.T) {
	onBoth(t, func(w *world) {
		relay := w.relay(func(o *outbox.Options) { o.BatchRecords = 5; o.Drain = 30 * time.Second })
		w.write("job-0", 1)
		w.awaitAll()
		asked := make(chan struct{})
		up := w.goDown()
		once := sync.OnceFunc(func() { close(asked) })
		w.set(func(b *fakeBrokers) { b.ask = func([]tidemark.Record) { once() } })
		w.commit(w.event("job-1"), w.event("job-1"), w.event("job-1"), w.event("job-1"), w.event("job-1"), w.event("job-1"), w.event("job-1"))
		<-asked
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			relay.stop()
		}()
		w.pass(500 * time.Millisecond)
		up()
		<-ended
		if got, want := w.rows(), int64(2); got != want {
			w.Errorf("%d rows are left, want %d: what was not begun", got, want)
		}
		w.set(func(b *fakeBrokers) { b.ask = nil })
		w.relay()
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
	})
}

// 15, when the brokers do not answer.
func TestShutdownEndsWithoutTheBrokers(t *testing.T) {
	onBoth(t, func(w *world) {
		relay := w.relay(func(o *outbox.Options) { o.Lease = 3 * time.Second })
		w.write("job-0", 1)
		w.awaitAll()
		up := w.goDown()
		w.write("job-1", 5)
		w.pass(300 * time.Millisecond)
		relay.stop()
		if got, want := w.rows(), int64(5); got != want {
			w.Errorf("%d rows are left, want %d", got, want)
		}
		up()
		w.relay()
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
	})
}

// 12, also without PostgreSQL: another process wrote and told nobody.
func TestEventsOfSilentWritersAreFoundByLooking(t *testing.T) {
	onBoth(t, func(w *world) {
		w.relay()
		tx := w.begin()
		if err := outbox.Write(w.Context(), tx, w.event("job-1")); err != nil {
			w.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			w.Fatal(err)
		}
		w.awaitAll()
	})
}

// 19. Looking for work is one probe of the index per shard, whatever the table holds.
func TestLookingForWorkReadsOnlyTheIndex(t *testing.T) {
	onBoth(t, func(w *world) {
		relay := w.doomed(func(o *outbox.Options) { o.Owner = "me" })
		statements := make(chan string, 1)
		relay.set(func(statement string) {
			if strings.HasPrefix(statement, "select s.shard") {
				select {
				case statements <- statement:
				default:
				}
			}
		})
		statement := <-statements
		relay.stop()
		explain, want := "explain query plan ", "USING COVERING INDEX outbox_shard_id (shard=?)"
		if w.kind == outbox.PostgreSQL {
			explain, want = "explain ", "Index Only Scan using outbox_shard_id on outbox"
			w.exec(`insert into outbox (event_id, tenant_id, aggregate, type, topic, payload, occurred_at, shard)
				select gen_random_uuid(), gen_random_uuid(), 'job', 'JobCreated', 'events', '', now(), i % 64 from generate_series(1, 50000) i`)
			w.exec("vacuum analyze outbox")
		}
		if plan := w.lines(explain + strings.Replace(statement, "$1", "'me'", 1)); !strings.Contains(plan, want) {
			w.Errorf("the plan is\n%s\nwant %s", plan, want)
		}
	})
}

func (w *world) exec(statement string) {
	w.Helper()
	if _, err := w.table.DB().ExecContext(w.Context(), statement); err != nil {
		w.Fatal(err)
	}
}

// lines returns the last column of a query's rows.
func (w *world) lines(query string) string {
	w.Helper()
	rows, err := w.table.DB().QueryContext(w.Context(), query)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var text strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		last := new(string)
		values[len(values)-1] = last
		if err := rows.Scan(values...); err != nil {
			w.Fatal(err)
		}
		text.WriteString(*last + "\n")
	}
	return text.String()
}
