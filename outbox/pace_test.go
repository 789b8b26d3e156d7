package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/outbox"
)

// writeMany commits n events over all shards at once.
func (w *world) writeMany(n int) {
	var events []outbox.Event
	for i := range n {
		events = append(events, w.event(fmt.Sprintf("job-%d", i%100)))
	}
	w.commit(events...)
}

func TestRelayKeepsToItsRate(t *testing.T) {
	onSQLite(t, func(w *world) {
		w.writeMany(1000)
		w.relay(func(o *outbox.Options) { o.EventsPerSecond = 10 })
		w.pass(20 * time.Second)
		// One second's worth is in the bucket from the beginning.
		if got, least, most := len(w.records()), 150, 20*10+10; got < least || got > most {
			w.Errorf("%d events in 20 s, want %d to %d", got, least, most)
		}
	})
}

func TestRelayKeepsToItsBytes(t *testing.T) {
	onSQLite(t, func(w *world) {
		for i := range 40 {
			e := w.event(fmt.Sprintf("job-%d", i))
			e.Payload = make([]byte, 10_000)
			w.commit(e)
		}
		w.relay(func(o *outbox.Options) { o.BytesPerSecond, o.MaxBytes = 20_000, 20_000 })
		w.pass(10 * time.Second)
		if got, least, most := len(w.records()), 14, 22; got < least || got > most {
			w.Errorf("%d events of 10 kB in 10 s at 20 kB/s, want %d to %d", got, least, most)
		}
	})
}

func TestRelayObeysPressureUntilItIsStale(t *testing.T) {
	onSQLite(t, func(w *world) {
		var gone atomic.Bool
		registry := prometheus.NewRegistry()
		w.relay(func(o *outbox.Options) {
			o.Registerer = registry
			o.Pressure = func(context.Context) (outbox.Allowance, error) {
				if gone.Load() {
					return outbox.Allowance{}, errors.New("nobody answers")
				}
				return outbox.Allowance{EventsPerSecond: 5, GoodFor: 15 * time.Second}, nil
			}
		})
		w.pass(time.Second)
		w.writeMany(2000)
		w.pass(20 * time.Second)
		if got, most := len(w.records()), 20*5+5; got > most {
			w.Errorf("%d events in 20 s, want at most %d", got, most)
		}
		if got, want := w.metric(registry, "outbox_limit_events_per_second"), 5.0; got != want {
			w.Errorf("the limit is %v, want %v", got, want)
		}
		gone.Store(true)
		w.pass(20 * time.Second) // longer than the allowance was good for
		w.awaitAll()
	})
}

// 4: while the brokers are silent, the breaker is open, and what waits is visible.
func TestBreakerOpensWhileTheBrokersAreSilent(t *testing.T) {
	onSQLite(t, func(w *world) {
		registry := prometheus.NewRegistry()
		w.relay(func(o *outbox.Options) { o.Registerer = registry })
		w.pass(time.Second)
		up := w.goDown()
		w.write("job-1", 1)
		w.await("the breaker to open", func() bool { return w.metric(registry, "outbox_breaker_state") == 2 })
		w.writeMany(1000)
		w.await("the backlog", func() bool { return w.metric(registry, "outbox_rows") == 1001 })
		up()
		if repeats := w.awaitAll(); repeats != 0 {
			w.Errorf("%d records were published twice", repeats)
		}
		if got, want := w.metric(registry, "outbox_breaker_state"), 0.0; got != want {
			w.Errorf("the breaker's state is %v, want %v", got, want)
		}
	})
}

// 7. Leaders move while the relay publishes with a real client, which hides that.
func TestLeaderChangeNeitherLosesNorRepeats(t *testing.T) {
	onBoth(t, func(w *world) {
		var network kfake.VirtualNetwork
		cluster, err := kfake.NewCluster(kfake.ListenFn(network.Listen), kfake.NumBrokers(3), kfake.Ports(9092, 9093, 9094), kfake.SeedTopics(3, "events"))
		if err != nil {
			w.Fatal(err)
		}
		defer cluster.Close()
		o := kafka.Options{Config: kafka.Config{Name: "main", Brokers: []string{"localhost:9092"}}, Dial: network.DialContext}
		publisher, err := kafka.OpenPublisher(o)
		if err != nil {
			w.Fatal(err)
		}
		defer publisher.Close()
		relay := w.relay(func(o *outbox.Options) { o.Publish, o.BatchRecords = publisher.Publish, 20 })
		for round := range 12 {
			w.writeMany(200)
			if err := cluster.MoveTopicPartition("events", int32(round%3), int32(round/3%3)); err != nil {
				w.Fatal(err)
			}
			w.pass(100 * time.Millisecond)
		}
		w.await("an empty table", func() bool { return w.rows() == 0 })
		relay.stop()
		w.readBack(o, 12*200)
		if got, want := len(w.records()), 12*200; got != want || w.missing() != "" {
			w.Errorf("the topic has %d records, want %d; missing: %s", got, want, w.missing())
		}
		w.checkOrder()
	})
}

// readBack takes over what a topic has, at least n records.
func (w *world) readBack(o kafka.Options, n int) {
	w.Helper()
	tail, err := kafka.OpenTail(o, kafka.TailOptions{Topic: "events", Reset: kafka.Earliest})
	if err != nil {
		w.Fatal(err)
	}
	defer tail.Close()
	var all []tidemark.Record
	for len(all) < n {
		records, err := tail.Next(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, records...)
	}
	w.set(func(b *fakeBrokers) { b.taken = all })
}
