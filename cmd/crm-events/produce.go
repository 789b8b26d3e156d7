package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/outbox"
)

// produceSettings says what kind of CRM is played.
type produceSettings struct {
	kafka         kafka.Config
	topic, db     string
	rate          float64
	burst         int
	burstEvery    time.Duration
	count         int
	duration      time.Duration
	keys, tenants int
	skew          float64
	bytes         int
	seed          uint64
}

func produceCommand() *cobra.Command {
	var s produceSettings
	c := &cobra.Command{
		Use:     "produce",
		Short:   "Make events, as a CRM would: for drills and demonstrations",
		Long:    "Make events, as a CRM would: for drills and demonstrations. They are published\nstraight to Kafka, or written into an outbox table for its relay to publish.",
		Example: "  crm-events produce --rate=15 --duration=10m\n  crm-events produce --count=10000 --rate=0 --skew=1.5\n  crm-events produce --db=crm.db --rate=2 --burst=100 --burst-every=1m",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			n, took, err := s.run(c.Context())
			fmt.Fprintf(c.OutOrStdout(), "%d events in %s\n", n, took.Round(time.Millisecond))
			return err
		},
	}
	f := c.Flags()
	clusterFlags(f, &s.kafka)
	f.StringVar(&s.topic, "kafka.topic", environment("KAFKA_TOPIC", "aetherlink.events"), "topic of the events ($KAFKA_TOPIC)")
	f.StringVar(&s.db, "db", environment("OUTBOX_DB", ""), "outbox to write to: postgres://… or the path of an SQLite file ($OUTBOX_DB); empty: publish straight to Kafka")
	f.Float64Var(&s.rate, "rate", 10, "events per second; 0: as fast as they are taken")
	f.IntVar(&s.burst, "burst", 0, "and so many at once")
	f.DurationVar(&s.burstEvery, "burst-every", time.Minute, "each time after so long")
	f.IntVar(&s.count, "count", 0, "stop after so many events; 0: do not")
	f.DurationVar(&s.duration, "duration", 0, "stop after so long; 0: do not")
	f.IntVar(&s.keys, "keys", 1000, "jobs that the events are about; each is a key")
	f.Float64Var(&s.skew, "skew", 0, "over 1: a few jobs have most events, by Zipf's law with this exponent; 0: all have the same")
	f.IntVar(&s.tenants, "tenants", 3, "tenants that the jobs belong to")
	f.IntVar(&s.bytes, "bytes", 220, "size of an event's value, at least")
	f.Uint64Var(&s.seed, "seed", 0, "the same seed makes the same events; 0: others each time")
	return c
}

func (s produceSettings) validate() error {
	switch {
	case s.rate < 0, s.burst < 0, s.burstEvery <= 0, s.count < 0, s.duration < 0, s.bytes < 0:
		return errors.New("produce: a rate, number, size or time is negative")
	case s.keys < 1, s.tenants < 1:
		return errors.New("produce: there must be a job, and a tenant that it belongs to")
	case s.skew != 0 && s.skew <= 1:
		return errors.New("produce: skew must be over 1, or 0 for none")
	}
	return nil
}

// run makes events until there are enough, time is up, or ctx ends.
func (s produceSettings) run(ctx context.Context) (n int, took time.Duration, err error) {
	if err := s.validate(); err != nil {
		return 0, 0, err
	}
	send, end, err := s.open(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer end()
	work := s.newCRM()
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		elapsed := time.Since(began)
		over := s.duration > 0 && elapsed >= s.duration
		for due := s.due(elapsed) - n; due > 0; {
			batch := work.events(min(due, 500))
			if err := send(ctx, batch); err != nil {
				return n, time.Since(began), ignoreEnd(ctx, err)
			}
			n, due = n+len(batch), due-len(batch)
		}
		if over || s.count > 0 && n >= s.count {
			return n, time.Since(began), nil
		}
		select {
		case <-ctx.Done():
			return n, time.Since(began), nil
		case <-tick.C:
		}
	}
}

