package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// row is an event in the table.
type row struct {
	Event
	id      int64
	headers string
	behind  bool // an earlier event of its aggregate is parked
}

func (r row) size() int {
	return len(r.Payload) + len(r.headers) + len(r.Aggregate) + len(r.Type) + overhead
}

// moment reads a time from either database. What is no time is the zero one: one
// row that another program spoilt must not keep the others of its shard.
type moment time.Time

// Scan implements [sql.Scanner].
func (m *moment) Scan(from any) error {
	switch v := from.(type) {
	case time.Time:
		*m = moment(v)
	case int64:
		*m = moment(time.UnixMilli(v))
	case string:
		t, _ := time.Parse(time.RFC3339Nano, v) // zero if it is none
		*m = moment(t)
	}
	return nil
}

const columns = "event_id, tenant_id, aggregate, type, topic, headers, payload, occurred_at, created_at, shard"

// isHeld asks for a lease.
const isHeld = "select 1 from outbox_shard s where s.shard = $1 and s.owner = $2 and s.epoch = $3"

// ready returns the owner's shards in which something waits: one probe of the
// index per shard, however many rows there are.
func (t *Table) ready(ctx context.Context, owner string) ([]int, error) {
	rows, err := t.db.QueryContext(ctx, `select s.shard from outbox_shard s
		where s.owner = $1 and exists (select 1 from outbox o where o.shard = s.shard)`, owner)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var shards []int
	for rows.Next() {
		var shard int
		if err := rows.Scan(&shard); err != nil {
			return nil, err
		}
		shards = append(shards, shard)
	}
	return shards, rows.Err()
}

// read returns the first rows of a shard, at most so many and, after the first
// one, so many bytes; none if the lease is over.
func (t *Table) read(ctx context.Context, l lease, strict bool, most, bytes int) ([]row, error) {
	barrier := ""
	if strict {
		barrier = t.barrier
	}
	found, err := t.db.QueryContext(ctx, `select o.id, cast(o.event_id as text), cast(o.tenant_id as text), o.aggregate, o.type, o.topic, o.headers, o.payload, o.occurred_at,
			exists (select 1 from outbox_parked p where p.shard = o.shard and p.aggregate = o.aggregate and p.id < o.id)
		from outbox o where o.shard = $1 and exists (`+isHeld+`)`+barrier+` order by o.id limit $4`,
		l.shard, l.owner, l.epoch, most)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []row
	for found.Next() {
		var r row
		err := found.Scan(&r.id, &r.ID, &r.Tenant, &r.Aggregate, &r.Type, &r.Topic, &r.headers, &r.Payload, (*moment)(&r.OccurredAt), &r.behind)
		if err != nil {
			return nil, err
		}
		if bytes -= r.size(); bytes < 0 && len(rows) > 0 {
			return rows, nil
		}
		rows = append(rows, r)
	}
	return rows, found.Err()
}

// remove deletes exactly the rows given, never a range: a transaction that commits
// late may have put a row between them that nobody has read.
func (t *Table) remove(ctx context.Context, l lease, rows []row) error {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.id
	}
	list, _ := json.Marshal(ids) // numbers always have a JSON form
	n, err := t.change(ctx, `delete from outbox where shard = $1 and id in (`+t.listed+`) and exists (`+isHeld+`)`,
		l.shard, l.owner, l.epoch, string(list))
	if err != nil || n > 0 {
		return err
	}
	return errFenced
}

// change runs one statement and returns how many rows it changed. It keeps the
// connection until it has asked: else somebody could get it meanwhile and wait for
// the database, holding what the answer needs.
func (t *Table) change(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	conn, err := t.db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	result, err := conn.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// park moves a row to the parked ones. A row that waits behind another one is
// moved only if that one is still parked: it may just be on its way back.
func (t *Table) park(ctx context.Context, l lease, r row, reason string) error {
	return t.inTx(ctx, func(tx *sql.Tx) error {
		var one int
		if err := tx.QueryRowContext(ctx, isHeld+t.share, l.shard, l.owner, l.epoch).Scan(&one); err != nil {
			return fmt.Errorf("%w: %w", errFenced, err)
		}
		statement := `insert into outbox_parked (id, ` + columns + `, reason) select o.id, ` + columns + `, cast($2 as text) from outbox o where o.id = $1`
		if r.behind {
			statement += ` and exists (select 1 from outbox_parked p where p.shard = o.shard and p.aggregate = o.aggregate and p.id < o.id)`
		}
		result, err := tx.ExecContext(ctx, statement, r.id, reason)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, "delete from outbox where id = $1", r.id)
		return err
	})
}

// Parked is an event that could not be published, or waits behind one.
type Parked struct {
	Event
	Reason string
}

// Parked returns the parked events, in their order.
func (t *Table) Parked(ctx context.Context) ([]Parked, error) {
	rows, err := t.db.QueryContext(ctx, `select cast(event_id as text), cast(tenant_id as text), aggregate, type, topic, payload, occurred_at, reason
		from outbox_parked order by id`)
	if err != nil {
		return nil, fmt.Errorf("outbox: list what is parked: %w", err)
	}
	defer rows.Close()
	var list []Parked
	for rows.Next() {
		var p Parked
		err := rows.Scan(&p.ID, &p.Tenant, &p.Aggregate, &p.Type, &p.Topic, &p.Payload, (*moment)(&p.OccurredAt), &p.Reason)
		if err != nil {
			return nil, fmt.Errorf("outbox: list what is parked: %w", err)
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// Release puts the parked events of an aggregate back into their old places, to
// be tried again, and says how many they were.
func (t *Table) Release(ctx context.Context, aggregate string) (n int64, err error) {
	err = t.inTx(ctx, func(tx *sql.Tx) error {
		// A relay parks under a shared lock, so none can park an event behind those that leave.
		shard := ShardOf(aggregate)
		if _, err := tx.ExecContext(ctx, "select 1 from outbox_shard where shard = $1"+t.exclusive, shard); err != nil {
			return err
		}
		const back = `insert into outbox (id, ` + columns + `) select id, ` + columns + ` from outbox_parked where shard = $1 and aggregate = $2`
		result, err := tx.ExecContext(ctx, back, shard, aggregate)
		if err != nil {
			return err
		}
		if n, err = result.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "delete from outbox_parked where shard = $1 and aggregate = $2", shard, aggregate)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("outbox: release the events of %s: %w", aggregate, err)
	}
	return n, t.Wake(ctx)
}

// Discard deletes one parked event for good: the only way an event is lost. The
// events behind it stay parked until they are released.
func (t *Table) Discard(ctx context.Context, id string) error {
	n, err := t.change(ctx, "delete from outbox_parked where event_id = $1", id)
	switch {
	case err != nil:
		return fmt.Errorf("outbox: discard event %s: %w", id, err)
	case n == 0:
		return fmt.Errorf("outbox: discard event %s: it is not parked", id)
	}
	return nil
}
