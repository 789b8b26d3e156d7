package policy

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Flink is the rule of Flink's autoscaler, given the true busy share of the busiest
// replica: capacity = B/catch-up + λ·restart/catch-up + λ/utilisation, over the true
// processing rate, rounded up to a count that divides the partitions evenly.
//
// 6,000/s at 0.7, no backlog, restart 5 m and catch-up 30 m: 9,571/s; at 1,000/s per
// replica 10, on 24 partitions 12. Source: capacity.md 1.1; FLIP-271.
type Flink struct {
	Utilisation float64       // 0: 0.7
	Boundary    float64       // how far the load may leave it; 0: 0.3
	Window      time.Duration // of the metrics; 0: 15 minutes
	Stabilise   time.Duration // after a change; 0: 5 minutes
	CatchUp     time.Duration // 0: 30 minutes
	Restart     time.Duration // 0: 5 minutes
	DownAfter   time.Duration // 0: 1 hour
	samples     []flinkSample
	downs       []recommendation
	changed     time.Time
}

type flinkSample struct {
	at                 time.Time
	arrivals, consumed float64
	busiest            float64
	ready              int
}

// flinkDownFactor is the largest share of the replicas that goes at once.
const flinkDownFactor = 0.6

// Decide implements [Policy].
func (p *Flink) Decide(s Sight) Decision {
	p.observe(s)
	hold := Decision{Replicas: s.Wanted, Because: "within its boundary"}
	if s.At.Sub(p.changed) < cmp.Or(p.Stabilise, 5*time.Minute) || len(p.samples) < 3 {
		return hold
	}
	arrivals, perReplica := p.rates()
	if perReplica <= 0 {
		return hold
	}
	utilisation := cmp.Or(p.Utilisation, 0.7)
	catchUp := cmp.Or(p.CatchUp, 30*time.Minute).Seconds()
	lag := records(s)
	target := lag/catchUp + arrivals*cmp.Or(p.Restart, 5*time.Minute).Seconds()/catchUp + arrivals/utilisation
	now := float64(s.Wanted) * perReplica
	load := (arrivals + lag/catchUp) / now
	if math.Abs(load-utilisation) <= cmp.Or(p.Boundary, 0.3) {
		p.downs = nil
		return hold
	}
	n := divisor(s.Limits.Max, int(math.Ceil(target/perReplica)))
	n = s.Limits.clamp(max(n, int(math.Ceil(float64(s.Wanted)*(1-flinkDownFactor)))))
	if n < s.Wanted {
		n = p.down(s, n)
	}
	if n != s.Wanted {
		p.changed, p.samples, p.downs = s.At, nil, nil
	}
	return Decision{Replicas: n, Because: fmt.Sprintf("%.0f/s to process, %.0f/s per replica", target, perReplica)}
}

func (p *Flink) observe(s Sight) {
	p.samples = append(p.samples, flinkSample{s.At, s.Arrived, s.Consumed, s.Busiest, s.Ready})
	for s.At.Sub(p.samples[0].at) > cmp.Or(p.Window, 15*time.Minute) {
		p.samples = p.samples[1:]
	}
}

// rates returns the arrivals and the true processing rate of one replica, averaged.
func (p *Flink) rates() (arrivals, perReplica float64) {
	consumed, busy := 0.0, 0.0
	for _, one := range p.samples {
		arrivals += one.arrivals
		consumed += one.consumed / float64(max(1, one.ready))
		busy += one.busiest
	}
	if busy == 0 {
		return 0, 0
	}
	return arrivals / float64(len(p.samples)), consumed / busy
}

// down waits until fewer have been asked for all the time, and takes the largest.
func (p *Flink) down(s Sight, n int) int {
	p.downs = append(p.downs, recommendation{s.At, n})
	if s.At.Sub(p.downs[0].at) < cmp.Or(p.DownAfter, time.Hour) {
		return s.Wanted
	}
	for _, past := range p.downs {
		n = max(n, past.replicas)
	}
	return n
}

// DS2 is the rule of DS2: arrivals over the true rate of one replica, given their
// true busy share, times a factor for safety; without a term for what waits.
//
// 6,000/s and 500/s at half the time busy: 6,000/1,000·1.2 is 8 replicas.
// Source: capacity.md 1.1. A port of ours, not the authors' code.
type DS2 struct {
	Safety  float64 // 0: 1.2
	changed time.Time
}

// Decide implements [Policy].
func (p *DS2) Decide(s Sight) Decision {
	safety := cmp.Or(p.Safety, 1.2)
	perReplica := s.Consumed / float64(max(1, s.Ready)) / s.Busy
	if s.Busy <= 0.01 || s.At.Sub(p.changed) < 5*time.Minute {
		return Decision{Replicas: s.Wanted, Because: "waits for a rate"}
	}
	n := s.Limits.clamp(int(math.Ceil(s.Arrived * safety / perReplica)))
	if n != s.Wanted {
		p.changed = s.At
	}
	return Decision{Replicas: n, Because: fmt.Sprintf("%.0f/s arrive, %.0f/s per replica", s.Arrived, perReplica)}
}
