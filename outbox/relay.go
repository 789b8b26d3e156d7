package outbox

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/aetherlink/tidemark"
)

// Config is what an operator may set. Zero means the value in parentheses.
type Config struct {
	Lease time.Duration // how long a shard stays with a relay that says nothing (15s)
	Poll  time.Duration // how long a quiet table is left alone at most (2s)
	Drain time.Duration // how long a shutdown waits for the brokers (5s)

	BatchRecords  int // rows of one shard that are published together (500),
	BatchBytes    int // and their bytes (1 MiB)
	InFlight      int // rows that are on their way to the brokers (10,000),
	InFlightBytes int // and their bytes (64 MiB)
	MaxBytes      int // of one record; a larger one is parked (1,000,000: the brokers' own limit, less the frame)

	EventsPerSecond float64 // (no limit)
	BytesPerSecond  float64 // (no limit)

	Unpublishable Policy // what to do with an event that the brokers will never take (park_key)
	Strict        bool   // PostgreSQL: one order per shard, not only per aggregate; any long transaction stalls it

	BreakAfter int           // failures in a row after which the brokers are left alone (5)
	AckLimit   time.Duration // and how long they may be silent about a batch (10s)
}

// Policy says what becomes of an event that the brokers will never take.
type Policy string

// The policies.
const (
	ParkKey   Policy = "park_key"   // it is parked, and later events of its aggregate wait behind it
	ParkEvent Policy = "park_event" // it alone is parked
	Halt      Policy = "halt"       // its shard stands still
)

// Verdict says what an error of publishing is about.
type Verdict int

// The verdicts.
const (
	Retry         Verdict = iota // the brokers: the same rows are tried again, for as long as it takes
	Closed                       // the topic: it is missing or not ours to write; the shard stands still until it is mended
	Unpublishable                // the record itself: see [Policy]
)

// Options is Config and the living things.
type Options struct {
	Config
	Table *Table
	// Publish writes records in their order and returns when all replicas in sync
	// have all of them. On an error any of them may have been written.
	Publish func(context.Context, ...tidemark.Record) error
	Judge   func(error) Verdict // what an error of Publish is about; nil: always the brokers
	// ReadBack gives what was written to a topic since a time, up to where the topic
	// ended when it was asked; more than that does no harm. With it, what an earlier
	// relay published and did not delete is recognised instead of published again.
	// nil: after a relay's crash, a batch of each of its shards may be repeated.
	ReadBack func(ctx context.Context, topic string, since time.Time, each func(tidemark.Record)) error
	// Pressure tells how fast consumers can bear it. It is asked again after a third of what it says it is good for.
	Pressure   func(context.Context) (Allowance, error) // nil: nobody says
	Owner      string                                   // who we are among the relays of the table; empty: host, process and a random number
	Log        *slog.Logger                             // nil: silent
	Registerer prometheus.Registerer                    // nil: none
}

// Relay publishes what is in a table. Make it with [New] and [Relay.Run] it.
type Relay struct {
	o       Options
	table   *Table
	pace    *pace
	breaker *breaker
	rows    *semaphore.Weighted // free places on the way to the brokers
	bytes   *semaphore.Weighted
	reading *semaphore.Weighted // free places for reading back
	health  *health
	metrics *metrics

	mu    sync.Mutex
	held  map[int]*holding
	works sync.WaitGroup // of the holdings

	failing atomic.Int32 // holdings whose latest batch failed
}

