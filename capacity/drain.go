package capacity

import (
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// Backlog is what one consumer has before it and what goes in and out.
type Backlog struct {
	Records  float64
	Arrivals tidemark.Rate
	Capacity tidemark.Rate // what the consumer reads while it never waits
}

// Drain returns how long until the backlog is gone, net of arrivals.
//
// P50 is about B/(μ−λ): 804 records with 122/s in and 163/s out take 20 s. The
// backlog is a Brownian motion with drift λ−μ, whose first passage of zero is
// inverse Gaussian with mean B/n and variance B·σ²/n³; the error of the two rates
// adds B²·se²/n⁴. Known is false when it does not drain, or may well not: n ≤ 0,
// or P(n ≤ 0) > 10 %. Source: capacity.md 2.4.
func (b Backlog) Drain() tidemark.Drain {
	net := b.Capacity.PerSecond - b.Arrivals.PerSecond
	parameterError := math.Hypot(b.Capacity.Error, b.Arrivals.Error)
	if !b.Arrivals.Known || !b.Capacity.Known || net <= 0 || normalCDF(-net/parameterError) > 0.1 {
		return tidemark.Drain{}
	}
	if b.Records <= 0 {
		return tidemark.Drain{Known: true}
	}
	mean := b.Records / net
	ownVariance := b.Records * (b.Arrivals.PerSecond + b.Capacity.PerSecond) / (net * net * net)
	variance := ownVariance + mean*mean*parameterError*parameterError/(net*net)
	at := func(q float64) time.Duration {
		return time.Duration(inverseGaussianQuantile(mean, mean*mean*mean/variance, q) * float64(time.Second))
	}
	return tidemark.Drain{P10: at(0.1), P50: at(0.5), P90: at(0.9), Known: true}
}

// inverseGaussianQuantile returns the time before which the share q of all
// passages falls. It bisects between 0 and the mean plus 20 standard deviations:
// far enough for any q used here.
func inverseGaussianQuantile(mean, shape, q float64) float64 {
	low, high := 0.0, mean+20*math.Sqrt(mean*mean*mean/shape)
	for range 60 {
		middle := (low + high) / 2
		if inverseGaussianCDF(middle, mean, shape) < q {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// inverseGaussianCDF is Φ(√(s/t)(t/m−1)) + e^{2s/m}·Φ(−√(s/t)(t/m+1)) with mean m
// and shape s. For narrow distributions the second term is an overflow times an
// underflow; there it is 0 to the precision asked for.
func inverseGaussianCDF(t, mean, shape float64) float64 {
	root := math.Sqrt(shape / t)
	p := normalCDF(root * (t/mean - 1))
	if 2*shape/mean < 600 {
		p += math.Exp(2*shape/mean) * normalCDF(-root*(t/mean+1))
	}
	return p
}

func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
