package policy

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// Options say what a group is sized for. The zero value works.
type Options struct {
	Target  tidemark.Target
	TimeLag time.Duration // how old the oldest unread record may become; 0: 5 minutes
}

// Tidemark is our policy. It sizes by capacity: what arrives, over what a replica
// has shown it can do, for the busiest replica as the assignor deals out partitions.
//
// Who plans a size that stands for weeks leaves a reserve: 30 % of each replica, unless
// the target says otherwise. Who looks every few seconds and has replicas after a
// minute needs less, and keeps four tenths of that reserve (docs/adr/0051).
//
// It grows when half of what it keeps is gone on the busiest replica, or when a
// backlog would not be gone in time, and then goes at once to the size that keeps it
// all. It shrinks when a smaller size would have done for ten minutes, longer where
// loads came back soon after it had shrunk, while nothing is behind and nothing
// changed lately. In between it holds, so that no load can make it swing; and it
// holds while anything is not known.
//
// With a reserve of 30 %: it fills replicas to 88 %, and grows at 94 %.
// Source: capacity.md 2.6 and 2.8.
type Tidemark struct {
	options Options
	filled  float64 // how much of a replica a size is chosen to use
	load    load
	able    ability
	tried   bool // a replica was seen with more to do than it could
	grew    time.Time
	shrank  time.Time
	regrets [2]time.Time  // when it grew soon after it had shrunk, the latest last
	calm    time.Duration // for how long a smaller size must have sufficed
	stirred time.Time     // when that changed last
	members int
	settled time.Time // when the members changed last
	vain    time.Time // when it last showed that more replicas read no more
}

// The rest between changes, and how long the past must have allowed a smaller
// size. Source: capacity.md 2.8.
const (
	restAfterGrowth = 15 * time.Minute
	restAfterShrink = 10 * time.Minute
	leastCalm       = 10 * time.Minute // that a smaller size must have sufficed
	mostCalm        = 60 * time.Minute // the same, where loads come back
	forgiven        = 4 * time.Hour    // until a size chosen too small counts half
	quiet           = 90 * time.Second // after a rebalance, until rates are those since then
	lead            = 90 * time.Second // until replicas that are asked for now take part
	few             = 4                // replicas of which none is spared to try what one can do
	vainFor         = 30 * time.Minute // after more replicas read no more, until more are tried again
	kept            = 0.4              // of the reserve that a plan leaves
	worthwhile      = 0.34             // of the replicas; less saved is not worth a rebalance, as one of three or two of six
	beyondShown     = 1.1              // how far beyond what a replica has shown all are tried
)

// rounding is what sums of floats in different order may differ by.
const rounding = 1e-9

// New returns a policy that has seen nothing yet.
func New(o Options) *Tidemark {
	o.Target = capacity.WithDefaults(o.Target)
	o.TimeLag = cmp.Or(o.TimeLag, 5*time.Minute)
	return &Tidemark{options: o, filled: 1 - kept*(1-o.Target.Utilisation), calm: leastCalm}
}

// Decide implements [Policy].
func (p *Tidemark) Decide(s Sight) Decision {
	if n := len(s.Group.Members); n != p.members || s.Group.Rebalancing() {
		p.members, p.settled = n, s.At
	}
	hold := Decision{Replicas: s.Limits.clamp(s.Wanted)}
	if hold.Because = unclear(s); hold.Because != "" {
		return hold
	}
	p.load.observe(s.At, s.Rows)
	if !p.load.known() || !s.Estimate.ReplicaCapacity.Known {
		hold.Because = "not enough looks yet to know what arrives and what a replica can do"
		return hold
	}
	p.able.observe(s.At, &s.Estimate)
	if inVain(&s.Estimate) {
		p.vain = s.At
	}
	if n, why := p.grow(s); n > hold.Replicas {
		p.regret(s.At)
		p.grew = s.At
		return Decision{Replicas: n, Because: why}
	}
	n, why := p.shrink(s)
	if n < hold.Replicas {
		p.calmDown(s.At)
		p.shrank = s.At
		return Decision{Replicas: n, Because: why}
	}
	hold.Because = why
	return hold
}

// regret takes in that it grows now. If it had shrunk lately, that was too early, and
// from now on the past must have allowed a smaller size for twice as long.
func (p *Tidemark) regret(now time.Time) {
	if now.Sub(p.shrank) <= restAfterGrowth {
		p.regrets = [2]time.Time{p.regrets[1], now}
	}
	if now.Sub(p.shrank) <= mostCalm {
		p.calm, p.stirred = min(2*p.calm, mostCalm), now
	}
}

