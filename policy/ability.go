package policy

import (
	"time"

	"github.com/aetherlink/tidemark"
)

// ability is what one replica is believed to do, in records per second.
//
// A slowdown shows at once, when records fall behind. Its end does not show as long
// as there are replicas to spare; so what a replica usually does is tried again
// after an hour, and if it was slow for good, that is the usual from then on.
type ability struct {
	usual  float64
	slow   float64
	until  time.Time // slow counts until then
	latest float64   // what the model said at the look before
}

const (
	slowdown = 0.75 // of the usual; less is no matter of measuring
	tryAgain = time.Hour
)

// observe takes in what the model makes of all looks so far. A low figure is news
// only in the look that brought it.
func (a *ability) observe(at time.Time, e *tidemark.Estimate) {
	told := e.ReplicaCapacity.PerSecond
	if told > slowdown*a.usual {
		a.usual = told
	} else if e.CapacityProven && told != a.latest {
		a.fell(at, told)
	}
	a.latest = told
}

// fell takes in what the fastest replica did while records fell behind.
func (a *ability) fell(at time.Time, perSecond float64) {
	if perSecond > slowdown*a.usual {
		return
	}
	if since := at.Sub(a.until); since > 0 && since < tryAgain {
		a.usual = perSecond
	}
	a.slow, a.until = perSecond, at.Add(tryAgain)
}

func (a *ability) at(now time.Time) float64 {
	if now.Before(a.until) {
		return min(a.slow, a.usual)
	}
	return a.usual
}
