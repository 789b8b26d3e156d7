package outbox

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/aetherlink/tidemark"
)

// Allowance is what consumers can bear.
type Allowance struct {
	EventsPerSecond float64       // +Inf: as much as you like
	GoodFor         time.Duration // after that it says nothing any more
}

// pace is two buckets of tokens, one for events and one for bytes. Each holds
// what a second brings.
type pace struct {
	setting float64 // events per second
	largest int     // bytes of one record

	mu        sync.Mutex
	events    *rate.Limiter
	bytes     *rate.Limiter
	allowance float64
	goodUntil time.Time
	throttled time.Duration // waited for tokens, in sum over the shards
}

func newPace(c Config) *pace {
	p := &pace{setting: orInf(c.EventsPerSecond), largest: c.MaxBytes, events: rate.NewLimiter(rate.Inf, 1), bytes: rate.NewLimiter(rate.Inf, 1)}
	p.set(p.events, p.setting, 1)
	p.set(p.bytes, orInf(c.BytesPerSecond), p.largest)
	return p
}

func orInf(perSecond float64) float64 {
	if perSecond == 0 {
		return math.Inf(1)
	}
	return perSecond
}

// set changes a bucket. It must be able to hold the largest thing there is.
func (p *pace) set(bucket *rate.Limiter, perSecond float64, largest int) {
	if math.IsInf(perSecond, 1) {
		bucket.SetLimit(rate.Inf)
		return
	}
	bucket.SetLimit(rate.Limit(perSecond))
	bucket.SetBurst(max(largest, int(perSecond)))
}

// take waits until the first of the records may go, and returns as many as may go
// with it: a tenth of a second's worth, so that the shards take turns.
func (p *pace) take(ctx context.Context, records []tidemark.Record) ([]tidemark.Record, error) {
	for {
		now := time.Now()
		n, wait := p.ask(now, records)
		if n > 0 {
			return records[:n], nil
		}
		pause(ctx, wait)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p.mu.Lock()
		p.throttled += time.Since(now)
		p.mu.Unlock()
	}
}

// ask takes tokens for as many records as it returns; for none, it says when to
// ask again: within a second, since the limit may have changed by then.
func (p *pace) ask(now time.Time, records []tidemark.Record) (n int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit, _ := p.limit(now)
	p.set(p.events, limit, 1)
	n, bytes := portion(records, limit/10, float64(p.bytes.Limit())/10)
	if lack := max(lacks(p.events, now, n), lacks(p.bytes, now, bytes)); lack > 0 {
		return 0, min(jitter(lack), time.Second)
	}
	p.events.AllowN(now, n)
	p.bytes.AllowN(now, bytes)
	return n, 0
}

// portion is the records up to the given numbers, at least one.
func portion(records []tidemark.Record, most, mostBytes float64) (n, bytes int) {
	for _, r := range records {
		size := len(r.Key) + len(r.Value) + overhead
		if n > 0 && (float64(n+1) > most || float64(bytes+size) > mostBytes) {
			break
		}
		n, bytes = n+1, bytes+size
	}
	return n, bytes
}

// lacks is how long it takes until a bucket holds n tokens.
func lacks(bucket *rate.Limiter, now time.Time, n int) time.Duration {
	if bucket.Limit() == rate.Inf {
		return 0
	}
	missing := float64(n) - bucket.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	if bucket.Limit() == 0 {
		return time.Second
	}
	return max(time.Millisecond, time.Duration(min(missing/float64(bucket.Limit()), 1)*float64(time.Second)))
}

// limit is the events per second that hold now, and who set them. An allowance
// that is too old limits nothing: whoever gave it may be gone.
func (p *pace) limit(now time.Time) (perSecond float64, by string) {
	switch {
	case now.Before(p.goodUntil) && p.allowance < p.setting:
		return p.allowance, "pressure"
	case !math.IsInf(p.setting, 1):
		return p.setting, "setting"
	}
	return math.Inf(1), "none"
}

// obey asks how much consumers can bear, again and again.
func (r *Relay) obey(ctx context.Context) {
	const again = 5 * time.Second // without an answer
	for ctx.Err() == nil {
		wait := again
		a, err := r.o.Pressure(ctx)
		if err == nil && (!(a.EventsPerSecond >= 0) || a.GoodFor <= 0) {
			err = fmt.Errorf("an allowance of %v events/s for %v", a.EventsPerSecond, a.GoodFor)
		}
		if err == nil {
			wait = min(again, a.GoodFor/3)
			r.pace.allow(a, time.Now())
		} else if ctx.Err() == nil {
			r.metrics.pressureErrors.Inc()
		}
		r.health.report("asking for the pressure", err)
		pause(ctx, jitter(wait))
	}
}

func (p *pace) allow(a Allowance, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowance, p.goodUntil = a.EventsPerSecond, now.Add(a.GoodFor)
}
