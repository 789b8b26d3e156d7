package policy

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// HPA is Kubernetes' Horizontal Pod Autoscaler on the utilisation of the replicas:
// ceil(R·busy/target), inside its tolerance of 10 %, its limit of max(+4, ×2) per
// 15 s upwards, and downwards the largest recommendation of the last 5 minutes.
//
// 10 replicas, 84 % busy, target 70 %: the ratio is 1.2, so 12.
// Source: capacity.md 1.1; Kubernetes' documentation of HPA v2.
type HPA struct {
	Target float64       // utilisation; 0: 0.7
	Window time.Duration // stabilisation downwards; 0: 5 minutes
	rule   stabiliser
}

// Decide implements [Policy].
func (p *HPA) Decide(s Sight) Decision {
	target := cmp.Or(p.Target, 0.7)
	n := p.rule.decide(s, s.Busy/target, float64(max(1, s.Ready))*s.Busy/target, p.Window)
	return Decision{Replicas: n, Because: fmt.Sprintf("replicas are %.0f %% busy, target %.0f %%", s.Busy*100, target*100)}
}

// KEDA is KEDA's Kafka scaler, which hands the lag to an [HPA]: ceil(Σlag/threshold).
// A partition that was not seen counts as zero lag, and the lag is cut to P times
// the threshold. Source: capacity.md 1.1 and 1.3.
//
// With a threshold of 100 and 2,350 records behind: 24 replicas.
type KEDA struct {
	Threshold float64 // records per replica; 0: 10
	Even      bool    // round up to a divisor of the number of partitions
	Window    time.Duration
	rule      stabiliser
}

// Decide implements [Policy].
func (p *KEDA) Decide(s Sight) Decision {
	threshold := cmp.Or(p.Threshold, 10)
	lag := min(records(s), threshold*float64(len(s.Rows)))
	replicas := lag / threshold
	if p.Even {
		replicas = float64(divisor(len(s.Rows), int(math.Ceil(replicas))))
	}
	n := p.rule.decide(s, replicas/float64(max(1, s.Wanted)), replicas, p.Window)
	return Decision{Replicas: n, Because: fmt.Sprintf("%.0f records, %.0f per replica", lag, threshold)}
}

// divisor returns the smallest divisor of n that is at least k.
func divisor(n, k int) int {
	for d := max(1, k); d < n; d++ {
		if n%d == 0 {
			return d
		}
	}
	return n
}

// Rate is the arrival rate over what a replica is said to be able to, handed to an
// [HPA]: what people build with KEDA's Prometheus scaler who know their capacity.
//
// 6,100/s, 1,000/s per replica and 70 %: 9 replicas.
type Rate struct {
	PerReplica  float64 // records per second, typed in by the user
	Utilisation float64 // 0: 0.7
	Window      time.Duration
	rule        stabiliser
}

// Decide implements [Policy].
func (p *Rate) Decide(s Sight) Decision {
	utilisation := cmp.Or(p.Utilisation, 0.7)
	replicas := s.Arrived / (p.PerReplica * utilisation)
	n := p.rule.decide(s, replicas/float64(max(1, s.Wanted)), replicas, p.Window)
	return Decision{Replicas: n, Because: fmt.Sprintf("%.0f/s arrive, %.0f/s per replica", s.Arrived, p.PerReplica)}
}

// stabiliser is what the HPA does with a recommendation.
type stabiliser struct{ past []recommendation }

type recommendation struct {
	at       time.Time
	replicas int
}

// decide takes the ratio that the tolerance is asked of, and the replicas that the
// metric asks for.
func (r *stabiliser) decide(s Sight, ratio, replicas float64, window time.Duration) int {
	window = cmp.Or(window, 5*time.Minute)
	wants := s.Wanted
	if math.Abs(ratio-1) > 0.1 {
		wants = s.Limits.clamp(int(math.Ceil(replicas)))
	}
	r.past = append(r.past, recommendation{s.At, wants})
	for s.At.Sub(r.past[0].at) > window {
		r.past = r.past[1:]
	}
	if wants >= s.Wanted {
		return min(wants, max(s.Wanted+4, s.Wanted*2))
	}
	for _, past := range r.past {
		wants = max(wants, past.replicas)
	}
	return min(wants, s.Wanted)
}
