package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// errFenced says that the shard belongs to another relay by now.
var errFenced = errors.New("another relay has taken the shard over")

// lease is the right to publish a shard's rows. It ends when another relay has
// made a higher epoch.
type lease struct {
	shard  int
	owner  string
	epoch  int64
	paused bool
}

// attend notes that a relay is there, and counts those that are.
func (t *Table) attend(ctx context.Context, owner string, d time.Duration) (relays int, err error) {
	const note = `insert into outbox_relay values ($1, %s) on conflict (owner) do update set alive_until = excluded.alive_until`
	if _, err = t.db.ExecContext(ctx, fmt.Sprintf(note, t.at(d)), owner); err != nil {
		return 0, err
	}
	if _, err = t.db.ExecContext(ctx, "delete from outbox_relay where alive_until < "+t.at(0)); err != nil {
		return 0, err
	}
	err = t.db.QueryRowContext(ctx, "select count(*) from outbox_relay").Scan(&relays)
	return relays, err
}

// resign takes a relay out of the count, and gives back what it has, so that the
// others need not wait for the end of its leases.
func (t *Table) resign(ctx context.Context, owner string) error {
	return t.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "update outbox_shard set owner = null, lease_until = null where owner = $1", owner); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "delete from outbox_relay where owner = $1", owner)
		return err
	})
}

// renew prolongs what a relay has, and returns it.
func (t *Table) renew(ctx context.Context, owner string, d time.Duration) ([]lease, error) {
	return t.leases(ctx, owner, `update outbox_shard set lease_until = `+t.at(d)+` where owner = $1 returning shard, epoch, paused`)
}

// claim takes up to most shards that nobody has.
func (t *Table) claim(ctx context.Context, owner string, d time.Duration, most int) ([]lease, error) {
	free := `select shard from outbox_shard where (owner is null or lease_until < ` + t.at(0) + `) and not paused order by shard limit $2` + t.skipLocked
	return t.leases(ctx, owner, `update outbox_shard set owner = $1, epoch = epoch + 1, lease_until = `+t.at(d)+
		` where shard in (`+free+`) returning shard, epoch, paused`, most)
}

func (t *Table) leases(ctx context.Context, owner, statement string, more ...any) ([]lease, error) {
	rows, err := t.db.QueryContext(ctx, statement, append([]any{owner}, more...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var leases []lease
	for rows.Next() {
		l := lease{owner: owner}
		if err := rows.Scan(&l.shard, &l.epoch, &l.paused); err != nil {
			return nil, err
		}
		leases = append(leases, l)
	}
	return leases, rows.Err()
}

// release gives one shard back.
func (t *Table) release(ctx context.Context, l lease) error {
	_, err := t.db.ExecContext(ctx, "update outbox_shard set owner = null, lease_until = null where shard = $1 and owner = $2 and epoch = $3",
		l.shard, l.owner, l.epoch)
	return err
}

// Pause stops all relays, and returns when nothing is on its way to the brokers
// any more. Until [Table.Resume], events wait in the table. With it the number of
// a topic's partitions can be raised without events of one aggregate overtaking
// each other: pause, let the consumers finish, raise, resume.
func (t *Table) Pause(ctx context.Context) error {
	if _, err := t.db.ExecContext(ctx, "update outbox_shard set paused = true"); err != nil {
		return fmt.Errorf("outbox: pause: %w", err)
	}
	for {
		var busy int
		if err := t.db.QueryRowContext(ctx, "select count(*) from outbox_shard where owner is not null and lease_until >= "+t.at(0)).Scan(&busy); err != nil {
			return fmt.Errorf("outbox: pause: %w", err)
		}
		if busy == 0 {
			return nil
		}
		if pause(ctx, 200*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("outbox: pause: %d of %d shards are still being published: %w", busy, Shards, ctx.Err())
		}
	}
}

// Resume lets relays go on.
func (t *Table) Resume(ctx context.Context) error {
	if _, err := t.db.ExecContext(ctx, "update outbox_shard set paused = false"); err != nil {
		return fmt.Errorf("outbox: resume: %w", err)
	}
	return nil
}
