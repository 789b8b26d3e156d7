package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Waiting is how much waits.
type Waiting struct {
	Rows, Bytes int64
	Oldest      time.Duration // how long the oldest row has waited; 0 without rows
}

// Backlog is what waits in the table, in sum and by shard.
type Backlog struct {
	Waiting
	Shards [Shards]Waiting
	Parked int64
}

// Backlog counts what waits. It reads the whole table: a second or so per million rows.
func (t *Table) Backlog(ctx context.Context) (Backlog, error) {
	b, err := t.count(ctx)
	if err != nil {
		return Backlog{}, fmt.Errorf("outbox: count the backlog: %w", err)
	}
	return b, nil
}

func (t *Table) count(ctx context.Context) (b Backlog, err error) {
	if err := t.db.QueryRowContext(ctx, "select count(*) from outbox_parked").Scan(&b.Parked); err != nil {
		return Backlog{}, err
	}
	found, err := t.db.QueryContext(ctx, "select shard, count(*), sum(length(payload)), "+fmt.Sprintf(t.age, "min(created_at)")+" from outbox group by shard")
	if err != nil {
		return Backlog{}, err
	}
	defer found.Close()
	for found.Next() {
		var shard int
		var w Waiting
		var seconds float64
		if err := found.Scan(&shard, &w.Rows, &w.Bytes, &seconds); err != nil {
			return Backlog{}, err
		}
		if shard < 0 || shard >= Shards {
			return Backlog{}, fmt.Errorf("%d rows are in shard %d, where no relay looks; the shard is FNV-1a of the aggregate, modulo %d", w.Rows, shard, Shards)
		}
		w.Oldest = age(seconds)
		b.Shards[shard] = w
		b.Rows, b.Bytes, b.Oldest = b.Rows+w.Rows, b.Bytes+w.Bytes, max(b.Oldest, w.Oldest)
	}
	return b, found.Err()
}

func age(seconds float64) time.Duration {
	return time.Duration(max(seconds, 0) * float64(time.Second))
}

// TooOld says that events would wait behind others that already wait too long. An
// application may answer "503 Service Unavailable" to a request that can wait.
type TooOld struct {
	Aggregate     string
	Oldest, Limit time.Duration
}

// Error implements error.
func (e *TooOld) Error() string {
	return fmt.Sprintf("outbox: an event of %s would wait behind one that has waited for %v; the limit is %v", e.Aggregate, e.Oldest.Round(time.Second), e.Limit)
}

// Admit says whether an event of an aggregate may be written now. It returns
// [*TooOld] if the oldest row of the aggregate's shard has waited for longer than
// hardAge; 0 admits everything. It is for writes that can wait or be done without:
// an event that must not be lost is written, whatever the backlog.
//
// Ask before the transaction begins. It costs one probe of an index.
func (t *Table) Admit(ctx context.Context, hardAge time.Duration, aggregate string) error {
	if hardAge <= 0 {
		return nil
	}
	var seconds float64
	err := t.db.QueryRowContext(ctx, "select "+fmt.Sprintf(t.age, "created_at")+" from outbox where shard = $1 order by id limit 1", ShardOf(aggregate)).Scan(&seconds)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("outbox: ask how long events of %s wait: %w", aggregate, err)
	case age(seconds) > hardAge:
		return &TooOld{aggregate, age(seconds), hardAge}
	}
	return nil
}
