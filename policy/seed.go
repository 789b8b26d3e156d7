package policy

import "time"

// Seed is the policy of the reference deployment: one more after 5 minutes with
// over 500 records behind, at most every 5 minutes; one fewer after 30 minutes
// without lag at under half a record per second, at most every 15 minutes.
//
// 2 replicas and 10,000 records behind: 3 after 5 minutes, 12 after 50. Under
// traffic the lag is never 0, since commits come only every few seconds.
// Source: reference-deployment.md, Autoscaling policy of the seed.
type Seed struct {
	high, empty since
	changed     time.Time
}

// Decide implements [Policy].
func (p *Seed) Decide(s Sight) Decision {
	lag := records(s)
	high := p.high.held(s.At, lag > 500)
	empty := p.empty.held(s.At, lag == 0 && s.Consumed < 0.5)
	d := Decision{Replicas: s.Wanted, Because: "neither rule holds"}
	switch waited := s.At.Sub(p.changed); {
	case high >= 5*time.Minute && waited >= 5*time.Minute:
		d = Decision{Replicas: s.Limits.clamp(s.Wanted + 1), Because: "over 500 records behind for 5 minutes"}
	case empty >= 30*time.Minute && waited >= 15*time.Minute:
		d = Decision{Replicas: s.Limits.clamp(s.Wanted - 1), Because: "no lag for 30 minutes"}
	}
	if d.Replicas != s.Wanted {
		p.changed = s.At
	}
	return d
}

// since is when a condition began to hold without a break.
type since struct {
	from  time.Time
	holds bool
}

// held takes in whether the condition holds now and returns for how long it has.
func (c *since) held(at time.Time, holds bool) time.Duration {
	if holds && !c.holds {
		c.from = at
	}
	c.holds = holds
	if !holds {
		return 0
	}
	return at.Sub(c.from)
}
