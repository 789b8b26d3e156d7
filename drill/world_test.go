package drill_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/drill"
)

// world is a consumer group in fluid arithmetic, one second at a time: two
// records a second arrive on three partitions, a consumer works off 2.7 a second
// of what it owns, every five seconds somebody looks and evaluates the rules.
type world struct {
	speed     float64
	at        time.Time // simulated so far
	looked    time.Time
	lag       [3]float64
	moved     [3]time.Time // when a commit last moved
	hot       bool         // what is published goes to partition 2 alone
	extra     float64      // published per second
	consumers int
	before    int // consumers before Stop
	frozen    map[int32]bool
	alerts    map[string]tidemark.Alert
	sight     drill.Sight

	did    []drill.Verb
	broken error                // what Do answers
	see    func(s *drill.Sight) // spoils what is seen
}

func newWorld(speed float64) *world {
	now := time.Now()
	return &world{
		speed: speed, at: now, consumers: 1, before: 1, frozen: map[int32]bool{}, alerts: map[string]tidemark.Alert{},
		moved: [3]time.Time{now, now, now}, see: func(*drill.Sight) {},
	}
}

const (
	arrivals = 2.0 // records per second
	capacity = 2.7 // records per second and consumer
)

func (w *world) Do(ctx context.Context, a drill.Action) error {
	w.advance()
	w.did = append(w.did, a.Verb)
	if w.broken != nil {
		return w.broken
	}
	switch a.Verb {
	case drill.Stop:
		w.before, w.consumers = w.consumers, 0
	case drill.Start:
		if w.consumers == 0 {
			w.consumers = w.before
		}
	case drill.Scale:
		w.consumers = a.Count
	case drill.Freeze:
		w.frozen[a.Partition] = true
	case drill.Thaw:
		delete(w.frozen, a.Partition)
	case drill.Publish:
		return w.publish(ctx, a)
	default:
		return errors.New("unknown verb")
	}
	return nil
}

func (w *world) publish(ctx context.Context, a drill.Action) error {
	w.hot, w.extra = a.Key != "", float64(a.Count)/(a.Over.Seconds()*w.speed)
	select {
	case <-ctx.Done():
	case <-time.After(a.Over):
	}
	w.advance()
	w.hot, w.extra = false, 0
	return ctx.Err()
}

func (w *world) Look(context.Context) (drill.Sight, error) {
	w.advance()
	s := w.sight
	w.see(&s)
	return s, nil
}

// advance simulates up to now. A simulated second is shorter in a fast world.
func (w *world) advance() {
	second := time.Duration(float64(time.Second) / w.speed)
	for !w.at.Add(second).After(time.Now()) {
		w.at = w.at.Add(second)
		w.second()
		if w.at.Sub(w.looked) >= 5*second {
			w.looked = w.at
			w.look()
		}
	}
}

func (w *world) second() {
	for i := range w.lag {
		w.lag[i] += arrivals / 3
		if !w.hot {
			w.lag[i] += w.extra / 3
		}
	}
	if w.hot {
		w.lag[2] += w.extra
	}
	for c := range w.consumers {
		w.work(c)
	}
}

// work lets consumer c work for a second on the partitions it owns.
func (w *world) work(c int) {
	budget := capacity
	for i := c; i < len(w.lag) && budget > 0; i += w.consumers {
		if w.frozen[int32(i)] {
			continue
		}
		done := min(budget, w.lag[i])
		w.lag[i], budget = w.lag[i]-done, budget-done
		w.moved[i] = w.at
	}
}

// look takes a sight: what a daemon would say of this group, without noise.
func (w *world) look() {
	total := tidemark.Total{Complete: true, Partitions: 3}
	hottest := 0.0
	for _, l := range w.lag {
		total.Records += int64(math.Round(l))
		hottest = max(hottest, l)
	}
	lag := float64(total.Records)
	e := tidemark.Estimate{Group: "crm-events-sse", State: tidemark.Growing, Lag: total}
	e.ReplicaCapacity = tidemark.Rate{PerSecond: capacity * w.speed, Known: true}
	e.Replicas = tidemark.Replicas{Have: w.consumers, Needed: int(math.Ceil((arrivals + lag/600) / (0.7 * capacity))), Useful: 3, Known: true}
	if lag > 0 {
		e.Skew = hottest / (lag / 3)
	}
	net := capacity*float64(w.consumers) - arrivals - w.extra
	switch {
	case w.consumers == 0:
		e.State = tidemark.Stopped
	case lag <= 10:
		e.State = tidemark.CaughtUp
	case net > 0 && len(w.frozen) == 0:
		e.State = tidemark.Draining
		p50 := time.Duration((lag - 10) / net / w.speed * float64(time.Second))
		e.Drain = tidemark.Drain{P10: p50 * 9 / 10, P50: p50, P90: p50 * 11 / 10, Known: true}
	}
	for i := range int32(3) {
		p := tidemark.PartitionEstimate{Topic: "aetherlink.events", ID: i, State: e.State}
		if w.frozen[i] {
			p.State, p.Reason = tidemark.Stalled, tidemark.Stuck
		}
		e.Partitions = append(e.Partitions, p)
	}
	w.evaluate(lag)
	w.sight = drill.Sight{At: w.at, Estimate: e, Members: w.consumers, MembersKnown: true}
	for a := range maps.Values(w.alerts) {
		w.sight.Alerts = append(w.sight.Alerts, a)
	}
}

func (w *world) evaluate(lag float64) {
	stuck := false
	for i := range w.lag {
		stuck = stuck || w.frozen[int32(i)] && w.at.Sub(w.moved[i]) > w.hurried(10*time.Minute)
	}
	w.rule("CrmEventsConsumerLagHigh", lag > 500, 5*time.Minute)
	w.rule("CrmEventsServiceDown", w.consumers == 0, 2*time.Minute)
	w.rule("CrmEventsUnderReplicatedConsumers", w.consumers < 2, 7*time.Minute)
	w.rule("CrmEventsPartitionStuck", stuck, 10*time.Minute)
}

// rule keeps one alert as Prometheus would.
func (w *world) rule(name string, holds bool, lasting time.Duration) {
	a, active := w.alerts[name]
	switch {
	case !holds && active && a.State == tidemark.AlertFiring:
		a.State, a.ResolvedAt = tidemark.AlertResolved, w.at
	case !holds && a.State != tidemark.AlertResolved:
		delete(w.alerts, name)
		return
	case holds && a.State != tidemark.AlertPending && a.State != tidemark.AlertFiring:
		a = tidemark.Alert{Name: name, State: tidemark.AlertPending, ActiveSince: w.at}
	}
	if a.State == tidemark.AlertPending && w.at.Sub(a.ActiveSince) >= w.hurried(lasting) {
		a.State, a.FiredAt = tidemark.AlertFiring, w.at
	}
	if a.Name != "" {
		w.alerts[name] = a
	}
}

func (w *world) hurried(d time.Duration) time.Duration {
	return time.Duration(float64(d) / w.speed)
}
