package capacity

import (
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// course is a counter as it was seen at a few moments, oldest first.
type course struct {
	at, value [slots]int64
	n         int
}

func (c *course) push(at, value int64) {
	c.at[c.n], c.value[c.n] = at, value
	c.n++
}

// advance is push, unless the counter has not advanced since the moment before.
func (c *course) advance(at, value int64, w windows) {
	if c.n == 0 || at-c.at[c.n-1] >= int64(w.ageUnit()) {
		c.push(at, value)
	}
}

// rate returns by how much the counter rose per second over the window that ends
// with its newest moment.
//
// It takes three moments to know: with two there is no telling what is noise.
// 0, 1,500 and 3,000 at 0, 15 and 30 s are 100/s. The error is sqrt(φ·r/w) with
// the dispersion φ of the counts between the moments, at least that of a Poisson
// process: here sqrt(1·100/30) = 1.8/s. Source: capacity.md 2.2.
func (c *course) rate(window time.Duration) tidemark.Rate {
	end := c.n - 1
	if end < 2 {
		return tidemark.Rate{}
	}
	from := end - 2
	for from > 0 && c.at[end]-c.at[from] < int64(window)*95/100 {
		from--
	}
	seconds := time.Duration(c.at[end] - c.at[from]).Seconds()
	perSecond := float64(c.value[end]-c.value[from]) / seconds
	if perSecond <= 0 {
		return tidemark.Rate{Known: true}
	}
	phi := c.dispersion(from, end, perSecond)
	return tidemark.Rate{PerSecond: perSecond, Error: math.Sqrt(phi * perSecond / seconds), Known: true}
}

// dispersion returns variance over mean of the counts between the moments from
// and end, at least 1: Pearson's χ²/(n−1), for counts over spans of unequal length.
//
// 1,500, 1,500, 1,500 and 2,000 in 15 s each: the mean is 1,625, φ is 38. One
// commit that slips into the next look thus counts as one standard deviation.
func (c *course) dispersion(from, end int, perSecond float64) float64 {
	chi2 := 0.0
	for i := from + 1; i <= end; i++ {
		expected := perSecond * time.Duration(c.at[i]-c.at[i-1]).Seconds()
		off := float64(c.value[i]-c.value[i-1]) - expected
		chi2 += off * off / expected
	}
	return max(1, chi2/float64(end-from-1))
}

// latest returns the rate between the two newest moments, without an error.
func (c *course) latest() float64 {
	if c.n < 2 {
		return 0
	}
	seconds := time.Duration(c.at[c.n-1] - c.at[c.n-2]).Seconds()
	return max(0, float64(c.value[c.n-1]-c.value[c.n-2])/seconds)
}

// sum adds up rates. It is known only while all of them are: partial is never total.
type sum struct {
	perSecond, variance float64
	unknown             int
}

func sumOf(r tidemark.Rate) sum {
	if !r.Known {
		return sum{unknown: 1}
	}
	return sum{perSecond: r.PerSecond, variance: r.Error * r.Error}
}

func (s *sum) add(other sum) {
	s.perSecond += other.perSecond
	s.variance += other.variance
	s.unknown += other.unknown
}

func (s sum) rate() tidemark.Rate {
	if s.unknown > 0 {
		return tidemark.Rate{}
	}
	return tidemark.Rate{PerSecond: s.perSecond, Error: math.Sqrt(s.variance), Known: true}
}

// noise is how many standard deviations a difference of rates must have to count.
const noise = 3

// trend compares what arrives with what is read: steady unless the difference
// leaves the noise of both.
//
// 122/s ± 1.4 in and 163/s ± 1.6 out differ by 41, and 3·sqrt(1.4²+1.6²) is 6.4:
// draining. 100 ± 1.3 and 104 ± 1.3 differ by 4 of 5.5: steady.
func trend(in, out tidemark.Rate) tidemark.State {
	net := out.PerSecond - in.PerSecond
	limit := noise * math.Hypot(in.Error, out.Error)
	switch {
	case net > limit:
		return tidemark.Draining
	case net < -limit:
		return tidemark.Growing
	}
	return tidemark.Steady
}
