package outbox

import (
	"fmt"
	"strconv"
	"time"
)

// Kind is a kind of database.
type Kind string

// The kinds of databases.
const (
	PostgreSQL Kind = "postgresql"
	SQLite     Kind = "sqlite"
)

// dialect is where the two databases differ; all other statements serve both.
type dialect struct {
	kind       Kind
	lockSchema string                     // lets one process migrate, and makes the table of versions
	at         func(time.Duration) string // the moment so far from now, by the clock that all relays share
	age        string                     // seconds since the column %s
	skipLocked string                     // leaves alone what another relay is about to claim
	share      string                     // keeps rows that were read from being changed
	exclusive  string                     // and from being shared
	listed     string                     // the ids in $4, a JSON array
	barrier    string                     // only rows of transactions before the oldest that is still running
	oldest     string                     // age of that transaction, in seconds
	notify     string
	standby    string // whether this is one
	clock      string // the database's, in seconds since 1970; empty: it is this machine's
}

const versions = "create table if not exists outbox_schema (version integer primary key)"

func postgresql() dialect {
	return dialect{
		kind:       PostgreSQL,
		lockSchema: "select pg_advisory_xact_lock(hashtext('outbox_schema')); " + versions,
		at: func(d time.Duration) string {
			return fmt.Sprintf("(clock_timestamp() + interval '%d milliseconds')", d.Milliseconds())
		},
		age:        "cast(extract(epoch from clock_timestamp() - %s) as double precision)",
		skipLocked: " for update skip locked",
		share:      " for share",
		exclusive:  " for update",
		listed:     "select cast(value as bigint) from json_array_elements_text(cast($4 as json))",
		// A row's own xmin, unlike an xid in a column, survives dump and restore.
		barrier: " and age(o.xmin) > age(cast(pg_snapshot_xmin(pg_current_snapshot()) as xid))",
		oldest:  "select cast(coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0) as double precision) from pg_stat_activity where backend_xid is not null",
		standby: "select pg_is_in_recovery()",
		clock:   "select cast(extract(epoch from clock_timestamp()) as double precision)",
		notify:  "select pg_notify('" + channel + "', '')",
	}
}

// sqliteDialect is for one machine, whose processes share its clock, and for one
// writer at a time: ids are in the order of commits, and a transaction that writes
// has no rival to lock out.
func sqliteDialect() dialect {
	return dialect{
		kind:       SQLite,
		lockSchema: versions,
		at:         func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).UnixMilli(), 10) },
		age:        "(unixepoch('subsec') - %s / 1000.0)",
		listed:     "select value from json_each($4)",
	}
}
