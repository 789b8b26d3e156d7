package scale

import (
	"context"
	"errors"
	"time"
)

const (
	readEvery = 10 * time.Second // how often a target is asked for its size
	patience  = 30 * time.Second // for one answer, and between two tries of one order
)

// run asks a target for its size and carries out its orders until ctx ends.
func (t *target) run(ctx context.Context, s *Scaler) error {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	tried := time.Time{}
	for {
		s.read(ctx, t)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-t.wake:
			if time.Since(tried) >= patience {
				tried = s.carryOut(ctx, t)
			}
		}
	}
}

// read learns how large a target is, and notices when somebody else changed that.
func (s *Scaler) read(ctx context.Context, t *target) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	size, err := t.changer.Size(bounded)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if t.blind == nil {
			s.Log.Warn("the size of a scale target is not known", "target", t.Name, "err", err)
		}
		t.blind = err
		return
	}
	if t.blind != nil {
		s.Log.Info("the size of a scale target is known again", "target", t.Name, "replicas", size.Replicas)
	}
	t.blind = nil
	if !t.sized.IsZero() && size.Replicas != t.size.Replicas {
		t.changedByOthers(size.Replicas)
		s.Log.Warn("somebody else changed the size of a scale target", "target", t.Name, "from", t.size.Replicas, "to", size.Replicas)
	}
	t.size, t.sized = size, time.Now()
}

// changedByOthers keeps us away for a while; undoing what we did keeps us away for good.
func (t *target) changedByOthers(to int) {
	t.foreign = time.Now()
	if n := len(t.changes); n > 0 && t.changes[n-1].from == to && time.Since(t.changes[n-1].at) < time.Hour {
		t.reverts++
	}
}

// carryOut changes a size, after the journal has the order. It returns when it tried.
func (s *Scaler) carryOut(ctx context.Context, t *target) (tried time.Time) {
	order, due := s.due(t)
	if !due {
		return time.Time{}
	}
	if err := s.Journal.write(Entry{At: time.Now(), Target: t.Name, Order: &order}); err != nil {
		s.Log.Error("a size stays as it is, because the journal cannot be written", "target", t.Name, "err", err)
		return time.Now()
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := t.changer.Change(bounded, order)
	result := Result{Order: order.ID}
	if err != nil {
		result.Error = err.Error()
	}
	if err := s.Journal.write(Entry{At: time.Now(), Target: t.Name, Result: &result}); err != nil {
		s.Log.Error("what came of a change is not in the journal", "target", t.Name, "err", err)
	}
	s.settle(t, order, err)
	return time.Now()
}

// due returns the order that may be carried out at this very moment. A process that
// slept meanwhile acts on nothing it decided before.
func (s *Scaler) due(t *target) (Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch now := time.Now(); {
	case t.order == nil || t.mode == Approve && t.approved != t.order.ID:
		return Order{}, false
	case now.Sub(t.last.At) > believed || !t.fresh(now):
		return Order{}, false
	case t.paused != "" || s.stopped(now) != "":
		return Order{}, false
	case s.Leads != nil && !s.Leads():
		return Order{}, false
	}
	return *t.order, true
}

func (s *Scaler) settle(t *target, o Order, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, ErrConflict):
		t.order = nil
		s.Log.Warn("a change came too late: the size is another meanwhile", "target", t.Name, "from", o.From, "to", o.To)
	case err != nil:
		s.Log.Error("a size could not be changed", "target", t.Name, "from", o.From, "to", o.To, "err", err)
	default:
		t.changed(change{time.Now(), o.From, o.To})
		s.Log.Info("replicas changed", "target", t.Name, "from", o.From, "to", o.To, "because", o.Because)
	}
}

// changed takes in a change of ours.
func (t *target) changed(c change) {
	t.order, t.size.Replicas = nil, c.to
	t.changes = append(t.changes, c)
	for len(t.changes) > 0 && c.at.Sub(t.changes[0].at) > 24*time.Hour {
		t.changes = t.changes[1:]
	}
	if c.to > c.from {
		t.effect.grew(c.at, c.from, c.to, t.consumption)
	}
}

// remember takes in what the journal says of the time before this process.
func (s *Scaler) remember(e Entry) {
	if e.Hand != nil {
		s.takeHand(e.Target, *e.Hand)
		return
	}
	t, found := s.find(e.Target)
	if !found {
		return
	}
	switch {
	case e.Decision != nil:
		t.last, t.shadow = *e.Decision, e.Shadow
	case e.Order != nil:
		t.order = e.Order
	case e.Result != nil && e.Result.Error == "" && t.order != nil && t.order.ID == e.Result.Order:
		t.changed(change{e.At, t.order.From, t.order.To})
	}
}

// takeHand does what a person wants: to one target, or without a name to all.
func (s *Scaler) takeHand(name string, h Hand) {
	t, found := s.find(name)
	switch by := h.By + ": " + h.Why; {
	case h.Did == froze:
		s.frozen = by
	case h.Did == thawed:
		s.frozen = ""
	case !found:
	case h.Did == paused:
		t.paused = by
	case h.Did == resumed:
		t.paused, t.reverts, t.foreign, t.effect = "", 0, time.Time{}, effect{}
	case h.Did == approved:
		t.approved = h.Order
	}
}

// Do writes down what a person wants and does it. It returns an error for a target
// that the configuration does not name and an order that does not wait.
func (s *Scaler) Do(target string, h Hand) error {
	if err := s.mayDo(target, h); err != nil {
		return err
	}
	if err := s.Journal.write(Entry{At: time.Now(), Target: target, Hand: &h}); err != nil && h.Did != froze && h.Did != paused {
		return err // what stops changes works even while the disk does not
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeHand(target, h)
	return nil
}
