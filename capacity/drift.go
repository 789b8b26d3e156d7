package capacity

import (
	"math"

	"github.com/aetherlink/tidemark"
)

// drift is how well the fall of a lag was foretold from minute to minute. Within
// one window rates look steadier than they are, since what moves them lasts longer.
type drift struct {
	at   int64 // when something was foretold; 0: nothing
	lag  int64
	net  float64 // by how much the lag was to fall per second
	miss float64 // mean square of what it missed, in shares of the rates
	n    int
}

const (
	wanders    = 0.06 // of the rates, until something better is known
	wandersFor = 4    // as if that had been measured so many times
	wandersMax = 16   // measurements that count
)

// observe takes in a look. told says that the lag is draining.
func (d *drift) observe(now, lag int64, in, out tidemark.Rate, told bool, w windows) {
	if d.n == 0 {
		d.n, d.miss = wandersFor, 2*wanders*wanders
	}
	since := now - d.at
	if d.at > 0 && since < int64(w.short) {
		return
	}
	if d.at > 0 && since < 2*int64(w.short) && told {
		fell := float64(d.lag-lag) / (float64(since) / 1e9)
		off := (fell - d.net) / math.Hypot(in.PerSecond, out.PerSecond)
		d.n = min(d.n+1, wandersMax)
		d.miss += (off*off - d.miss) / float64(d.n)
	}
	d.at = 0
	if told {
		d.at, d.lag, d.net = now, lag, out.PerSecond-in.PerSecond
	}
}

// widen returns a rate with the error that it has as a forecast. What was missed is
// the error of the rate and that of the minute after it: one half each.
//
// 1,000/s ± 3 that wanders by 5 %: ± 50.
func (d *drift) widen(r tidemark.Rate) tidemark.Rate {
	r.Error = math.Hypot(r.Error, math.Sqrt(d.miss/2)*r.PerSecond)
	return r
}
