package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/drill"
)

const (
	// batch is the backlog that billing works off when the world begins, and which
	// comes again every batchEvery: three billers gain 45/s on the orders, so that
	// it takes them ten minutes.
	batch      = 27_000
	batchEvery = 20 * time.Minute
	// unread is what waits for the archiver, who left after the first entries.
	unread = 39
)

// kept is how long the topics keep their records: longer than anybody here is
// behind, and so short that a demo can run for a week.
func kept() map[string]time.Duration {
	return map[string]time.Duration{Topic: 24 * time.Hour, orders: 30 * time.Minute, audit: 365 * 24 * time.Hour}
}

// fill gives a new world its past: billing has a backlog, and the archiver
// committed once and left. A world that has a past already keeps it.
func (w *World) fill(ctx context.Context) error {
	if w.cluster.GroupInfo(archiver) != nil {
		return nil
	}
	for topic, kept := range kept() {
		if w.cluster.TopicInfo(topic) != nil {
			continue
		}
		retention := strconv.FormatInt(w.hurried(kept, 0).Milliseconds(), 10)
		if err := w.cluster.CreateTopic(topic, partitions, map[string]string{"retention.ms": retention}); err != nil {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	options := []kgo.Opt{kgo.SeedBrokers(w.Brokers()...)}
	if w.Network != nil {
		options = append(options, kgo.Dialer(w.Network.Dial))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return fmt.Errorf("reach the embedded Kafka: %w", err)
	}
	defer client.Close()
	var past kadm.Offsets
	for p := range int32(partitions) {
		past.AddOffset(audit, p, 1, -1)
	}
	if err := w.publish(ctx, audit, unread+partitions, "EntryWritten", ""); err != nil {
		return err
	}
	if err := kadm.NewClient(client).CommitAllOffsets(ctx, archiver, past); err != nil {
		return fmt.Errorf("commit once for group %s: %w", archiver, err)
	}
	return w.publish(ctx, orders, batch, "OrderPlaced", "")
}

// flow starts the applications that write, and the broom that sweeps after them.
func (w *World) flow(ctx context.Context, g *errgroup.Group) {
	write := func(topic, kind string, perSecond float64) {
		g.Go(func() error {
			return steadily(ctx, perSecond*w.Speed, func(n int) error { return w.publish(ctx, topic, n, kind, "") })
		})
	}
	write(Topic, "JobCreated", eventRate)
	write(orders, "OrderPlaced", orderRate)
	write(audit, "EntryWritten", auditRate)
	g.Go(func() error {
		return every(ctx, w.hurried(batchEvery, 0), func() error { return w.publish(ctx, orders, batch, "OrderPlaced", "") })
	})
	g.Go(func() error {
		return every(ctx, w.hurried(time.Minute, time.Second), func() error {
			w.cluster.ApplyRetention()
			return nil
		})
	})
}

// every calls do after each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func() error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := do(); err != nil {
				return err
			}
		}
	}
}

// steadily calls do ten times a second with how many are due at the rate.
func steadily(ctx context.Context, perSecond float64, do func(n int) error) error {
	began, done := time.Now(), 0
	return every(ctx, 100*time.Millisecond, func() error {
		due := int(time.Since(began).Seconds()*perSecond) - done
		if due <= 0 {
			return nil
		}
		done += due
		return do(due)
	})
}

// publish writes n records, spread over the partitions unless they have a key.
func (w *World) publish(ctx context.Context, topic string, n int, kind, key string) error {
	records := make([]tidemark.Record, n)
	for i := range records {
		r, err := w.record(topic, kind, key)
		if err != nil {
			return err
		}
		records[i] = r
	}
	if err := w.publisher.Publish(ctx, records...); err != nil {
		return fmt.Errorf("publish %d records to %s: %w", n, topic, err)
	}
	return nil
}

// record makes a record in the form of the reference deployment's events.
func (w *World) record(topic, kind, key string) (tidemark.Record, error) {
	number := w.written[topic].Add(1)
	value, err := json.Marshal(struct {
		Type, TenantId string
		Seq            uint64
		Ts             time.Time
	}{kind, fmt.Sprintf("00000000-0000-0000-0000-%012d", number%7), number, time.Now()})
	if err != nil {
		return tidemark.Record{}, fmt.Errorf("encode an event: %w", err)
	}
	r := tidemark.Record{Topic: topic, Partition: int32(number % partitions), Value: value}
	if key != "" {
		r.Partition, r.Key = -1, []byte(key)
	}
	return r, nil
}

// pour publishes what a drill asks for, evenly over its time.
func (w *World) pour(ctx context.Context, a drill.Action) error {
	if a.Over <= 0 {
		return w.publish(ctx, Topic, a.Count, "JobCreated", a.Key)
	}
	left := a.Count
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := steadily(ctx, float64(a.Count)/a.Over.Seconds(), func(n int) error {
		n = min(n, left)
		left -= n
		if left == 0 {
			defer cancel()
		}
		return w.publish(ctx, Topic, n, "JobCreated", a.Key)
	})
	if err == nil && left > 0 {
		return fmt.Errorf("publish %d events: %d left: %w", a.Count, left, context.Cause(ctx))
	}
	return err
}
