package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Finding is what one check of [Table.Examine] found.
type Finding struct {
	Check string // what was looked at
	Cause string // what is wrong; empty: it is well
	Cure  string // what to do
}

// What is worth a word: a lease that ends so late was given by a clock that has
// been set back since, and rows do not wait so long behind relays that work.
const (
	lateLease = time.Hour
	longWait  = time.Minute
)

// Examine looks at the database and at what relays have left there. It changes
// nothing. A check that needs what an earlier one found missing is left out.
func (t *Table) Examine(ctx context.Context) []Finding {
	var found []Finding
	check := func(name string, look func(context.Context) (Finding, error)) (well bool) {
		f, err := look(ctx)
		if err != nil {
			f = Finding{Cause: err.Error(), Cure: "Mend that, then look again."}
		}
		f.Check = name
		found = append(found, f)
		return f.Cause == ""
	}
	if !check("database", t.examinePrimary) || !check("tables", t.examineTables) {
		return found
	}
	check("rights", t.examineRights)
	check("clock", t.examineClock)
	check("relays", t.examineRelays)
	check("shards", t.examineShards)
	check("parked events", t.examineParked)
	check("waiting events", t.examineWaiting)
	return found
}

func (t *Table) examinePrimary(ctx context.Context) (Finding, error) {
	standby := false
	if t.standby != "" {
		if err := t.db.QueryRowContext(ctx, t.standby).Scan(&standby); err != nil {
			return Finding{Cause: err.Error(), Cure: "Check that the database is up and that the address leads to its primary, with a user and a password that it knows."}, nil
		}
	}
	if standby {
		return Finding{Cause: "the address leads to a standby, which lags behind", Cure: "Name the primary, or all hosts with target_session_attrs=read-write."}, nil
	}
	return Finding{}, t.db.PingContext(ctx)
}

func (t *Table) examineTables(ctx context.Context) (Finding, error) {
	var version int
	err := t.db.QueryRowContext(ctx, "select coalesce(max(version), 0) from outbox_schema").Scan(&version)
	switch {
	case err != nil:
		return Finding{Cause: "the tables cannot be read: " + err.Error(), Cure: "Make them: crm-events outbox migrate. If they are there, grant select on them."}, nil
	case version < schemaVersion:
		return Finding{Cause: fmt.Sprintf("the tables have version %d of %d", version, schemaVersion), Cure: "Bring them up to date: crm-events outbox migrate."}, nil
	case version > schemaVersion:
		return Finding{Cause: fmt.Sprintf("the tables have version %d, this program knows up to %d", version, schemaVersion), Cure: "Use a newer program."}, nil
	}
	return Finding{}, nil
}

// examineRights tries, on no row, everything that relays do.
func (t *Table) examineRights(ctx context.Context) (Finding, error) {
	for _, statement := range []string{
		"insert into outbox select * from outbox where 1 = 0",
		"delete from outbox where 1 = 0",
		"insert into outbox_parked select * from outbox_parked where 1 = 0",
		"delete from outbox_parked where 1 = 0",
		"update outbox_shard set epoch = epoch where 1 = 0",
		"insert into outbox_relay select * from outbox_relay where 1 = 0",
		"update outbox_relay set alive_until = alive_until where 1 = 0",
		"delete from outbox_relay where 1 = 0",
	} {
		if _, err := t.db.ExecContext(ctx, statement); err != nil {
			return Finding{
				Cause: err.Error(),
				Cure:  "Grant select, insert, update and delete on outbox, outbox_parked, outbox_shard and outbox_relay; with SQLite, make the file and its folder writable.",
			}, nil
		}
	}
	return Finding{}, nil
}

func (t *Table) examineClock(ctx context.Context) (Finding, error) {
	var late int
	if err := t.db.QueryRowContext(ctx, "select count(*) from outbox_shard where lease_until > "+t.at(lateLease)).Scan(&late); err != nil {
		return Finding{}, err
	}
	if late > 0 {
		return Finding{
			Cause: fmt.Sprintf("%d leases end in more than %v: the clock was set back since they were given", late, lateLease),
			Cure:  "Stop the relays, then: update outbox_shard set owner = null, lease_until = null.",
		}, nil
	}
	if t.clock == "" {
		return Finding{}, nil
	}
	var theirs float64
	began := time.Now()
	if err := t.db.QueryRowContext(ctx, t.clock).Scan(&theirs); err != nil {
		return Finding{}, err
	}
	// It was read at some time between asking and the answer.
	apart := time.UnixMilli(int64(theirs * 1000)).Sub(began).Round(time.Second)
	if apart.Abs() > clocks+time.Since(began) {
		return Finding{
			Cause: fmt.Sprintf("the clocks of this machine and of the database are %v apart", apart.Abs()),
			Cure:  "Let both follow a time server. Order and leases do not depend on it; --read-back does.",
		}, nil
	}
	return Finding{}, nil
}

