package outbox_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aetherlink/tidemark/outbox"
)

// age makes all rows older than they are.
func (w *world) age(d time.Duration) {
	w.Helper()
	older := strconv.FormatInt(d.Milliseconds(), 10)
	if w.kind == outbox.PostgreSQL {
		older = fmt.Sprintf("interval '%d milliseconds'", d.Milliseconds())
	}
	w.exec("update outbox set created_at = created_at - " + older)
}

func TestBacklogIsCountedByShard(t *testing.T) {
	onBoth(t, func(w *world) {
		w.write(inShard(3, 1)[0], 2)
		w.age(time.Hour)
		w.write(inShard(5, 1)[0], 1)
		b := w.backlog()
		if got, want := b.Rows, int64(3); got != want {
			w.Errorf("%d rows, want %d", got, want)
		}
		if b.Shards[3].Rows != 2 || b.Shards[5].Rows != 1 || b.Shards[4] != (outbox.Waiting{}) {
			w.Errorf("by shard: %+v; want 2 in shard 3 and 1 in shard 5", b.Shards)
		}
		if b.Oldest != b.Shards[3].Oldest || b.Oldest < time.Hour || b.Shards[5].Oldest > time.Minute {
			w.Errorf("oldest: %v, of shard 3 %v, of shard 5 %v", b.Oldest, b.Shards[3].Oldest, b.Shards[5].Oldest)
		}
	})
}

// A row that no relay will ever look at is not counted as nothing.
func TestRowInNoShardIsNoBacklogOfZero(t *testing.T) {
	onBoth(t, func(w *world) {
		w.write("job-1", 1)
		w.exec("update outbox set shard = 64")
		if b, err := w.table.Backlog(w.Context()); err == nil {
			w.Errorf("the backlog is %+v, want an error that names the shard", b)
		}
	})
}

func TestShardsBacklogIsAMetric(t *testing.T) {
	onSQLite(t, func(w *world) {
		registry := prometheus.NewRegistry()
		w.goDown()
		w.write(inShard(0, 1)[0], 2)
		w.relay(func(o *outbox.Options) { o.Registerer = registry })
		w.await("the count of shard 0", func() bool { return w.metric(registry, "outbox_shard_rows") == 2 })
	})
}

func TestEventIsRefusedOnlyBehindAnOldOne(t *testing.T) {
	onBoth(t, func(w *world) {
		slow, fast := inShard(3, 1)[0], inShard(5, 1)[0]
		w.write(slow, 1)
		w.age(time.Hour)
		w.write(fast, 1)
		err := w.table.Admit(w.Context(), 10*time.Minute, slow)
		tooOld, is := errors.AsType[*outbox.TooOld](err)
		if !is || tooOld.Oldest < time.Hour || tooOld.Limit != 10*time.Minute {
			w.Errorf("behind an event of an hour: %v, want that it is too old", err)
		}
		for what, err := range map[string]error{
			"behind a young event":  w.table.Admit(w.Context(), 10*time.Minute, fast),
			"in an empty shard":     w.table.Admit(w.Context(), 10*time.Minute, inShard(6, 1)[0]),
			"without a limit":       w.table.Admit(w.Context(), 0, slow),
			"below a greater limit": w.table.Admit(w.Context(), 2*time.Hour, slow),
		} {
			if err != nil {
				w.Errorf("%s: %v, want that it may be written", what, err)
			}
		}
	})
}
