package outbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

// The numbers in this file are those of the failure cases that must lose nothing.

// 1.
func TestRolledBackTransactionPublishesNothing(t *testing.T) {
	onBoth(t, func(w *world) {
		w.relay()
		tx := w.begin()
		ghost := outbox.Event{Tenant: tenant, Aggregate: "job-1", Type: "JobCreated", Topic: "events", Payload: []byte("ghost")}
		if err := outbox.Write(w.Context(), tx, ghost); err != nil {
			w.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			w.Fatal(err)
		}
		w.write("job-1", 3)
		if got, want := w.awaitAll(), 0; got != want || w.has("job-1 ghost") {
			w.Errorf("published %v, want the three that were committed", w.log())
		}
	})
}

// 2.
func TestCrashBeforePublishingIsMadeUpForAfterRestart(t *testing.T) {
	onBoth(t, func(w *world) {
		var first *process
		ready := make(chan struct{})
		w.set(func(b *fakeBrokers) {
			b.ask = func([]tidemark.Record) {
				<-ready
				first.die()
			}
			b.each = func(tidemark.Record) error { return errCut }
		})
		first = w.doomed()
		close(ready)
		w.write("job-1", 20)
		w.await("the crash", func() bool { return first.wire.pass("") != nil })
		first.stop()
		w.set(func(b *fakeBrokers) { b.ask, b.each = nil, nil })
		w.relay()
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice: %v", repeats, w.log())
		}
	})
}

// 3.
func TestCrashAfterAcknowledgementRepeatsAtMostOneBatch(t *testing.T) {
	onBoth(t, func(w *world) {
		const batch = 4
		first := w.doomed(func(o *outbox.Options) { o.BatchRecords = batch })
		w.write("job-1", 3)
		w.awaitAll()
		first.set(func(statement string) {
			if strings.HasPrefix(statement, "delete from outbox where shard") {
				first.die()
			}
		})
		w.write("job-1", 20)
		w.await("the crash", func() bool { return first.wire.pass("") != nil })
		first.stop()
		w.relay(func(o *outbox.Options) { o.BatchRecords = batch })
		if repeats := w.awaitAll(); repeats == 0 || repeats > batch {
			w.Errorf("%d records were published twice, want 1 to %d", repeats, batch)
		}
	})
}

// 4.
func TestBrokersDownForHoursLoseNothing(t *testing.T) {
	onBoth(t, func(w *world) {
		w.relay(func(o *outbox.Options) { o.AckLimit = time.Second })
		w.write("job-0", 1)
		w.awaitAll()
		up := w.goDown()
		for range 10 {
			for _, aggregate := range []string{"job-1", "job-2", "job-3"} {
				w.write(aggregate, 5)
			}
			w.pass(w.long / 10)
		}
		if got, want := w.rows(), int64(150); got != want {
			w.Errorf("%d rows wait, want %d", got, want)
		}
		up()
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
	})
}

// 4, when the client gives up instead of waiting.
func TestFailingBrokersLoseNothing(t *testing.T) {
	onBoth(t, func(w *world) {
		w.set(func(b *fakeBrokers) { b.each = func(tidemark.Record) error { return errCut } })
		relay := w.relay(func(o *outbox.Options) { o.BreakAfter = 2 })
		w.write("job-1", 10)
		w.write("job-2", 10)
		w.await("the relay to say so", func() bool { return len(relay.Troubles()) > 0 })
		w.pass(w.long)
		w.set(func(b *fakeBrokers) { b.each = nil })
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
		w.await("the relay to be well", func() bool { return len(relay.Troubles()) == 0 })
	})
}

// 5.
func TestMissingTopicHaltsItsShardOnly(t *testing.T) {
	onBoth(t, func(w *world) {
		const shard = 7
		lost := inShard(shard, 1)[0]
		w.set(func(b *fakeBrokers) {
			b.each = func(r tidemark.Record) error {
				if r.Topic == "missing" {
					return errClosed
				}
				return nil
			}
		})
		relay := w.relay()
		w.write(lost, 2)
		e := w.event(lost)
		e.Topic = "missing"
		w.commit(e)
		w.write(lost, 2)
		w.write(inShard(shard+1, 1)[0], 5)
		w.await("the other shard", func() bool { return w.rows() == 3 })
		w.await("the shard to say that it stands still", func() bool {
			return strings.Contains(strings.Join(relay.Troubles(), " "), "shard 7: no such topic")
		})
		if w.kind == outbox.PostgreSQL {
			return // it takes half a minute to try again
		}
		w.set(func(b *fakeBrokers) { b.each = nil })
		if got, most := w.awaitAll(), 2; got > most { // those before it, when it was refused the first time
			w.Errorf("%d records were published twice, want at most %d: %v", got, most, w.log())
		}
	})
}