// New checks the options and makes a relay that does nothing yet.
func New(o Options) (*Relay, error) {
	if o.Table == nil || o.Publish == nil {
		return nil, errors.New("outbox: a table to read and a function to publish with are needed")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Config = o.withDefaults()
	if o.Judge == nil {
		o.Judge = func(error) Verdict { return Retry }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Owner == "" {
		host, _ := os.Hostname() // a random number is enough to be somebody
		o.Owner = host + "-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatUint(rand.Uint64(), 36)
	}
	r := &Relay{
		o:       o,
		table:   o.Table,
		pace:    newPace(o.Config),
		breaker: newBreaker(o.BreakAfter),
		rows:    semaphore.NewWeighted(int64(o.InFlight)),
		bytes:   semaphore.NewWeighted(int64(o.InFlightBytes)),
		reading: semaphore.NewWeighted(reading),
		health:  newHealth(o.Log),
		held:    map[int]*holding{},
	}
	r.metrics = newMetrics(r)
	if o.Registerer != nil {
		if err := o.Registerer.Register(r.metrics); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if min(c.Lease, c.Poll, c.Drain, c.AckLimit) < 0 || min(c.EventsPerSecond, c.BytesPerSecond) < 0 ||
		min(c.BatchRecords, c.BatchBytes, c.InFlight, c.InFlightBytes, c.MaxBytes, c.BreakAfter) < 0 {
		return errors.New("outbox: a rate, time, size or number is negative; leave it out for the usual one")
	}
	switch c.Unpublishable {
	case "", ParkKey, ParkEvent, Halt:
		return nil
	}
	return errors.New("outbox: what is unpublishable can be met with park_key, park_event or halt, not with " + string(c.Unpublishable))
}

func (c Config) withDefaults() Config {
	c.Lease = cmp.Or(c.Lease, 15*time.Second)
	c.Poll = cmp.Or(c.Poll, 2*time.Second)
	c.Drain = cmp.Or(c.Drain, 5*time.Second)
	c.BatchRecords = cmp.Or(c.BatchRecords, 500)
	c.BatchBytes = cmp.Or(c.BatchBytes, 1<<20)
	c.InFlight = max(cmp.Or(c.InFlight, 10_000), c.BatchRecords)
	c.MaxBytes = cmp.Or(c.MaxBytes, 1_000_000)
	c.InFlightBytes = max(cmp.Or(c.InFlightBytes, 64<<20), c.BatchBytes)
	c.Unpublishable = cmp.Or(c.Unpublishable, ParkKey)
	c.BreakAfter = cmp.Or(c.BreakAfter, 5)
	c.AckLimit = cmp.Or(c.AckLimit, 10*time.Second)
	return c
}

// Run publishes until ctx ends. Then it waits for what the brokers have in hand,
// deletes what they acknowledge, and gives its shards back.
func (r *Relay) Run(ctx context.Context) error {
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var parts sync.WaitGroup
	parts.Go(func() { r.keep(ctx, hard) })
	parts.Go(func() { r.look(ctx) })
	parts.Go(func() { r.measure(ctx) })
	if r.table.notify != "" {
		parts.Go(func() { r.listen(ctx) })
	}
	if r.o.Pressure != nil {
		parts.Go(func() { r.obey(ctx) })
	}
	parts.Wait()

	patience := time.AfterFunc(r.o.Drain, cut)
	defer patience.Stop()
	r.works.Wait()
	if hard.Err() != nil {
		r.o.Log.Warn("the brokers did not acknowledge in time; other relays wait for the end of the leases", "after", r.o.Drain)
		return nil
	}
	last, cancel := context.WithTimeout(hard, r.o.Drain)
	defer cancel()
	if err := r.table.resign(last, r.o.Owner); err != nil {
		r.o.Log.Warn("shards not given back; other relays wait for the end of the leases", "err", err)
	}
	return nil
}

// keep holds our share of the shards: it renews, claims what is free, and gives
// up what is more than our share. A lease that could not be renewed ends by
// itself, see holding.
func (r *Relay) keep(ctx, hard context.Context) {
	for ctx.Err() == nil {
		round, cancel := context.WithTimeout(ctx, r.o.Lease/3)
		r.settle(ctx, "keeping the leases", r.hold(round, ctx, hard))
		cancel()
		pause(ctx, r.o.Lease/3)
	}
}

func (r *Relay) hold(ctx, soft, hard context.Context) error {
	began := time.Now() // a lease is good from before we asked for it
	relays, err := r.table.attend(ctx, r.o.Owner, r.o.Lease)
	if err != nil {
		return err
	}
	renewed, err := r.table.renew(ctx, r.o.Owner, r.o.Lease)
	if err != nil {
		return err
	}
	share := (Shards + relays - 1) / relays
	mine, strays := r.renewed(renewed, began, share)
	for _, l := range strays {
		if err := r.table.release(ctx, l); err != nil {
			return err
		}
	}
	if mine >= share {
		return nil
	}
	claimed, err := r.table.claim(ctx, r.o.Owner, r.o.Lease, share-mine)
	for _, l := range claimed {
		r.take(soft, hard, l, began)
	}
	if len(claimed) > 0 {
		r.table.wake()
		r.o.Log.Info("shards taken", "shards", len(claimed), "held", mine+len(claimed), "relays", relays)
	}
	return err
}

// renewed notes what we still have, stops what is paused or more than our share,
// and returns how many shards stay with us. Strays are ours in the table only: we
// gave them up while the database was away.
func (r *Relay) renewed(leases []lease, began time.Time, share int) (stay int, strays []lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ours := map[int]lease{}
	for _, l := range leases {
		ours[l.shard] = l
		if _, is := r.held[l.shard]; !is {
			strays = append(strays, l)
		}
	}
	for shard, h := range r.held {
		l, is := ours[shard]
		switch {
		case !is || l.epoch != h.epoch:
			h.lose()
		case l.paused || stay == share:
			h.stop()
			h.until(began.Add(r.o.Lease))
		default:
			stay++
			h.until(began.Add(r.o.Lease))
		}
	}
	return stay, strays
}

// look finds the shards in which something waits and sets them to work. A quiet
// table is looked at less and less often, down to once in Poll.
func (r *Relay) look(ctx context.Context) {
	const soon = 50 * time.Millisecond
	for wait := soon; ctx.Err() == nil; wait = min(2*wait, r.o.Poll) {
		changed := r.table.awaken()
		shards, err := r.table.ready(ctx, r.o.Owner)
		r.settle(ctx, "looking into the table", err)
		if r.rouse(shards) {
			wait = soon
		}
		timer := time.NewTimer(jitter(wait))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
			wait = soon
		}
		timer.Stop()
	}
}

// rouse sets shards to work that are at rest, and says whether there were any.
func (r *Relay) rouse(shards []int) (some bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, shard := range shards {
		if h, is := r.held[shard]; is && !h.busy.Load() {
			some = true
			select {
			case h.work <- struct{}{}:
			default:
			}
		}
	}
	return some
}

func (r *Relay) listen(ctx context.Context) {
	for ctx.Err() == nil {
		r.settle(ctx, "listening for notifications", r.table.listen(ctx))
	}
}

// settle notes how something went, and after an error waits a second or so, so
// that a broken neighbour is not called in a tight loop.
func (r *Relay) settle(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	r.health.report(what, err)
	if err != nil {
		pause(ctx, jitter(time.Second))
	}
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// jitter spreads what all relays would otherwise do at the same time: ±30%.
func jitter(d time.Duration) time.Duration {
	return d*7/10 + rand.N(d*6/10+1)
}
