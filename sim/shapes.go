package sim

import (
	"math"
	"math/rand/v2"
)

// shaper holds what differs between seeds in the shape of a day.
type shaper struct {
	random *rand.Rand
	scale  float64 // of the load
	shift  float64 // of the time of day, in hours
}

// diurnal falls to an eighth of the peak at night.
func diurnal(s *shaper) func(float64) float64 {
	return func(hour float64) float64 {
		wave := 0.5 - 0.5*math.Cos((hour-4-s.shift)/24*2*math.Pi)
		return peak/8 + peak*7/8*math.Pow(wave, 1.3)
	}
}

// gentle is a diurnal load of which one partition in 24 can bear 8.3 %, its share at
// an exponent of 0.35.
func gentle(s *shaper) func(float64) float64 {
	full := diurnal(s)
	return func(hour float64) float64 { return 0.72 * full(hour) }
}

// flash is a tenfold load three times a day for 20 minutes, within a minute.
func flash(s *shaper) func(float64) float64 {
	var at [3]float64
	for i := range at {
		at[i] = 2 + 8*float64(i) + 4*s.random.Float64()
	}
	return func(hour float64) float64 {
		const base, ramp, lasts = peak / 10, 1.0 / 60, 1.0 / 3
		factor := 1.0
		for _, start := range at {
			rise, fall := (hour-start)/ramp, (start+lasts+ramp-hour)/ramp
			factor = max(factor, 1+9*min(1, max(0, min(rise, fall))))
		}
		return base * factor
	}
}

// batch is 1.2 million records within a minute every two hours.
func batch(s *shaper) func(float64) float64 {
	phase := 2 * s.random.Float64()
	return func(hour float64) float64 {
		if since := math.Mod(hour+24-phase, 2) * 3600; since < 60 {
			return 2000 + 1.2e6/60
		}
		return 2000
	}
}

// ramp rises for six hours, stays for six and falls for three.
func ramp(s *shaper) func(float64) float64 {
	return func(hour float64) float64 {
		t := hour - 4 - s.shift
		return peak/12 + peak*11/12*max(0, min(1, t/6, (15-t)/3))
	}
}

// outage is a diurnal load whose producer is away for an hour and then catches up
// at one and a half times its rate.
func outage(s *shaper) func(float64) float64 {
	normal := diurnal(s)
	return func(hour float64) float64 {
		switch {
		case hour >= 6 && hour < 7:
			return 0
		case hour >= 7 && hour < 9:
			return 1.5 * normal(hour)
		}
		return normal(hour)
	}
}

// monday is a diurnal load after a weekend with a third of it.
func monday(s *shaper) func(float64) float64 {
	normal := diurnal(s)
	return func(hour float64) float64 {
		return normal(hour) * (1 + 2*min(1, max(0, (hour-6)/2))) / 3
	}
}

// worldCup looks like the site of the football World Cup of 1998: a day, and two
// matches that take the load to three times as much within half an hour, with a
// pause between their halves.
func worldCup(s *shaper) func(float64) float64 {
	first := 11 + 2*s.random.Float64()
	second := first + 4 + s.random.Float64()
	calm := diurnal(s)
	return func(hour float64) float64 {
		crowd := 0.0
		for _, start := range []float64{first, second} {
			t := hour - start
			match := max(0, min(1, (t+0.3)/0.5, (2.3-t)/0.3))
			halfTime := max(0, 1-math.Abs(t-1)/0.25)
			crowd += match * (1 - 0.35*halfTime)
		}
		return 0.32*calm(hour) + 0.6*peak*min(1, crowd)
	}
}

