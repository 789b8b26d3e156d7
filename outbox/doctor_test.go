package outbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/outbox"
)

// findings returns what is not well, by check.
func findings(t *testing.T, table *outbox.Table) map[string]string {
	t.Helper()
	bad := map[string]string{}
	for _, f := range table.Examine(t.Context()) {
		if (f.Cause == "") != (f.Cure == "") {
			t.Errorf("%s has the cause %q and the cure %q, want both or none", f.Check, f.Cause, f.Cure)
		}
		if f.Cause != "" {
			bad[f.Check] = f.Cause
		}
	}
	return bad
}

// wantFinding fails unless just one check found something, about which it says so.
func (w *world) wantFinding(check, says string) {
	w.Helper()
	if got := findings(w.T, w.table); len(got) != 1 || !strings.Contains(got[check], says) {
		w.Errorf("found %q, want about %s only: %s", got, check, says)
	}
}

func TestDoctorFindsNothingWhereAllIsWell(t *testing.T) {
	onBoth(t, func(w *world) {
		w.relay()
		w.write("job-1", 3)
		w.awaitAll()
		if got := findings(w.T, w.table); len(got) != 0 {
			w.Errorf("found %q, want nothing", got)
		}
	})
}

func TestDoctorNamesTablesThatAreNotThereOrOfAnotherVersion(t *testing.T) {
	onBoth(t, func(w *world) {
		w.exec("insert into outbox_schema values (99)")
		w.wantFinding("tables", "version 99")
		w.exec("delete from outbox_schema")
		w.wantFinding("tables", "version 0 of 1")
		w.exec("drop table outbox_schema")
		w.wantFinding("tables", "cannot be read")
	})
}

func TestDoctorNamesPausedShardsAndParkedEvents(t *testing.T) {
	onBoth(t, func(w *world) {
		w.writeBad("job-1", 2000)
		w.relay(func(o *outbox.Options) { o.MaxBytes = 1000 })
		w.await("the parked event", func() bool { return len(w.parked()) == 1 })
		w.wantFinding("parked events", "1 events are parked; the first one, of job-1: it has 2420")
		if err := w.table.Discard(w.Context(), w.parked()[0].ID); err != nil {
			w.Fatal(err)
		}
		if err := w.table.Pause(w.Context()); err != nil {
			w.Fatal(err)
		}
		w.wantFinding("shards", "64 of 64 shards are paused")
	})
}

func TestDoctorNamesOldEventsAndMissingRelays(t *testing.T) {
	onBoth(t, func(w *world) {
		w.write("job-1", 3)
		w.age(time.Hour)
		got := findings(w.T, w.table)
		if len(got) != 3 || !strings.Contains(got["relays"], "no relay is running") ||
			!strings.Contains(got["shards"], "nobody has the lease of 64") || !strings.Contains(got["waiting events"], "3 events wait") {
			w.Errorf("found %q, want that no relay runs and that events wait", got)
		}
		heads, err := w.table.Heads(w.Context())
		if err != nil || len(heads) != 1 || heads[0] != "events" {
			w.Errorf("the first events are of the topics %v, %v; want events", heads, err)
		}
	})
}

func TestDoctorNamesLeasesOfAClockThatWasSetBack(t *testing.T) {
	onPostgreSQL(t, func(w *world) {
		w.relay(func(o *outbox.Options) { o.Lease = 3 * time.Hour })
		w.await("leases", func() bool { return strings.Contains(findings(w.T, w.table)["clock"], "64 leases end") })
	})
}

func TestDoctorNamesMissingRights(t *testing.T) {
	onPostgreSQL(t, func(w *world) {
		w.relay()
		w.write("job-1", 1)
		w.awaitAll()
		w.exec("drop role if exists reader")
		w.exec("create role reader login")
		w.exec("grant select on all tables in schema public to reader")
		reader, err := outbox.Open(strings.Replace(w.address, "postgres@", "reader@", 1))
		if err != nil {
			w.Fatal(err)
		}
		defer reader.Close()
		if got := findings(w.T, reader); len(got) != 1 || !strings.Contains(got["rights"], "permission denied for table outbox") {
			w.Errorf("found %q, want the missing rights", got)
		}
	})
}

// 13.
func TestDoctorNamesAStandby(t *testing.T) {
	onPostgreSQL(t, func(w *world) {
		standby := postgres(t).standby(t)
		table, err := outbox.Open(standby.url(w.database()))
		if err != nil {
			t.Fatal(err)
		}
		defer table.Close()
		if got := findings(t, table); len(got) != 1 || !strings.Contains(got["database"], "read only") {
			t.Errorf("found %q, want that it is a standby", got)
		}
	})
}