// calmDown takes half of that back if there was nothing to regret for hours.
func (p *Tidemark) calmDown(now time.Time) {
	if now.Sub(p.stirred) > forgiven {
		p.calm, p.stirred = max(p.calm/2, leastCalm), now
	}
}

// unclear says why nothing must follow from this look; empty: it is complete.
func unclear(s Sight) string {
	switch e := &s.Estimate; {
	case s.Group.Reason.Blinds():
		return "the group was not seen: " + s.Group.Reason.String()
	case len(s.Rows) == 0 || len(s.Rows) != len(e.Partitions):
		return "nothing is known of its partitions"
	case !e.Lag.Complete:
		return fmt.Sprintf("%d of %d partitions are not known", e.Lag.Missing, e.Lag.Partitions)
	}
	return ""
}

// grow returns the size that meets the target if the present one is too small.
func (p *Tidemark) grow(s Sight) (replicas int, because string) {
	settled := s.Ready == s.Wanted && s.At.Sub(p.settled) >= quiet
	late := behind(s.Estimate.State) || p.old(s)
	if settled && s.Estimate.State == tidemark.Growing {
		if most, known := fastest(s); known {
			p.able.fell(s.At, most)
		}
	}
	perReplica := p.able.at(s.At)
	w := p.work(s, p.load.expected(), perReplica)
	limit := (1 + p.filled) / 2
	if s.Ready < s.Wanted { // what was just asked for was as much of a guess
		limit = 1
	}
	tooBusy := p.tried && w.busiest(s.Wanted).arrivals > limit*perReplica
	tooLate := settled && late && p.tooLate(w, s, perReplica)
	p.tried = p.tried || tooLate || s.Estimate.CapacityProven
	if !tooBusy && !tooLate || s.At.Sub(p.vain) <= vainFor {
		return 0, ""
	}
	now := w.busiest(s.Wanted).arrivals
	fill := p.filled
	if p.load.surprised() { // who knows how long that lasts
		fill = (1 + p.filled) / 2
	}
	w = p.work(s, p.load.promised(), perReplica)
	for n := s.Wanted + 1; n <= s.Limits.Max; n++ {
		if w.beyond(n, fill*perReplica) {
			continue
		}
		b := w.busiest(n)
		if b.arrivals < now*(1-rounding) && b.arrivals <= fill*perReplica && (!late || p.inTime(w, n, perReplica)) {
			return n, p.says(w, n, perReplica)
		}
	}
	least := w.busiest(s.Limits.Max).arrivals * (1 + rounding)
	return w.smallest(s.Wanted, s.Limits.Max, least), "as many as help: " + p.says(w, s.Limits.Max, perReplica)
}

// inVain says that a group which grew reads no more than before: what its replicas
// call, or share, is the limit. Source: capacity.md 2.3.
func inVain(e *tidemark.Estimate) bool {
	for _, d := range e.Diagnoses {
		if d.Finding != tidemark.DownstreamLimit {
			continue
		}
		var now, before float64
		for _, f := range d.Evidence {
			switch f.Name {
			case "replicas":
				now = f.Value
			case "replicas_before":
				before = f.Value
			}
		}
		if before < now {
			return true
		}
	}
	return false
}

// fastest returns what the fastest member reads per second, if that is known of
// all. While records wait at somebody who reads without a break, no replica can do
// more.
func fastest(s Sight) (perSecond float64, known bool) {
	for _, m := range s.Group.Members {
		sum := 0.0
		for _, a := range m.Assigned {
			for _, id := range a.Partitions {
				r := s.consumption(a.Topic, id)
				if !r.Known {
					return 0, false
				}
				sum += r.PerSecond
			}
		}
		perSecond = max(perSecond, sum)
	}
	return perSecond, perSecond > 0
}

func (p *Tidemark) says(w work, n int, perReplica float64) string {
	return fmt.Sprintf("with %d replicas the busiest has %.0f/s of %.0f/s to do", n, w.busiest(n).arrivals, perReplica)
}

// tooLate says that the present size does not get what waits read in time. While
// the lag falls the target drain time counts: a change would stop everyone first.
func (p *Tidemark) tooLate(w work, s Sight, perReplica float64) bool {
	if s.Estimate.State == tidemark.Draining {
		b := w.busiest(s.Wanted)
		return b.backlog > (perReplica-b.arrivals)*p.options.Target.Drain.Seconds()
	}
	return p.old(s) || !p.inTime(w, s.Wanted, perReplica)
}

