package scale

import (
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/policy"
)

// bound is the size within all bounds, with each that was in the way. In doubt, and
// while something stops all changes, the size stays; it never falls.
func (t *target) bound(v *tidemark.View, s policy.Sight, d tidemark.Decision, stop, doubt string) (n int, held []string) {
	base := t.desired // from which it would change
	if d.Present >= 0 {
		base = d.Present
	}
	n = d.Wanted
	limit := func(to int, why string) {
		if to != n {
			held = append(held, fmt.Sprintf("%d instead of %d: %s", to, n, why))
			n = to
		}
	}
	if stop != "" {
		limit(base, stop)
		return n, held
	}
	if doubt != "" {
		limit(max(n, base), "nothing shrinks in doubt")
	}
	highest, why := t.highest(s)
	limit(min(n, highest), why)
	lowest, why := t.lowest(v.At)
	limit(max(n, lowest), why)
	switch {
	case n > base:
		if why := t.notMore(v.At, s); why != "" {
			limit(base, why)
		}
	case n < base:
		if why := t.notFewer(v, s, doubt); why != "" {
			limit(base, why)
		}
	}
	if t.Step > 0 {
		limit(max(min(n, base+t.Step), base-t.Step), fmt.Sprintf("at most %d at once", t.Step))
	}
	return n, held
}

// highest is the largest size that may be. More replicas than partitions only wait.
func (t *target) highest(s policy.Sight) (n int, why string) {
	if r := s.Estimate.Replicas; r.Known && r.Useful > 0 && r.Useful < t.Max {
		return max(r.Useful, t.Min), fmt.Sprintf("more than %d replicas have nothing to read: the partitions are fewer", r.Useful)
	}
	return t.Max, fmt.Sprintf("max is %d", t.Max)
}

// lowest is the smallest size that may be now.
func (t *target) lowest(at time.Time) (n int, why string) {
	n, why = t.Min, fmt.Sprintf("min is %d", t.Min)
	for _, p := range t.Schedule {
		if p.Min > n && p.When.holds(at) {
			n, why = p.Min, fmt.Sprintf("at least %d until %s: %s", p.Min, p.When.To, p.Name)
		}
	}
	return n, why
}

// notMore says why the size must not grow now; empty: it may.
func (t *target) notMore(at time.Time, s policy.Sight) string {
	if why := t.notAtAll(at); why != "" {
		return why
	}
	if rested := at.Sub(t.lastChange(true)); rested < t.Rest.Up {
		return fmt.Sprintf("grown %s ago, and rest.up is %s", rested.Round(time.Second), t.Rest.Up)
	}
	return t.effect.useless(s)
}

// notFewer says why the size must not shrink now; empty: it may.
func (t *target) notFewer(v *tidemark.View, s policy.Sight, doubt string) string {
	if why := t.notAtAll(v.At); why != "" {
		return why
	}
	if rested := v.At.Sub(t.lastChange(false)); rested < t.Rest.Down {
		return fmt.Sprintf("shrunk %s ago, and rest.down is %s", rested.Round(time.Second), t.Rest.Down)
	}
	switch {
	case doubt != "":
		return doubt
	case s.Group.Rebalancing():
		return "partitions are changing hands"
	}
	for _, f := range t.freezes {
		if f.Only == "down" && f.When.holds(v.At) {
			return fmt.Sprintf("nothing shrinks for %s until %s", f.Name, f.When.To)
		}
	}
	for _, a := range v.Alerts {
		if a.State == tidemark.AlertFiring && a.Labels["cluster"] == t.Cluster && a.Labels["consumergroup"] == t.Group {
			return "nothing shrinks while " + a.Name + " fires"
		}
	}
	return ""
}

// notAtAll says what forbids either direction.
func (t *target) notAtAll(at time.Time) string {
	away := at.Sub(t.foreign)
	switch {
	case t.reverts >= 2:
		return "somebody changed the size back twice; tidemark scale resume lets it try again"
	case !t.foreign.IsZero() && away < backOff:
		return fmt.Sprintf("somebody else changed the size %s ago", away.Round(time.Second))
	case t.size.Owner != "":
		return t.size.Owner + " sets this size"
	case t.size.Rolling:
		return "a deploy is under way"
	case t.changesSince(at.Add(-time.Hour)) >= t.ActionsPerHour:
		return fmt.Sprintf("the budget of %d changes an hour is spent", t.ActionsPerHour)
	}
	return ""
}
