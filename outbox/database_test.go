package outbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aetherlink/tidemark/outbox"
)

// 10. SQLite has one writer at a time, so its ids are in the order of commits.
func TestTransactionThatCommitsLateIsNotSteppedOver(t *testing.T) {
	onPostgreSQL(t, func(w *world) {
		two := inShard(9, 2)
		w.relay()
		late := w.begin()
		if err := outbox.Write(w.Context(), late, w.event(two[0])); err != nil {
			w.Fatal(err)
		}
		w.write(two[1], 5)
		w.await("those with higher ids", func() bool { return w.has(two[1]+" 5") && w.rows() == 0 })
		if err := late.Commit(); err != nil {
			w.Fatal(err)
		}
		w.awaitAll()
	})
}

// 11.
func TestLongTransactionDelaysOnlyStrictOrder(t *testing.T) {
	onPostgreSQL(t, func(w *world) {
		w.exec("create table unrelated (n int)")
		long := w.begin()
		if _, err := long.ExecContext(w.Context(), "insert into unrelated values (1)"); err != nil {
			w.Fatal(err)
		}
		usual := w.relay()
		w.write("job-1", 3)
		w.awaitAll()
		usual.stop()

		registry := prometheus.NewRegistry()
		w.relay(func(o *outbox.Options) { o.Strict, o.Registerer = true, registry })
		w.write("job-1", 3)
		w.await("the relay to say what it waits for", func() bool { return w.metric(registry, "outbox_strict_waiting_seconds") > 0 })
		w.pass(time.Second)
		if got, want := w.rows(), int64(3); got != want {
			w.Errorf("%d rows wait, want %d", got, want)
		}
		if err := long.Rollback(); err != nil {
			w.Fatal(err)
		}
		w.awaitAll()
	})
}

// metric returns the value of a gauge; 0 if it is not there.
func (w *world) metric(registry *prometheus.Registry, name string) float64 {
	w.Helper()
	families, err := registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return 0
}

// 12.
func TestLostListenConnectionStopsNothing(t *testing.T) {
	onPostgreSQL(t, func(w *world) {
		const listeners = "select count(*) from pg_stat_activity where query like 'listen %' and datname = current_database()"
		count := func() (n int) {
			if err := w.table.DB().QueryRowContext(w.Context(), listeners).Scan(&n); err != nil {
				w.Fatal(err)
			}
			return n
		}
		w.relay()
		w.await("the relay to listen", func() bool { return count() == 1 })
		w.exec("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and datname = current_database()")
		w.write("job-1", 3)
		w.awaitAll()
		w.await("the relay to listen again", func() bool { return count() == 1 })
	})
}

// 13.
func TestStandbyIsNotRead(t *testing.T) {
	onPostgreSQL(t, func(w *world) {
		w.write("job-1", 3)
		ghosts := &world{T: w.T, fakeBrokers: w.fakeBrokers, address: postgres(t).standby(t).url(w.database()), kind: w.kind}
		relay := ghosts.relay()
		w.await("the relay to say so", func() bool { return strings.Contains(strings.Join(relay.Troubles(), " "), "read only") })
		w.pass(500 * time.Millisecond)
		if got := w.log(); len(got) > 0 {
			w.Errorf("published %v from a standby", got)
		}
	})
}

// database is the name of the database.
func (w *world) database() string {
	return w.address[strings.LastIndex(w.address, "/")+1 : strings.Index(w.address, "?")]
}

// 16.
func TestFullDiskFailsTheWritersTransactionOnly(t *testing.T) {
	onSQLite(t, func(w *world) {
		w.table.DB().SetMaxOpenConns(1) // the limit is one connection's
		w.exec("pragma max_page_count = 60")
		up := w.goDown()
		w.run(w.table, nil)
		for full := false; !full; {
			e := w.event("job-1")
			e.Headers = map[string]string{"padding": strings.Repeat("x", 4000)}
			tx := w.begin()
			err := outbox.Write(w.Context(), tx, e)
			if full = err != nil; full {
				w.written["job-1"]--
				if !strings.Contains(err.Error(), "full") {
					w.Errorf("the writer got %q, want that the database is full", err)
				}
				_ = tx.Rollback() // SQLite may have done so
				continue
			}
			if err := tx.Commit(); err != nil {
				w.Fatal(err)
			}
		}
		if got, want := w.rows(), int64(w.written["job-1"]); got != want {
			w.Errorf("%d rows, want the %d that were committed", got, want)
		}
		up()
		w.awaitAll()
		w.write("job-1", 1) // there is room again
		w.awaitAll()
	})
}

// 19, for the tables' makers.
func TestMigrationMayRunAgainAndRefusesNewerTables(t *testing.T) {
	onBoth(t, func(w *world) {
		if err := w.table.Migrate(w.Context()); err != nil {
			w.Fatal(err)
		}
		w.exec("insert into outbox_schema values (99)")
		if err := w.table.Migrate(w.Context()); err == nil || !strings.Contains(err.Error(), "use a newer program") {
			w.Errorf("newer tables: %v, want a sentence that says so", err)
		}
	})
}

func TestWriteRefusesEventsThatNobodyCouldUse(t *testing.T) {
	onSQLite(t, func(w *world) {
		good := outbox.Event{Tenant: tenant, Aggregate: "a", Type: "T", Topic: "t"}
		for name, spoil := range map[string]func(*outbox.Event){
			"no aggregate":  func(e *outbox.Event) { e.Aggregate = "" },
			"no topic":      func(e *outbox.Event) { e.Topic = "" },
			"bad tenant":    func(e *outbox.Event) { e.Tenant = "acme" },
			"our header":    func(e *outbox.Event) { e.Headers = map[string]string{"epoch": "9"} },
			"no UTF-8":      func(e *outbox.Event) { e.Headers = map[string]string{"trace": "\xff"} },
			"a zero":        func(e *outbox.Event) { e.Aggregate = "a\x00b" },
			"id, no hyphen": func(e *outbox.Event) { e.ID = strings.Repeat("0", 36) },
		} {
			e := good
			spoil(&e)
			if err := outbox.Write(w.Context(), w.table.DB(), e); err == nil {
				w.Errorf("%s: written, want an error", name)
			}
		}
		if err := outbox.Write(w.Context(), w.table.DB(), good); err != nil {
			w.Error(err)
		}
	})
}

func TestRecordCarriesTheEventByteByByte(t *testing.T) {
	onBoth(t, func(w *world) {
		payload := []byte("{\"b\":1.0,\"a\":\x00\xff}")
		w.commit(outbox.Event{
			ID: "0190B5E4-0000-7000-8000-00000000000A", Tenant: tenant, Aggregate: "job-1", Type: "JobCreated", Topic: "events",
			Payload: payload, Headers: map[string]string{"trace": "x"}, OccurredAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		})
		w.relay()
		w.await("the record", func() bool { return len(w.records()) == 1 })
		r := w.records()[0]
		if string(r.Value) != string(payload) || string(r.Key) != "job-1" || r.Topic != "events" || r.Partition != -1 {
			w.Errorf("the record is %+v", r)
		}
		for name, want := range map[string]string{
			"event_id": "0190b5e4-0000-7000-8000-00000000000a", "tenant_id": tenant, "type": "JobCreated",
			"occurred_at": "2026-01-02T03:04:05.000006Z", "trace": "x", "outbox_id": "1", "epoch": "1",
		} {
			if got := headerOf(r, name); !strings.EqualFold(got, want) {
				w.Errorf("header %s is %q, want %q", name, got, want)
			}
		}
	})
}
