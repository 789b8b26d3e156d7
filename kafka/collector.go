package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/aetherlink/tidemark"
)

const (
	// keepMetadata is how long topics, leaders and brokers are believed before
	// they are asked for again, unless an answer shows earlier that they changed.
	keepMetadata = 30 * time.Second
	// keepUnseen is how long a group that nobody lists stays in snapshots with its
	// last known commits while some broker does not answer, and a broker that left
	// stays as one that is down: longer than a broker takes to restart.
	keepUnseen = 10 * time.Minute
)

// Collector looks at one cluster, again and again. It remembers what it saw last,
// so that a broker that stops answering takes nothing away but freshness.
type Collector struct {
	client   *kgo.Client
	name     string
	deadline time.Duration
	choose   struct{ groups, topics filter }
	mine     func(group string) bool
	foreign  func() []Foreign
	sent     requestCounter

	cluster cluster
	groups  map[string]*group // by name
	looks   int               // so far
}

// Open returns a collector. The cluster need not be up yet.
func Open(o Options) (*Collector, error) {
	opts, err := o.ClientOptions()
	if err != nil {
		return nil, err
	}
	c := &Collector{name: o.Name, deadline: o.deadline(), mine: o.Mine, foreign: o.Foreign, groups: map[string]*group{}}
	if c.choose.groups, err = o.Groups.compile(); err != nil {
		return nil, err
	}
	if c.choose.topics, err = o.Topics.compile(); err != nil {
		return nil, err
	}
	// OffsetFetch from version 10 on names topics by id only; ids are no help
	// where a topic was made anew, and version 9 has all we ask for.
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.OffsetFetch.Int16(), 9)
	c.client, err = kgo.NewClient(append(opts,
		kgo.MaxVersions(versions),
		kgo.RequestTimeoutOverhead(c.deadline),
		kgo.RetryTimeout(c.deadline),
		kgo.RequestRetries(1),
		kgo.WithHooks(&c.sent),
	)...)
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", o.Name, err)
	}
	return c, nil
}

// Close ends all connections.
func (c *Collector) Close() { c.client.Close() }

// Snapshot looks at the cluster once. What could not be seen is in the snapshot's
// Gaps, and what it would have replaced stays as last seen, with a reason. The
// error is for a look that saw nothing at all. One look at a time: Snapshot is
// not safe for concurrent use.
//
// A look takes five round trips, and the deadline more when a broker hangs.
func (c *Collector) Snapshot(ctx context.Context) (*tidemark.Snapshot, error) {
	l := &look{Collector: c, began: time.Now()}
	c.looks++
	if l.began.Sub(c.cluster.at) >= keepMetadata || c.cluster.stale {
		l.refresh(ctx)
	}
	if len(c.cluster.brokers) == 0 {
		return nil, fmt.Errorf("cluster %q: look: %w", c.name, explain(l.refreshFailed))
	}
	l.meetBrokers()

	// Commits are read before log ends: the other order gives negative lags on a
	// busy topic.
	l.each(ctx, l.readGroups)
	l.readForeign()
	if l.anyDown() || l.moved.Load() || l.anyVanished() {
		l.refresh(ctx)
		l.each(ctx, l.readGroups) // of brokers that are new
		l.each(ctx, l.readRefused)
	}
	l.forgetGroups()
	l.resolve(ctx, l.unknownTopics())
	l.readLogs(ctx)
	l.confirmCuts(ctx)
	l.readConfigs(ctx)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cluster %q: look: %w", c.name, err)
	}
	if err := l.allDown(); err != nil {
		return nil, fmt.Errorf("cluster %q: look: %w", c.name, explain(err))
	}
	return l.snapshot(), nil
}

// look is one look at the cluster.
type look struct {
	*Collector
	began         time.Time
	brokers       []*broker
	refreshed     bool
	refreshFailed error
	moved         atomic.Bool // an answer said that somebody else is in charge

	mu   sync.Mutex // while brokers are asked: guards gaps, claims, and who failed
	gaps []tidemark.Gap
}

// broker is one broker during one look.
type broker struct {
	tidemark.Broker
	spent  time.Duration // of its deadline
	failed error         // it did not answer: not asked again in this look
	asked  bool          // for its groups
	listed bool          // it told all its groups
}

// meetBrokers takes up whoever the metadata names and the look does not know yet.
func (l *look) meetBrokers() {
	for _, b := range l.cluster.brokers {
		if l.broker(b.ID) == nil {
			l.brokers = append(l.brokers, &broker{Broker: b})
		}
	}
}

func (l *look) broker(id int32) *broker {
	i := slices.IndexFunc(l.brokers, func(b *broker) bool { return b.ID == id })
	if i < 0 {
		return nil
	}
	return l.brokers[i]
}

// each lets every broker that still answers do its part, all at the same time,
// each with what is left of its own deadline.
func (l *look) each(ctx context.Context, part func(context.Context, *broker)) {
	var all sync.WaitGroup
	for _, b := range l.brokers {
		if b.failed != nil || b.spent >= l.deadline {
			continue
		}
		all.Go(func() {
			began := time.Now()
			ctx, cancel := context.WithTimeout(ctx, l.deadline-b.spent)
			defer cancel()
			part(ctx, b)
			b.spent += time.Since(began)
		})
	}
	all.Wait()
}

// ask sends one request to one broker. A broker that fails is left alone until
// the next look: whoever asks stops at the first error. One that does not know the
// question has not failed.
func (l *look) ask(ctx context.Context, b *broker, req kmsg.Request) (kmsg.Response, error) {
	resp, err := l.client.Broker(int(b.ID)).RetriableRequest(ctx, req)
	if err == nil {
		return resp, nil
	}
	failed := fmt.Errorf("%s on broker %d at %s: %w", kmsg.NameForKey(req.Key()), b.ID, b.Address, err)
	if tooOld(err) {
		l.gap(tidemark.Unreachable, failed, "answers of broker %d", b.ID)
		return nil, failed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.failed == nil {
		b.failed = failed
	}
	return nil, failed
}

// tooOld says whether the client did not send a request because the broker has
// told that it does not know it. The client has no name for that error.
func tooOld(err error) bool { return strings.HasPrefix(err.Error(), "broker is too old") }

func (l *look) gap(reason tidemark.Reason, err error, format string, what ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = append(l.gaps, tidemark.Gap{What: fmt.Sprintf(format, what...), Reason: reason, Err: explain(err)})
}

func (l *look) anyDown() bool {
	return slices.ContainsFunc(l.brokers, func(b *broker) bool { return b.failed != nil })
}

// allDown returns why nobody answered, or nil if somebody did.
func (l *look) allDown() error {
	var errs []error
	for _, b := range l.brokers {
		if b.failed == nil {
			return nil
		}
		errs = append(errs, b.failed)
	}
	return errors.Join(errs...)
}

// requestCounter counts what goes over the wire, by API.
type requestCounter struct{ byKey [128]atomic.Int64 }

// OnBrokerWrite is kgo's hook for a request written.
func (r *requestCounter) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil && key >= 0 && int(key) < len(r.byKey) {
		r.byKey[key].Add(1)
	}
}

// counts is what was sent so far, by API in alphabetical order.
func (r *requestCounter) counts() []tidemark.RequestCount {
	var counts []tidemark.RequestCount
	for key := range r.byKey {
		if n := r.byKey[key].Load(); n > 0 {
			counts = append(counts, tidemark.RequestCount{API: kmsg.NameForKey(int16(key)), N: n})
		}
	}
	slices.SortFunc(counts, func(a, b tidemark.RequestCount) int { return cmp.Compare(a.API, b.API) })
	return counts
}
