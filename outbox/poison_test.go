package outbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

func refuseBad(r tidemark.Record) error {
	if strings.HasPrefix(string(r.Value), "bad") {
		return errBad
	}
	return nil
}

func (w *world) writeBad(aggregate string, size int) {
	w.Helper()
	e := w.event(aggregate)
	w.written[aggregate]--
	e.Payload = []byte("bad" + strings.Repeat("!", size))
	w.commit(e)
}

func (w *world) parked() []outbox.Parked {
	w.Helper()
	parked, err := w.table.Parked(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return parked
}

// 6.
func TestRefusedEventIsParkedAndItsAggregateWaits(t *testing.T) {
	onBoth(t, func(w *world) {
		two := inShard(3, 2)
		w.set(func(b *fakeBrokers) { b.each = refuseBad })
		w.write(two[0], 2)
		w.writeBad(two[0], 0)
		w.write(two[0], 2)
		w.write(two[1], 2)
		w.relay()
		w.await("three parked events", func() bool { return len(w.parked()) == 3 && w.rows() == 0 })
		if got, want := w.parked()[0].Reason, errBad.Error(); got != want {
			w.Errorf("it is parked because %q, want %q", got, want)
		}
		if w.has(two[0]+" 3") || !w.has(two[1]+" 2") {
			w.Errorf("published %v, want the other aggregate and nothing of this one after the refused event", w.log())
		}

		if err := w.table.Discard(w.Context(), w.parked()[0].ID); err != nil {
			w.Fatal(err)
		}
		if n, err := w.table.Release(w.Context(), two[0]); err != nil || n != 2 {
			w.Fatalf("released %d, %v; want 2", n, err)
		}
		w.awaitAll()
	})
}

// 6, by another policy.
func TestRefusedEventAloneIsParkedIfSoSet(t *testing.T) {
	onBoth(t, func(w *world) {
		w.set(func(b *fakeBrokers) { b.each = refuseBad })
		w.write("job-1", 2)
		w.writeBad("job-1", 0)
		w.write("job-1", 2)
		w.relay(func(o *outbox.Options) { o.Unpublishable = outbox.ParkEvent })
		w.awaitAll()
		if got, want := len(w.parked()), 1; got != want {
			w.Errorf("%d events are parked, want %d", got, want)
		}
	})
}

// 6: what is too large never reaches the brokers, and nothing is repeated.
func TestTooLargeEventIsParkedUnsent(t *testing.T) {
	onBoth(t, func(w *world) {
		w.write("job-1", 2)
		w.writeBad("job-1", 2000)
		w.write("job-2", 2)
		w.relay(func(o *outbox.Options) { o.MaxBytes = 1000 })
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
		if got := w.parked(); len(got) != 1 || !strings.Contains(got[0].Reason, "the limit is 1000") {
			w.Errorf("parked: %+v, want the large event and why", got)
		}
	})
}

// 18.
func TestHaltedShardDoesNotBlockOthers(t *testing.T) {
	onBoth(t, func(w *world) {
		w.set(func(b *fakeBrokers) { b.each = refuseBad })
		w.writeBad(inShard(0, 1)[0], 0)
		for shard := range outbox.Shards {
			w.write(inShard(shard, 1)[0], 3)
		}
		relay := w.relay(func(o *outbox.Options) { o.Unpublishable = outbox.Halt })
		w.await("63 of 64 shards", func() bool { return w.rows() == 4 })
		w.await("one halted shard", func() bool { return len(relay.Troubles()) == 1 })
		if got := relay.Troubles()[0]; !strings.HasPrefix(got, "shard 0: event ") {
			w.Errorf("the trouble is %q, want the event and its shard", got)
		}
	})
}

// 20. Between reading a batch and deleting it, a row with a smaller id appears.
func TestNothingUnpublishedIsDeleted(t *testing.T) {
	onBoth(t, func(w *world) {
		two := inShard(5, 2)
		w.set(func(b *fakeBrokers) { b.each = refuseBad })
		first := w.relay()
		w.writeBad(two[0], 0)
		w.await("the parked event", func() bool { return len(w.parked()) == 1 })
		first.stop()

		w.write(two[1], 3)
		released := make(chan struct{})
		w.set(func(b *fakeBrokers) {
			b.each = nil
			b.ask = func([]tidemark.Record) {
				select {
				case <-released:
				default:
					if n, err := w.table.Release(w.Context(), two[0]); err != nil || n != 1 {
						w.Errorf("released %d, %v; want 1", n, err)
					}
					close(released)
				}
			}
		})
		w.relay()
		w.await("the released event", func() bool { return w.has(two[0] + " bad") })
		w.awaitAll()
	})
}

// 17.
func TestPauseReturnsWhenNothingIsOnItsWay(t *testing.T) {
	onBoth(t, func(w *world) {
		w.relay()
		w.write("job-1", 2)
		w.awaitAll()
		up := w.goDown()
		w.write("job-1", 2)
		paused := make(chan error)
		go func() { paused <- w.table.Pause(w.Context()) }()
		select {
		case err := <-paused:
			w.Errorf("paused (%v) while records were on their way", err)
		case <-time.After(time.Second):
		}
		up()
		if err := <-paused; err != nil {
			w.Fatal(err)
		}
		before := w.log()
		w.write("job-1", 5)
		w.pass(time.Second)
		if got := w.log(); !slices.Equal(got, before) {
			w.Errorf("while paused, %v was published", got[len(before):])
		}
		if err := w.table.Resume(w.Context()); err != nil {
			w.Fatal(err)
		}
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
	})
}
