package scale

import (
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/policy"
)

// shadow is how a target's decisions would have done while nobody followed them.
type shadow struct {
	Since time.Time     `json:"since"`
	Seen  time.Duration `json:"seen"`  // of it, in which nothing was in doubt
	Short time.Duration `json:"short"` // of that, with fewer replicas decided than were needed
	Over  float64       `json:"over"`  // replica-hours decided beyond what was needed
	Ended bool          `json:"ended"` // the target may act
	last  time.Time
}

// tooShort is the share of time with too few replicas above which decisions are not
// followed yet.
const tooShort = 0.05

// observe takes in a decision. One that was not free, in doubt or stopped, is no
// measure of what would have been decided.
func (h *shadow) observe(d tidemark.Decision, s policy.Sight, free bool, long time.Duration) {
	if h.Since.IsZero() {
		h.Since = d.At
	}
	if h.Ended {
		return
	}
	passed := d.At.Sub(h.last)
	h.last = d.At
	if free && passed < believed && s.Estimate.Replicas.Known {
		need := min(s.Estimate.Replicas.Needed, s.Estimate.Replicas.Useful, s.Limits.Max)
		h.Seen += passed
		if d.Desired < need {
			h.Short += passed
		}
		h.Over += max(0, float64(d.Desired-need)) * passed.Hours()
	}
	h.Ended = d.At.Sub(h.Since) >= long && h.Short.Seconds() <= tooShort*h.Seen.Seconds()
}

// score is the shadow in one sentence.
func (h *shadow) score() string {
	if h.Seen == 0 {
		return "nothing was seen yet"
	}
	return fmt.Sprintf("over %s its sizes were too small for %.0f %% of the time and %.1f replica-hours too large",
		h.Seen.Round(time.Minute), 100*h.Short.Seconds()/h.Seen.Seconds(), h.Over)
}

// locked says why a target may not act yet; empty: it may.
func (t *target) locked(at time.Time) string {
	left := t.Shadow - at.Sub(t.shadow.Since)
	switch {
	case t.mode != Act || t.shadow.Ended: // else a person looks at each change
		return ""
	case left > 0:
		return fmt.Sprintf("acts after %s more of being watched; %s", left.Round(time.Minute), t.shadow.score())
	}
	return "does not act: " + t.shadow.score()
}
