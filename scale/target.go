package scale

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/policy"
)

// target is one target and what was learnt of it.
type target struct {
	Target
	mode     Mode
	policy   policy.Policy
	pipeline tidemark.Pipeline
	changer  Changer // nil: the size is only said
	freezes  []Freeze

	size        Size
	sized       time.Time // when size was read; zero: never
	blind       error     // why it could not be read last; nil: it could
	desired     int       // 0: nothing was decided yet
	paused      string    // by whom and why; empty: not
	changes     []change  // ours, of the last day, oldest first
	foreign     time.Time // when somebody else changed the size last
	reverts     int       // how often somebody undid what we did
	order       *Order    // under way, or waiting for approval
	approved    string    // the order that a person agreed to
	effect      effect
	shadow      shadow
	last        tidemark.Decision // the latest
	consumption tidemark.Rate     // of the latest look that was beyond doubt
	wake        chan struct{}     // an order may be carried out
}

// What comes of a decision.
const (
	Held        = "held"        // the size is right, or must not change now
	Recommended = "recommended" // said, and nobody acts on it here
	Waiting     = "waiting"     // for somebody's approval
	Ordered     = "ordered"     // being carried out
)

// change is a size that we changed.
type change struct {
	at       time.Time
	from, to int
}

// How long what was read of a target may be believed, and how long the scaler
// stays away from a size that somebody else has changed (capacity.md 5.3).
const (
	believed = time.Minute
	backOff  = 15 * time.Minute
)

func (s *Scaler) openTarget(c Target) (*target, error) {
	c.Min, c.ActionsPerHour = max(c.Min, 1), cmp.Or(c.ActionsPerHour, 6)
	c.Shadow = cmp.Or(c.Shadow, 24*time.Hour)
	general := cmp.Or(s.Mode, Recommend)
	t := &target{Target: c, mode: lesser(general, cmp.Or(c.Mode, general)), freezes: s.Freezes, wake: make(chan struct{}, 1)}
	if !s.Journal.kept && t.mode != Observe && t.mode != Recommend {
		s.Log.Warn("a scale target may not be changed without a directory for the journal; give --data-dir", "target", t.Name)
		t.mode = Recommend
	}
	if s.Options.Pipeline != nil {
		t.pipeline = s.Options.Pipeline(c.Cluster, c.Group)
	}
	t.policy = policy.New(policy.Options{Target: t.pipeline.Target, TimeLag: t.pipeline.Thresholds.TimeLag})
	if c.Policy == "seed" {
		t.policy = new(policy.Seed)
	}
	open := s.Changer
	if open == nil {
		open = func(c Target) (Changer, error) { return c.Outlet.Open() }
	}
	var err error
	t.changer, err = open(c)
	return t, err
}

// decide is asked once per look. known is false before anything is known of the size.
func (t *target) decide(v *tidemark.View, stop string) (d tidemark.Decision, known bool) {
	sight, doubt := t.see(v)
	d = tidemark.Decision{
		At: v.At, Target: t.Name, Cluster: t.Cluster, Group: t.Group,
		Mode: string(t.mode), Policy: cmp.Or(t.Policy, "tidemark"), Present: t.present(v.At, sight, doubt),
	}
	if t.desired == 0 {
		if d.Present < 0 {
			return d, false
		}
		t.desired = d.Present
	}
	sight.Wanted = t.desired
	d.Wanted, d.Because = t.desired, doubt
	if doubt == "" {
		asked := t.policy.Decide(sight)
		d.Wanted, d.Because = asked.Replicas, asked.Because
		t.effect.observe(v.At, sight)
		t.consumption = sight.Estimate.Consumption
	}
	stop = cmp.Or(t.pausedWhy(), stop)
	d.Desired, d.Held = t.bound(v, sight, d, stop, doubt)
	t.shadow.observe(d, sight, cmp.Or(doubt, stop) == "", t.Shadow)
	t.desired = d.Desired
	t.carry(&d)
	return d, true
}