func (t *Table) examineRelays(ctx context.Context) (Finding, error) {
	var alive int
	err := t.db.QueryRowContext(ctx, "select count(*) from outbox_relay where alive_until >= "+t.at(0)).Scan(&alive)
	if err == nil && alive == 0 {
		return Finding{Cause: "no relay is running: nothing is published", Cure: "Start one: crm-events outbox --db=… --kafka.brokers=…"}, nil
	}
	return Finding{}, err
}

func (t *Table) examineShards(ctx context.Context) (Finding, error) {
	var all, paused, free int
	err := t.db.QueryRowContext(ctx, `select count(*), coalesce(sum(case when paused then 1 else 0 end), 0),
		coalesce(sum(case when owner is null or lease_until < `+t.at(0)+` then 1 else 0 end), 0) from outbox_shard`).Scan(&all, &paused, &free)
	switch {
	case err != nil:
		return Finding{}, err
	case all != Shards:
		return Finding{Cause: fmt.Sprintf("outbox_shard has %d rows, not %d: the other shards are never published", all, Shards), Cure: "Insert those that are missing, from 0 to 63."}, nil
	case paused > 0:
		return Finding{Cause: fmt.Sprintf("%d of %d shards are paused", paused, Shards), Cure: "When the reason is gone: crm-events outbox resume."}, nil
	case free > 0:
		return Finding{
			Cause: fmt.Sprintf("nobody has the lease of %d of %d shards", free, Shards),
			Cure:  "Relays take them within a lease (15 s). If that is over: look into the log of a relay.",
		}, nil
	}
	return Finding{}, nil
}

func (t *Table) examineParked(ctx context.Context) (Finding, error) {
	var parked int64
	var aggregate, reason string
	err := t.db.QueryRowContext(ctx, "select (select count(*) from outbox_parked), aggregate, reason from outbox_parked order by id limit 1").Scan(&parked, &aggregate, &reason)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Finding{}, nil
	case err != nil:
		return Finding{}, err
	}
	return Finding{
		Cause: fmt.Sprintf("%d events are parked; the first one, of %s: %s", parked, aggregate, reason),
		Cure:  "List them: crm-events outbox parked. Then release the aggregate, or discard the event.",
	}, nil
}

func (t *Table) examineWaiting(ctx context.Context) (Finding, error) {
	b, err := t.Backlog(ctx)
	if err != nil || b.Oldest <= longWait {
		return Finding{}, err
	}
	waits, shard := 0, 0
	for i, w := range b.Shards {
		if w.Oldest > longWait {
			waits++
		}
		if w.Oldest == b.Oldest {
			shard = i
		}
	}
	return Finding{
		Cause: fmt.Sprintf("%d events wait, in %d shards for more than %v; the oldest, in shard %d, for %v", b.Rows, waits, longWait, shard, b.Oldest.Round(time.Second)),
		Cure:  "Ask the relay that has the shard: /readyz names what is in the way, outbox_limit_events_per_second{by} a limit that holds.",
	}, nil
}

// Heads returns the topics of the first rows of all shards: if one of these
// topics cannot be written to, a shard stands still.
func (t *Table) Heads(ctx context.Context) ([]string, error) {
	found, err := t.db.QueryContext(ctx, `select distinct o.topic from outbox_shard s
		join outbox o on o.id = (select min(i.id) from outbox i where i.shard = s.shard) order by o.topic`)
	if err != nil {
		return nil, fmt.Errorf("outbox: list the topics of the first events: %w", err)
	}
	defer found.Close()
	var topics []string
	for found.Next() {
		var topic string
		if err := found.Scan(&topic); err != nil {
			return nil, fmt.Errorf("outbox: list the topics of the first events: %w", err)
		}
		topics = append(topics, topic)
	}
	return topics, found.Err()
}
