package scale

import (
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/policy"
)

// effect watches whether more replicas read more. Where they do not, because one
// record stops a partition or what consumers call is the limit, more of them help
// nobody (capacity.md 5.3; reliability.md, runaway scale-up).
type effect struct {
	grown  time.Time // when the first of the growths came that are not judged yet; zero: all are
	before float64   // what was read per second then
	share  float64   // by how much the size has grown since: 1 to 2 is 1
	steps  int       // in how many growths
	vain   int       // growths in a row that changed nothing
}

const (
	settling = 5 * time.Minute // from a growth until what is read tells its effect
	inVain   = 2               // growths without effect, after which there is no third
	gained   = 0.1             // of what a growth should bring: less is none
)

// grew is told of a growth that was carried out.
func (e *effect) grew(at time.Time, from, to int, consumption tidemark.Rate) {
	if e.grown.IsZero() {
		e.grown, e.before = at, consumption.PerSecond
	}
	e.share += float64(to-from) / float64(max(from, 1))
	e.steps++
}

// observe judges the latest growths once their effect must show.
func (e *effect) observe(at time.Time, s policy.Sight) {
	if well(s.Estimate.State) {
		*e = effect{}
		return
	}
	if e.grown.IsZero() || at.Sub(e.grown) < settling || !s.Estimate.Consumption.Known {
		return
	}
	vain := e.vain + e.steps
	if more := s.Estimate.Consumption.PerSecond - e.before; more > gained*e.share*e.before {
		vain = 0
	}
	*e = effect{vain: vain}
}

// useless says why more replicas would not help; empty: they may.
func (e *effect) useless(s policy.Sight) string {
	if e.vain+e.steps < inVain {
		return ""
	}
	if e.steps > 0 {
		return "the last replicas have not shown their effect yet"
	}
	why := fmt.Sprintf("%d times more replicas did not read more", e.vain)
	for _, d := range s.Estimate.Diagnoses {
		return why + ": " + d.Because
	}
	return why + ": one partition stands still, or what the consumers call is the limit"
}

// well says that a group keeps up or catches up: whatever was done, it helped.
func well(state tidemark.State) bool {
	switch state {
	case tidemark.Idle, tidemark.CaughtUp, tidemark.Draining:
		return true
	default:
		return false
	}
}
