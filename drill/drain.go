package drill

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// Drain is one backlog, from its highest to caught up.
type Drain struct {
	From      int64         // records, at the highest
	Began     time.Time     // when it was highest
	Took      time.Duration // from then to caught up
	Replicas  int           // members of the group at the end
	Capacity  tidemark.Rate // of one replica, as estimated at the end; in records per second of this world
	Predicted *Prediction   // nil: nothing was predicted
}

// Prediction is the first drain time that was known, and what became of it.
type Prediction struct {
	At            time.Time
	Lag           int64 // records, at that moment
	P10, P50, P90 time.Duration
	Actual        time.Duration // from that moment to caught up
}

// Off returns by how much the prediction missed: predicted 40 s and taken 30 s
// is 0.25.
func (p Prediction) Off() float64 {
	return math.Abs(float64(p.Actual-p.P50)) / float64(p.P50)
}

// measure follows a drain to its end.
func measure(ctx context.Context, r *runner, s Statement) outcome {
	within := s.duration
	if within == 0 {
		within = drainLimit
	}
	d := &Drain{}
	result := r.until(ctx, within, func(sight Sight) (string, bool) { return d.follow(sight) })
	if !result.met {
		return result
	}
	if d.Took == 0 {
		return outcome{seen: result.seen + ": nothing to measure"}
	}
	r.report.Drain = d
	return outcome{met: true, seen: d.String()}
}

// follow takes in one more sight, and says whether the drain is over.
func (d *Drain) follow(sight Sight) (seen string, over bool) {
	e := sight.Estimate
	seen = lagText(e.Lag)
	if !e.Lag.Complete {
		return seen, false
	}
	if e.Lag.Records >= d.From {
		d.From, d.Began = e.Lag.Records, sight.At
	}
	if e.ReplicaCapacity.Known {
		d.Capacity = e.ReplicaCapacity
	}
	if d.Predicted == nil && e.State == tidemark.Draining && e.Drain.Known && e.Drain.P50 > 0 {
		d.Predicted = &Prediction{At: sight.At, Lag: e.Lag.Records, P10: e.Drain.P10, P50: e.Drain.P50, P90: e.Drain.P90}
	}
	if e.State == tidemark.Draining && e.Drain.Known {
		seen += fmt.Sprintf(", gone in %s", rounded(e.Drain.P50))
	}
	if e.State != tidemark.CaughtUp && e.State != tidemark.Idle && e.Lag.Records > 0 {
		return seen, false
	}
	d.Took, d.Replicas = sight.At.Sub(d.Began), sight.Members
	if d.Predicted != nil {
		d.Predicted.Actual = sight.At.Sub(d.Predicted.At)
	}
	return seen, true
}

// String says in one line how the drain went.
func (d *Drain) String() string {
	text := fmt.Sprintf("%d records in %s", d.From, rounded(d.Took))
	if p := d.Predicted; p != nil {
		return text + fmt.Sprintf("; with %d left, %s predicted (%s to %s), %s taken: %.0f%% off",
			p.Lag, rounded(p.P50), rounded(p.P10), rounded(p.P90), rounded(p.Actual), 100*p.Off())
	}
	return text + "; nothing was predicted"
}

func drainPredicted(_ context.Context, r *runner, s Statement) outcome {
	d := r.report.Drain
	if d == nil || d.Predicted == nil {
		return outcome{seen: "no drain time was predicted while it lasted"}
	}
	p := d.Predicted
	return outcome{
		met:  p.Off()*100 <= s.number,
		seen: fmt.Sprintf("predicted %s, taken %s: %.0f%% off", rounded(p.P50), rounded(p.Actual), 100*p.Off()),
	}
}

func drainTook(_ context.Context, r *runner, s Statement) outcome {
	d := r.report.Drain
	if d == nil {
		return outcome{seen: "no drain was measured"}
	}
	return outcome{met: d.Took <= r.hurried(s.duration), seen: "drained in " + rounded(d.Took)}
}

// rounded writes a duration as a person would say it: 12ms, 1.2s, 1m3s.
func rounded(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return brief(d.Round(time.Second))
}
