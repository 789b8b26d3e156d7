// Package relay is the body of crm-events: it brings a Kafka topic to browsers,
// and does the work of a consumer group meanwhile.
//
// It has two planes. The data plane reads all partitions without a group into one
// ring of encoded frames; every browser on every replica gets every event, and
// resumes exactly where it was, on any replica, since the id of a frame is a
// vector of Kafka offsets. The work plane is a member of the group: it reads only
// the partitions it owns, works on each record once, and commits what was both
// worked and delivered to the browsers here. So the lag of the group says how far
// the work is behind, whoever is watching.
//
// It hides the wire format, the ring, resuming and the order of shutdown. It
// never keeps a queue per client, never lets one client wait for another, never
// passes over a loss in silence, and never commits what was not worked. It knows
// no Kafka client: [Source] and [Member] are handed in.
//
// May change until version 1.
package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/aetherlink/tidemark"
)

// Config is what an operator may set. Zero means the value in parentheses.
type Config struct {
	Topic string // what is read; required
	Group string // whose member the work plane is; required

	WorkRate       float64       // records per second that the work is slowed down to (not slowed down)
	CommitInterval time.Duration // how often progress is committed (1s)

	RingBytes   int           // what the ring holds of encoded frames at most (64 MiB),
	RingRecords int           // how many (65,536),
	RingAge     time.Duration // and for how long (15m)
	WarmUp      time.Duration // how far back to read first, so that browsers of a replica that is restarted find there what they miss (30s)

	MaxClients          int     // streams open at once (2,000),
	MaxClientsPerIP     int     // from one address (50),
	MaxClientsPerUser   int     // of one user (20),
	MaxClientsPerTenant int     // and of one tenant (1,000)
	MaxConnectRate      float64 // streams begun per second (500)

	CatchUpReaders int // clients that read from Kafka at once, since the ring does not reach back far enough (8)
	CatchUpBytes   int // and what they read per second, all together (20 MB)

	Heartbeat    time.Duration // a comment after so long without an event (15s)
	Retry        time.Duration // after which a browser reconnects, give or take 30% (3s)
	WriteTimeout time.Duration // a client that takes no data for so long is dropped (10s)
	MaxAge       time.Duration // after which a browser is sent to connect anew, give or take 20%, so that new replicas get some (30m)
	Slow         SlowPolicy    // what becomes of a client that was too slow for the ring (catch_up)
	Coalesce     time.Duration // at most one flush per client in this time (5ms)
	Drain        time.Duration // how long streams may take to end on shutdown (10s)

	AllowOrigins  []string // pages of other origins that may read the stream; "*": all, without credentials
	FilterHeaders []string // record headers that clients may filter by, beside type and tenant_id
	MaxEventBytes int      // of a larger record, key and value together, clients are only told where it is (1 MiB)
	Dense         bool     // HTTP/1.1 streams are taken off net/http: a fifth of the memory; who left is noticed at a heartbeat
}

// SlowPolicy says what becomes of a client that was too slow for the ring.
type SlowPolicy string

// The policies for slow clients.
const (
	SlowCatchesUp  SlowPolicy = "catch_up"   // it reads from the log what it missed; if all readers are taken, as gap
	SlowSkips      SlowPolicy = "gap"        // it goes on with what the ring has, and is told what it missed
	SlowReconnects SlowPolicy = "disconnect" // it is sent to come back with its id
)

// Options is Config and the living things.
type Options struct {
	Config
	Source Source
	Member Member
	// Work is done with each record, one after another; an error is tried again. nil: nothing to do.
	Work func(context.Context, tidemark.Record) error
	// WorkBatch instead of Work is done with many records at once: those of one
	// partition in order, those of several partitions at the same time.
	WorkBatch func(context.Context, []tidemark.Record) error
	// Admit says who asks, or why not to answer. nil: everybody is somebody who may see everything.
	Admit   func(*http.Request) (Visitor, error)
	Tickets http.Handler // answers POST /crm-events/ticket. nil: nothing there
	// Find says where the log stood at a time. nil: looking for a time reads the log
	// from its beginning, and there is no warming up.
	Find    func(context.Context, time.Time) ([]tidemark.Position, error)
	Version string       // for the page at /
	Log     *slog.Logger // nil: silent
}

// Visitor is who asks.
type Visitor struct {
	User    string    // for the limit per user; empty: unknown, and not limited
	Tenants []string  // whose events the visitor may see; nil: everybody's
	Until   time.Time // when the visitor's rights end; zero: never
}

// Source is the topic as the data plane reads it: all partitions, without a group.
type Source interface {
	// Look says which topic it is and what its log holds now.
	Look(context.Context) (tidemark.Topic, error)
	// ReadFrom opens a reader at the given positions. Partitions that are not
	// named, also those that are created later, are read from their beginning.
	ReadFrom(context.Context, []tidemark.Position) (Reader, error)
}

// Reader reads on and on.
type Reader interface {
	// Next waits for records, those of a partition in the order of their offsets,
	// transactions' markers among them, so that the end of a log can be told.
	// After an error the next call goes on where this one was.
	Next(context.Context) ([]tidemark.Record, error)
	Close()
}

// Member is a member of the consumer group.
type Member interface {
	// Next waits for records of the partitions that the member owns.
	Next(context.Context) ([]tidemark.Record, error)
	Commit(context.Context, []tidemark.Position) error
	// Owned names the partitions that the member owns now; where it stands there does not matter.
	Owned() []tidemark.Position
}

