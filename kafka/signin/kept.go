package signin

import (
	"context"
	"log/slog"
	"time"
)

// askAgain is how long a credential that could not be renewed is used on before the
// next try.
const askAgain = 10 * time.Second

// credential is something to show and how long it is good for.
type credential[T any] struct {
	value   T
	renew   time.Time // from here on a new one is wanted
	expires time.Time // from here on it is of no use; zero: never
	overdue bool      // it could not be renewed, and that was said
}

// kept is a credential that is fetched when it is needed, kept until it is time for
// a new one, and used on while no new one can be had and the old one is still good.
type kept[T any] struct {
	what  string // for the log
	log   *slog.Logger
	fetch func(ctx context.Context, old *credential[T]) (*credential[T], error) // old is nil the first time
	slot  chan *credential[T]                                                   // of one: whoever holds it is the only one who fetches
}

func keep[T any](what string, log *slog.Logger, fetch func(context.Context, *credential[T]) (*credential[T], error)) *kept[T] {
	k := &kept[T]{what: what, log: log, fetch: fetch, slot: make(chan *credential[T], 1)}
	k.slot <- nil
	return k
}

func (k *kept[T]) get(ctx context.Context) (value T, err error) {
	var now *credential[T]
	select {
	case now = <-k.slot:
	case <-ctx.Done():
		return value, ctx.Err()
	}
	now, err = k.current(ctx, now)
	k.slot <- now
	if err == nil {
		value = now.value
	}
	return value, err
}

func (k *kept[T]) current(ctx context.Context, old *credential[T]) (*credential[T], error) {
	if old != nil && time.Now().Before(old.renew) {
		return old, nil
	}
	fresh, err := k.fetch(ctx, old)
	if err == nil {
		return fresh, nil
	}
	if old == nil || !old.expires.IsZero() && !time.Now().Before(old.expires) {
		return old, err
	}
	if !old.overdue {
		k.log.Warn("credentials could not be renewed; the old ones are used while they are good", "what", k.what, "err", err)
	}
	old.overdue, old.renew = true, time.Now().Add(askAgain)
	return old, nil
}
