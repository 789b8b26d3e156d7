package outbox

import (
	"context"
	"sync"
	"time"
)

// How long the brokers are left alone when they fail, at first and at most.
const (
	firstRest = time.Second
	maxRest   = 30 * time.Second
)

// breaker leaves the brokers alone when they fail or are silent. After a rest it
// lets one record through; if that is acknowledged, all may go on. What is
// already on its way stays there: to take it back and send it again would be to
// publish it twice.
type breaker struct {
	after int // so many failures in a row open it

	mu       sync.Mutex
	failures int
	open     bool
	probing  bool // one is on its way
	rest     time.Duration
	until    time.Time
	changed  chan struct{} // closed at each change, and made anew
}

func newBreaker(after int) *breaker {
	return &breaker{after: after, rest: firstRest, changed: make(chan struct{})}
}

// enter waits until one may publish. A probe is to be one record.
func (b *breaker) enter(ctx context.Context) (probe bool, err error) {
	for {
		may, probe, wait, changed := b.ask(time.Now())
		if may {
			return probe, ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
}

func (b *breaker) ask(now time.Time) (may, probe bool, wait time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return true, false, 0, nil
	case b.probing:
		return false, false, maxRest, b.changed
	case now.Before(b.until):
		return false, false, b.until.Sub(now), b.changed
	}
	b.probing = true
	return true, true, 0, nil
}

// leave notes how it went. Any answer of the brokers shows that they are there.
func (b *breaker) leave(probe, answered bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	if answered {
		b.failures, b.open, b.rest = 0, false, firstRest
		b.change()
		return
	}
	if b.failures++; probe || b.failures >= b.after {
		b.rests()
	}
}

// trip opens it, since the brokers have been silent for too long. A probe that
// hangs must not keep the next one from trying.
func (b *breaker) trip() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	b.rests()
}

func (b *breaker) rests() {
	b.open = true
	b.until = time.Now().Add(jitter(b.rest))
	b.rest = min(2*b.rest, maxRest)
	b.change()
}

func (b *breaker) change() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// state is 0 while closed, 1 while a probe is on its way, 2 while open.
func (b *breaker) state() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return 0
	case b.probing:
		return 1
	}
	return 2
}