// Service is the relay of one topic. Make it with [New], serve its [Service.Handler], and [Service.Run] it.
type Service struct {
	o        Options
	ring     *ring
	clients  *clients
	progress *progress
	health   *health
	metrics  *metrics
	pace     *rate.Limiter
	catchUps chan struct{}  // holds one token per client that reads from Kafka
	reads    *rate.Limiter  // and how many bytes they read
	taken    sync.WaitGroup // streams that net/http knows nothing of
	buffers  sync.Pool      // of *[]byte, for those
	batches  sync.Pool      // of *[]*frame, for clients that have something to read
	begun    chan struct{}  // closed when the ring is warm
	draining chan struct{}  // closed when all streams shall end
}

// New checks the options and makes a service that does nothing yet.
func New(o Options) (*Service, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Source == nil || o.Member == nil {
		return nil, errors.New("relay: a source to read and a member to work are needed")
	}
	if o.Work != nil && o.WorkBatch != nil {
		return nil, errors.New("relay: work is done one by one or in batches, not both")
	}
	o.Config = o.withDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		o:        o,
		ring:     newRing(o.Config),
		clients:  newClients(o.Config),
		progress: newProgress(),
		health:   newHealth(o.Log),
		pace:     rate.NewLimiter(rate.Inf, 1),
		catchUps: make(chan struct{}, o.CatchUpReaders),
		reads:    rate.NewLimiter(rate.Limit(o.CatchUpBytes), o.CatchUpBytes),
		buffers:  sync.Pool{New: func() any { return new([]byte) }},
		batches:  sync.Pool{New: func() any { return new([]*frame) }},
		begun:    make(chan struct{}),
		draining: make(chan struct{}),
	}
	if o.WorkRate > 0 {
		s.pace.SetLimit(rate.Limit(o.WorkRate))
	}
	s.metrics = newMetrics(s)
	return s, nil
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Topic == "" || c.Group == "" {
		return errors.New("relay: the topic and the group must be named")
	}
	switch c.Slow {
	case "", SlowCatchesUp, SlowSkips, SlowReconnects:
	default:
		return fmt.Errorf("relay: slow clients can be met with catch_up, gap or disconnect, not with %q", c.Slow)
	}
	least := min(c.CommitInterval, c.RingAge, c.WarmUp, c.Heartbeat, c.Retry, c.WriteTimeout, c.MaxAge, c.Coalesce, c.Drain)
	fewest := min(c.RingBytes, c.RingRecords, c.MaxClients, c.MaxClientsPerIP, c.MaxClientsPerUser, c.MaxClientsPerTenant,
		c.CatchUpReaders, c.MaxEventBytes, c.CatchUpBytes)
	if least < 0 || fewest < 0 || min(c.WorkRate, c.MaxConnectRate) < 0 {
		return errors.New("relay: a rate, time, size or number is negative; leave it out for the usual one")
	}
	return nil
}

// withDefaults fills in the values of events.md section 10.
func (c Config) withDefaults() Config {
	c.CommitInterval = cmp.Or(c.CommitInterval, time.Second)
	c.RingBytes = cmp.Or(c.RingBytes, 64<<20)
	c.RingRecords = cmp.Or(c.RingRecords, 1<<16)
	c.RingAge = cmp.Or(c.RingAge, 15*time.Minute)
	c.WarmUp = cmp.Or(c.WarmUp, 30*time.Second)
	c.MaxClients = cmp.Or(c.MaxClients, 2000)
	c.MaxClientsPerIP = cmp.Or(c.MaxClientsPerIP, 50)
	c.MaxClientsPerUser = cmp.Or(c.MaxClientsPerUser, 20)
	c.MaxClientsPerTenant = cmp.Or(c.MaxClientsPerTenant, 1000)
	c.MaxConnectRate = cmp.Or(c.MaxConnectRate, 500)
	c.MaxEventBytes = cmp.Or(c.MaxEventBytes, 1<<20)
	c.CatchUpBytes = cmp.Or(c.CatchUpBytes, 20_000_000)
	c.CatchUpReaders = cmp.Or(c.CatchUpReaders, 8)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.Retry = cmp.Or(c.Retry, 3*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	c.MaxAge = cmp.Or(c.MaxAge, 30*time.Minute)
	c.Slow = cmp.Or(c.Slow, SlowCatchesUp)
	c.Coalesce = cmp.Or(c.Coalesce, 5*time.Millisecond)
	c.Drain = cmp.Or(c.Drain, 10*time.Second)
	return c
}

// Run reads, works and commits until ctx ends. Then it lets the streams take what
// the ring still has for them, tells the browsers to come back, and commits. The
// caller ends the HTTP server after that, and closes the member.
func (s *Service) Run(ctx context.Context) error {
	var planes sync.WaitGroup
	planes.Go(func() { s.relay(ctx) })
	planes.Go(func() { s.work(ctx) })
	planes.Go(func() { s.keep(ctx) })
	planes.Wait()

	s.ring.showAll()
	close(s.draining)
	if left := s.clients.wait(s.o.Drain); left > 0 {
		s.o.Log.Warn("streams did not end in time", "streams", left, "after", s.o.Drain)
		s.clients.cut()
	}
	s.taken.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Drain)
	defer cancel()
	return s.commit(last)
}

// keep does what is due every commit interval.
func (s *Service) keep(ctx context.Context) {
	tick := time.NewTicker(s.o.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.ring.expireAt(now)
			if err := s.commit(ctx); ctx.Err() == nil {
				s.health.report("commit", err)
			}
		}
	}
}

// settle notes how a call to Kafka or to the work went, and after an error waits
// a second, so that a broken neighbour is not called in a tight loop.
func (s *Service) settle(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.health.report(what, err)
	if err != nil {
		pause(ctx, time.Second)
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