// inTime says that the backlog of every consumer is small or soon gone: it is read
// in half the time that a record may wait, or gone within four times that time net of
// arrivals. Faster takes far more replicas than whatever came so suddenly will need.
func (p *Tidemark) inTime(w work, replicas int, perReplica float64) bool {
	b := w.busiest(replicas)
	soon := min(4*p.options.TimeLag, p.options.Target.Drain).Seconds()
	return b.backlog <= perReplica*p.options.TimeLag.Seconds()/2 || b.backlog <= (perReplica-b.arrivals)*soon
}

// old says that on some partition records have waited for half as long as they may,
// other than on one where no commit moves. Where a replica reads a hot partition in
// turn with others, it falls behind while all together seem in flight.
func (p *Tidemark) old(s Sight) bool {
	for i := range s.Estimate.Partitions {
		e := &s.Estimate.Partitions[i]
		waits := e.State != tidemark.CaughtUp && e.Reason != tidemark.Stuck
		if t := e.TimeLag; waits && t.Known && t.Value-t.Error > p.options.TimeLag/2 {
			return true
		}
	}
	return false
}

// behind says that there is more lag than what is in flight.
func behind(state tidemark.State) bool {
	switch state {
	case tidemark.Growing, tidemark.Steady, tidemark.Draining, tidemark.Stalled:
		return true
	default:
		return false
	}
}

// shrink returns the smallest size that would have met the target for ten minutes,
// and otherwise why not.
func (p *Tidemark) shrink(s Sight) (replicas int, because string) {
	switch {
	case s.Estimate.State != tidemark.CaughtUp && s.Estimate.State != tidemark.Idle:
		return s.Wanted, "not caught up: " + s.Estimate.Because
	case less(s.Estimate.Consumption, s.Estimate.Arrivals):
		return s.Wanted, "less is read than arrives"
	case s.Group.Unmet.Blinds():
		return s.Wanted, "its members were not seen: " + s.Group.Unmet.String()
	case s.Ready != s.Wanted || len(s.Group.Members) != s.Ready:
		return s.Wanted, "replicas are starting or leaving"
	case s.At.Sub(p.settled) < quiet || s.At.Sub(p.grew) <= restAfterGrowth || s.At.Sub(p.shrank) < restAfterShrink:
		return s.Wanted, "changed lately"
	case s.At.Sub(p.regrets[0]) <= time.Hour:
		return s.Wanted, "shrunk too early twice within an hour"
	case !p.load.remembers(p.calm):
		return s.Wanted, "not seen for long enough"
	}
	perReplica := p.able.at(s.At)
	w := p.work(s, p.load.most(p.calm), perReplica)
	if !p.tried {
		return p.try(w, s)
	}
	allowed := p.filled * perReplica
	n := w.smallest(s.Limits.Min, s.Wanted, allowed)
	if !saves(s.Wanted, n, worthwhile) {
		return s.Wanted, "right: " + p.says(w, s.Wanted, perReplica)
	}
	if now := p.work(s, p.load.most(2*burstOver), perReplica); saves(n, now.smallest(s.Limits.Min, s.Wanted, allowed), worthwhile) {
		return s.Wanted, "the load still falls: one change later, not two"
	}
	return n, "enough: " + p.says(w, n, perReplica)
}

// saves says that a size is smaller than another by at least that share.
func saves(from, to int, share float64) bool { return float64(from-to) >= share*float64(from) }

// try finds out what a replica can do while that was never seen: all are loaded a
// tenth beyond what one has shown. Where partitions allow no step so small, one
// replica fewer gives a single one more to do, and shows it.
func (p *Tidemark) try(w work, s Sight) (replicas int, because string) {
	shown := s.Estimate.ReplicaCapacity.PerSecond
	n := w.smallest(s.Limits.Min, s.Wanted, beyondShown*shown)
	if n == s.Wanted && n > few {
		n--
	}
	return n, "to see what a replica can do: " + p.says(w, n, shown)
}

// less says that one rate is below another by more than three standard deviations.
func less(a, b tidemark.Rate) bool {
	return a.Known && b.Known && b.PerSecond-a.PerSecond > 3*math.Hypot(a.Error, b.Error)
}
