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
	swell
}

// swell is how much what arrives differs from one minute to the next. Until a lag has
// fallen it is all that is known of how much rates wander.
type swell struct {
	seen    int64 // when a minute was taken down
	rate    float64
	square  float64 // mean square of the differences, in shares
	minutes int
}

const (
	wanders    = 0.06 // of the rates, until something better is known
	wandersFor = 4    // as if that had been measured so many times
	wandersMax = 16   // measurements that count
	swells     = 8    // minutes that tell how much arrivals wander
	calmest    = 0.02 // nothing is believed to wander less,
	wildest    = 0.2  // or more
	// What moves rates outlasts a minute, and drains last longer than one: by how much
	// more they miss than the difference of two minutes, and than the next minute, in
	// squares. Fitted on simulated drains whose rates wander by 2, 5 and 10 %.
	outlasts = 3
	longer   = 1.5
)

// observe takes in a minute of arrivals.
func (s *swell) observe(now int64, in tidemark.Rate, w windows) {
	if !in.Known || in.PerSecond == 0 {
		s.seen = 0
		return
	}
	since := now - s.seen
	if s.seen > 0 && since < int64(w.short) {
		return
	}
	if s.seen > 0 && since < 2*int64(w.short) {
		off := in.PerSecond/s.rate - 1
		s.minutes = min(s.minutes+1, 4*wandersMax)
		s.square += (min(off*off, wildest*wildest) - s.square) / float64(s.minutes)
	}
	s.seen, s.rate = now, in.PerSecond
}

// prior is what a forecast may miss before one was seen to.
func (s *swell) prior() float64 {
	if s.minutes < swells {
		return 2 * wanders * wanders
	}
	return min(max(outlasts*s.square, 2*calmest*calmest), 2*wildest*wildest)
}

// observe takes in a look. told says that the lag is draining.
func (d *drift) observe(now, lag int64, in, out tidemark.Rate, told bool, w windows) {
	d.swell.observe(now, in, w)
	if d.n <= wandersFor && !told {
		d.n, d.miss = wandersFor, d.prior()
	}
	since := now - d.at
	if d.at > 0 && since < int64(w.short) {
		return
	}
	if d.at > 0 && since < 2*int64(w.short) && told {
		fell := float64(d.lag-lag) / (float64(since) / 1e9)
		off := (fell - d.net) / math.Hypot(in.PerSecond, out.PerSecond)
		d.n = min(d.n+1, wandersMax)
		d.miss += (longer*off*off - d.miss) / float64(d.n)
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