func (t *target) pausedWhy() string {
	if t.paused == "" {
		return ""
	}
	return "paused: " + t.paused
}

// see is what a policy may see, or why nothing must follow from this look.
func (t *target) see(v *tidemark.View) (s policy.Sight, doubt string) {
	s = policy.Sight{At: v.At, Limits: policy.Limits{Min: t.Min, Max: t.Max}}
	o, found := v.Observation(t.Cluster)
	switch {
	case !found || o.Snapshot == nil:
		return s, fmt.Sprintf("cluster %s was not seen yet", t.Cluster)
	case o.Failed != nil:
		return s, fmt.Sprintf("cluster %s is out of sight: %v", t.Cluster, o.Failed)
	}
	group, found := o.Snapshot.Group(t.Group)
	if !found {
		return s, fmt.Sprintf("group %s was not seen", t.Group)
	}
	s.Group, s.Rows = group, o.Snapshot.Of(t.Group)
	s.Estimate, _ = o.Estimate(t.Group)
	s.Consumed, s.Arrived = s.Estimate.Consumption.PerSecond, s.Estimate.Arrivals.PerSecond
	s.Ready = len(group.Members)
	if t.fresh(v.At) && t.size.Ready >= 0 {
		s.Ready = t.size.Ready
	}
	if group.Reason.Blinds() {
		return s, fmt.Sprintf("group %s was not seen: %s", t.Group, group.Reason)
	}
	if l := s.Estimate.Lag; !l.Complete {
		return s, fmt.Sprintf("%d of %d partitions are not known", l.Missing+l.Uncommitted, l.Partitions)
	}
	return s, ""
}

func (t *target) fresh(at time.Time) bool { return !t.sized.IsZero() && at.Sub(t.sized) < believed }

// present is how many replicas there are: as the target says, or where it cannot be
// asked as many as the group has members. -1: not known.
func (t *target) present(at time.Time, s policy.Sight, doubt string) int {
	switch {
	case t.changer == nil && doubt == "":
		return len(s.Group.Members)
	case t.changer != nil && t.fresh(at):
		return t.size.Replicas
	}
	return -1
}

// carry says what comes of a decision, and makes an order of it where that is due.
func (t *target) carry(d *tidemark.Decision) {
	if d.Present < 0 || d.Desired == d.Present {
		t.order = nil
		d.Outcome = Held
		return
	}
	d.Outcome = Recommended
	if t.changer == nil || t.mode == Observe || t.mode == Recommend {
		return
	}
	if why := t.locked(d.At); why != "" {
		d.Held = append(d.Held, why)
		return
	}
	if t.order == nil || t.order.From != d.Present || t.order.To != d.Desired {
		t.order = &Order{
			ID:     fmt.Sprintf("%s-%s-%d-%d", t.Name, d.At.UTC().Format("20060102T150405.000"), d.Present, d.Desired),
			Target: t.Name, Group: t.Group, From: d.Present, To: d.Desired,
			Because: d.Because, Version: t.size.Version, At: d.At,
		}
	}
	d.Order, d.Outcome = t.order.ID, Ordered
	if t.mode == Approve && t.approved != t.order.ID {
		d.Outcome = Waiting
		return
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// told says whether a decision says something new, which the journal must have.
func (t *target) told(d tidemark.Decision) bool {
	l := t.last
	t.last = d
	return d.Present != l.Present || d.Wanted != l.Wanted || d.Desired != l.Desired || d.Outcome != l.Outcome ||
		d.Order != l.Order || len(d.Held) != len(l.Held)
}

func (t *target) changesSince(from time.Time) (n int) {
	for _, c := range t.changes {
		if c.at.After(from) {
			n++
		}
	}
	return n
}

// lastChange is when we changed the size last, upwards or downwards.
func (t *target) lastChange(up bool) time.Time {
	for _, c := range slices.Backward(t.changes) {
		if (c.to > c.from) == up {
			return c.at
		}
	}
	return time.Time{}
}