// mentions looks like how often a company is named on Twitter: noise every five
// minutes, a weak day, and eight bursts that halve every ten minutes.
func mentions(s *shaper) func(float64) float64 {
	noise := s.walk(0.15)
	type burst struct{ at, size float64 }
	var bursts []burst
	for range 8 {
		bursts = append(bursts, burst{24 * s.random.Float64(), 0.5 + 2.5*s.random.Float64()*s.random.Float64()})
	}
	return func(hour float64) float64 {
		level := (0.8 + 0.2*math.Sin((hour-9)/24*2*math.Pi)) * math.Exp(noise(hour))
		for _, b := range bursts {
			if t := hour - b.at; t > 0 {
				level += b.size * min(1, t*12) * math.Exp2(-6*t)
			}
		}
		return peak / 4 * min(level, 3.8)
	}
}

// taxis looks like the taxi rides of a city by the half-hour: nobody at five, people
// who go to work, and most in the evening.
func taxis(s *shaper) func(float64) float64 {
	noise := s.walk(0.05)
	return func(hour float64) float64 {
		at := func(h, width float64) float64 {
			off := math.Mod(hour-h-s.shift/2+36, 24) - 12
			return math.Exp(-off * off / 2 / width / width)
		}
		return peak * (0.1 + 0.45*at(8.5, 1.5) + 0.35*at(14, 3) + 0.75*at(19.5, 2.5) + 0.3*at(23.5, 1.5)) * math.Exp(noise(hour))
	}
}

// balancer looks like the requests at a load balancer of a small site: little, and
// every now and then five minutes of five times as much.
func balancer(s *shaper) func(float64) float64 {
	noise := s.walk(0.25)
	spikes := make([]float64, 28*12)
	for i := range spikes {
		if s.random.Float64() < 0.05 {
			spikes[i] = 1 + 3*s.random.Float64()
		}
	}
	return func(hour float64) float64 {
		return peak / 6 * (math.Exp(noise(hour)) + spikes[max(0, min(len(spikes)-1, int((hour+4)*12)))])
	}
}

// walk is noise every five minutes with that deviation, which half forgets within ten,
// and goes straight in between.
func (s *shaper) walk(deviation float64) func(hour float64) float64 {
	const perHour = 12
	memory := math.Sqrt(0.5)
	points := make([]float64, length/3600*perHour+2)
	for i := 1; i < len(points); i++ {
		points[i] = memory*points[i-1] + math.Sqrt(1-memory*memory)*deviation*s.random.NormFloat64()
	}
	return func(hour float64) float64 {
		place := max(0, min(float64(len(points)-2), (hour+warmUp/3600)*perHour))
		i := int(place)
		return points[i] + (place-float64(i))*(points[i+1]-points[i])
	}
}

// noisy makes a shape a rate per second: 5 % of noise that forgets within a minute,
// and that of a Poisson process.
func noisy(shape func(hour float64) float64, scale float64, r *rand.Rand) []float64 {
	return noisyBy(0.05, shape, scale, r)
}

func noisyBy(deviation float64, shape func(hour float64) float64, scale float64, r *rand.Rand) []float64 {
	rate := make([]float64, length)
	memory := math.Exp(-1.0 / 60)
	wander := 0.0
	for t := range rate {
		wander = memory*wander + math.Sqrt(1-memory*memory)*deviation*r.NormFloat64()
		mean := scale * shape(float64(t-warmUp)/3600) * (1 + wander)
		rate[t] = max(0, mean+math.Sqrt(max(0, mean))*r.NormFloat64())
	}
	return rate
}

// zipf returns shares by 1/k^exponent, in an order of chance. Over 24 partitions
// the largest is 4.2 % at 0, 8.3 % at 0.35 and 19 % at 0.8.
func zipf(partitions int, exponent float64, r *rand.Rand) []float64 {
	share := make([]float64, partitions)
	sum := 0.0
	for k := range share {
		share[k] = math.Pow(float64(k+1), -exponent)
		sum += share[k]
	}
	for k := range share {
		share[k] /= sum
	}
	r.Shuffle(len(share), func(i, j int) { share[i], share[j] = share[j], share[i] })
	return share
}
