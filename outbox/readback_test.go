package outbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

// readsBack lets a relay read what the brokers have.
func (w *world) readsBack(o *outbox.Options) {
	o.ReadBack = func(_ context.Context, topic string, since time.Time, each func(tidemark.Record)) error {
		if written := time.Since(since); w.kind == outbox.PostgreSQL && written < time.Minute { // SQLite's clock is not virtual
			w.Errorf("%s is read from %v ago; clocks may be a minute apart", topic, written)
		}
		for _, r := range w.records() {
			if r.Topic == topic {
				each(r)
			}
		}
		return nil
	}
}

// dieBeforeDeleting ends a relay between acknowledgement and deletion.
func (w *world) dieBeforeDeleting(p *process) {
	w.Helper()
	p.set(func(statement string) {
		if strings.HasPrefix(statement, "delete from outbox where shard") {
			p.die()
		}
	})
	w.write("job-1", 20)
	w.await("the crash", func() bool { return p.wire.pass("") != nil })
	p.stop()
}

// 3, with reading back.
func TestCrashAfterAcknowledgementRepeatsNothingIfTheTopicIsReadBack(t *testing.T) {
	onBoth(t, func(w *world) {
		for range 2 { // a relay after another ends so
			crashing := w.doomed(w.readsBack, func(o *outbox.Options) { o.BatchRecords = 4 })
			w.write("job-1", 3)
			w.awaitAll()
			w.dieBeforeDeleting(crashing)
		}
		w.relay(w.readsBack)
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice: %v", repeats, w.log())
		}
	})
}

// 10, while a topic is read back: what has a lower id than a published event is
// not published for that.
func TestLateAndReleasedEventsAreNotTakenForPublishedOnes(t *testing.T) {
	onBoth(t, func(w *world) {
		two := inShard(outbox.ShardOf("job-1"), 2)
		w.set(func(b *fakeBrokers) { b.each = refuseBad })
		first := w.relay()
		w.writeBad(two[1], 0)
		w.await("the parked event", func() bool { return len(w.parked()) == 1 })
		first.stop()
		crashing := w.doomed(func(o *outbox.Options) { o.BatchRecords = 4 })
		w.dieBeforeDeleting(crashing)
		w.set(func(b *fakeBrokers) { b.each = nil })
		if n, err := w.table.Release(w.Context(), two[1]); err != nil || n != 1 {
			w.Fatalf("released %d, %v; want 1", n, err)
		}
		w.relay(w.readsBack)
		w.awaitAll()
		if got, want := len(w.records()), 20+1; got != want || !w.has(two[1]+" bad") {
			w.Errorf("published %v, want the released event and nothing twice", w.log())
		}
	})
}

// 6, with reading back: those that the brokers took before they refused one.
func TestBatchThatWasTakenInPartIsNotRepeatedIfTheTopicIsReadBack(t *testing.T) {
	onBoth(t, func(w *world) {
		w.set(func(b *fakeBrokers) { b.each = refuseBad })
		w.write("job-1", 5)
		w.writeBad("job-1", 0)
		w.write("job-1", 5)
		w.relay(w.readsBack, func(o *outbox.Options) { o.Unpublishable = outbox.ParkEvent })
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice: %v", repeats, w.log())
		}
	})
}

func TestShardWaitsUntilItsTopicCanBeReadBack(t *testing.T) {
	onBoth(t, func(w *world) {
		denied := errors.New("not ours to read")
		may := make(chan struct{})
		w.write("job-1", 3)
		relay := w.relay(func(o *outbox.Options) {
			w.readsBack(o)
			read := o.ReadBack
			o.ReadBack = func(ctx context.Context, topic string, since time.Time, each func(tidemark.Record)) error {
				select {
				case <-may:
					return read(ctx, topic, since, each)
				default:
					return denied
				}
			}
		})
		w.await("the relay to say so", func() bool { return strings.Contains(strings.Join(relay.Troubles(), " "), denied.Error()) })
		if got := w.log(); len(got) > 0 {
			w.Errorf("published %v without knowing whether it was published", got)
		}
		close(may)
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
	})
}