// ignoreEnd keeps an error that came of somebody stopping us from being one.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// due is how many events there should have been after so long. With 10 a second
// and 50 more each minute: 1,300 after two minutes.
func (s produceSettings) due(elapsed time.Duration) int {
	if s.duration > 0 {
		elapsed = min(elapsed, s.duration)
	}
	due := int(s.rate*elapsed.Seconds()) + s.burst*int(elapsed/s.burstEvery)
	if s.rate == 0 && s.burst == 0 {
		due = math.MaxInt
	}
	if s.count > 0 {
		due = min(due, s.count)
	}
	return due
}

// open returns where events go.
func (s produceSettings) open(ctx context.Context) (send func(context.Context, []outbox.Event) error, end func(), err error) {
	if s.db == "" {
		publisher, err := kafka.OpenPublisher(cluster(s.kafka, nil))
		if err != nil {
			return nil, nil, err
		}
		send = func(ctx context.Context, events []outbox.Event) error {
			return publisher.Publish(ctx, asRecords(events)...)
		}
		return send, publisher.Close, nil
	}
	table, err := outbox.Open(s.db)
	if err != nil {
		return nil, nil, err
	}
	end = func() { _ = table.Close() } // what was written is committed
	if err := table.Migrate(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return func(ctx context.Context, events []outbox.Event) error { return writeTo(ctx, table, events) }, end, nil
}

// writeTo writes events in one transaction, as an application does.
func writeTo(ctx context.Context, table *outbox.Table, events []outbox.Event) error {
	tx, err := table.DB().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := outbox.Write(ctx, tx, events...); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// asRecords makes the records that the outbox would publish, but for the headers
// that are about the outbox itself.
func asRecords(events []outbox.Event) []tidemark.Record {
	records := make([]tidemark.Record, len(events))
	for i, e := range events {
		records[i] = tidemark.Record{Topic: e.Topic, Partition: -1, Key: []byte(e.Aggregate), Value: e.Payload, Headers: []tidemark.Header{
			{Key: "event_id", Value: []byte(e.ID)},
			{Key: "tenant_id", Value: []byte(e.Tenant)},
			{Key: "type", Value: []byte(e.Type)},
			{Key: "occurred_at", Value: []byte(e.OccurredAt.UTC().Format(time.RFC3339Nano))},
		}}
	}
	return records
}

// crm makes events about jobs.
type crm struct {
	produceSettings
	random *rand.Rand
	zipf   *rand.Zipf // nil: all jobs are the same
	made   int
}

func (s produceSettings) newCRM() *crm {
	seed := s.seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	c := &crm{produceSettings: s, random: rand.New(rand.NewPCG(seed, 0))}
	if s.skew > 1 {
		c.zipf = rand.NewZipf(c.random, s.skew, 1, uint64(s.keys-1))
	}
	return c
}

func (c *crm) events(n int) []outbox.Event {
	events := make([]outbox.Event, n)
	for i := range events {
		events[i] = c.event()
	}
	return events
}

func (c *crm) event() outbox.Event {
	job := c.random.IntN(c.keys)
	if c.zipf != nil {
		job = int(c.zipf.Uint64())
	}
	kind := [...]string{"JobCreated", "JobStatusChanged", "JobAssigned", "JobDone"}[c.random.IntN(4)]
	tenant := fmt.Sprintf("6f1c2a34-0000-4000-8000-%012d", job%c.tenants)
	c.made++
	value := fmt.Sprintf(`{"Type":%q,"TenantId":%q,"JobId":"job-%d","Seq":%d,"Text":""}`, kind, tenant, job, c.made)
	value = value[:len(value)-2] + strings.Repeat("x", max(0, c.bytes-len(value))) + `"}`
	return outbox.Event{
		ID: c.id(), Tenant: tenant, Aggregate: fmt.Sprintf("job-%d", job), Type: kind, Topic: c.topic,
		Payload: []byte(value), OccurredAt: time.Now(),
	}
}

// id is a random UUID.
func (c *crm) id() string {
	var raw [16]byte
	for i := range raw {
		raw[i] = byte(c.random.Uint32())
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	text := hex.EncodeToString(raw[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
