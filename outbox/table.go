package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

//go:embed schema
var schemas embed.FS

// schemaVersion is the newest file in both folders of schema.
const schemaVersion = 1

// notifyEvery bounds how often a process notifies others: PostgreSQL takes a lock
// on the whole database for each commit with a notification. Relays look again
// shortly after one, so that what was not notified is found as well.
const notifyEvery = 50 * time.Millisecond

// channel is the name that PostgreSQL's notifications go by.
const channel = "tidemark_outbox"

// Table is the outbox in a database. Make it with [Open] or [On].
type Table struct {
	db *sql.DB
	dialect

	mu       sync.Mutex
	changed  chan struct{} // closed by Wake, and made anew
	notified time.Time
}

// Open connects to a database: postgres://…, or the path of an SQLite file, which
// is made if it is not there. PostgreSQL need not be up yet.
func Open(address string) (*Table, error) {
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		// Full: after a power cut nothing may be published whose change is gone.
		const pragmas = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
		connector, err := sqlite.NewConnector("file:" + address + pragmas)
		if err != nil {
			return nil, fmt.Errorf("outbox: open %s: %w", address, err)
		}
		return On(pooled(sql.OpenDB(connector)), SQLite), nil
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("outbox: open the database: %w", err)
	}
	// A standby lags behind, and may show rows of a history that is given up.
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	config.RuntimeParams["application_name"] = cmp.Or(config.RuntimeParams["application_name"], channel)
	return On(pooled(stdlib.OpenDB(*config)), PostgreSQL), nil
}

// pooled lets the 64 shards share 16 connections: PostgreSQL takes 100 from all of
// its clients, if not told otherwise, and several relays may run.
func pooled(db *sql.DB) *sql.DB {
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return db
}

// On uses a database that the application has already opened. With SQLite, it
// must have synchronous=FULL and a busy timeout.
func On(db *sql.DB, kind Kind) *Table {
	t := &Table{db: db, dialect: postgresql(), changed: make(chan struct{})}
	if kind == SQLite {
		t.dialect = sqliteDialect()
	}
	return t
}

// DB is the database, to begin a transaction in.
func (t *Table) DB() *sql.DB { return t.db }

// Close closes the database.
func (t *Table) Close() error { return t.db.Close() }

// Migrate makes the tables, or brings older ones up to date. Call it as often as
// you like, from as many processes as you like.
func (t *Table) Migrate(ctx context.Context) error {
	err := t.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, t.lockSchema); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRowContext(ctx, "select coalesce(max(version), 0) from outbox_schema").Scan(&version); err != nil {
			return err
		}
		if version > schemaVersion {
			return fmt.Errorf("its tables have version %d, this program knows up to %d; use a newer program", version, schemaVersion)
		}
		for version++; version <= schemaVersion; version++ {
			text, err := schemas.ReadFile(fmt.Sprintf("schema/%s/%d.sql", t.kind, version))
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "insert into outbox_schema values ($1)", version); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("outbox: migrate: %w", err)
	}
	return nil
}

// Wake tells relays that events were committed: those of this table at once, and
// with PostgreSQL those of other processes too. Without it, or after an error,
// relays find the events a little later by themselves.
func (t *Table) Wake(ctx context.Context) error {
	if !t.wake() || t.notify == "" {
		return nil
	}
	if _, err := t.db.ExecContext(ctx, t.notify); err != nil {
		return fmt.Errorf("outbox: notify other processes: %w", err)
	}
	return nil
}

// wake wakes relays of this process and says whether it is time to tell others.
func (t *Table) wake() (others bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.changed)
	t.changed = make(chan struct{})
	now := time.Now()
	if now.Sub(t.notified) < notifyEvery {
		return false
	}
	t.notified = now
	return true
}

func (t *Table) awaken() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// listen waits for notifications, and wakes our relays, until ctx ends or the
// connection does.
func (t *Table) listen(ctx context.Context) error {
	conn, err := t.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(raw any) error {
		c, is := raw.(*stdlib.Conn)
		if !is {
			return errors.ErrUnsupported
		}
		if _, err := c.Conn().Exec(ctx, "listen "+channel); err != nil {
			return err
		}
		for {
			if _, err := c.Conn().WaitForNotification(ctx); err != nil {
				return err
			}
			t.wake()
		}
	})
}

// inTx commits what do did, unless it returns an error.
func (t *Table) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
