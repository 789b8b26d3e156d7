// Package sim lets scaling policies run a simulated consumer group through a day,
// and says what each cost: minutes of late records, replica-hours, changes.
//
// The group is simulated second by second: what arrives on each partition, who owns
// it, what a replica gets done, rebalances that stop everyone, replicas that take a
// minute to start, commits every 5 s. It hides how. A policy sees only what a look
// at the cluster would show, as a tidemark.Snapshot, through the real
// capacity.Model. Everything follows from the seed: no clock, no disk, no network.
//
// A simulation is not a cluster. What it leaves out: work done twice after a
// rebalance, cooperative rebalancing, loads recorded elsewhere.
//
// May change until version 1.
package sim

import (
	"math"
	"math/rand/v2"
)

// Seconds of a run: a warm-up that is not scored, in which a policy may learn, and
// a day.
const (
	warmUp = 4 * 3600
	day    = 24 * 3600
	length = warmUp + day
)

// Scenario is one day of load on one group, and what goes wrong in it.
type Scenario struct {
	Name       string
	Partitions int
	Seed       uint64
	// Winnable says that enough replicas could keep up. Where they cannot, only the
	// cost of trying is of interest.
	Winnable bool

	random uint64                   // the seed of what differs from scenario to scenario
	rate   []float64                // records per second, whole group, per second of the run
	share  []float64                // of the rate, per partition
	speed  func(second int) float64 // what one replica reads per second
	limit  float64                  // what all replicas together can read per second; 0: no limit
	frozen span                     // partition 0 is not read
	hidden span                     // a third of the partitions is not seen
	silent span                     // no look succeeds
}

// span is a stretch of seconds of the run, the end not included.
type span struct{ from, to int }

func (s span) has(second int) bool { return second >= s.from && second < s.to }

// hours makes a span of hours of the scored day.
func hours(from, to float64) span {
	return span{warmUp + int(from*3600), warmUp + int(to*3600)}
}

// PerReplica is what a replica reads per second in every scenario, and peak what
// arrives at the busiest hour: the same load at any number of partitions.
const (
	PerReplica = 1000
	peak       = 12_500
)

// Scenarios returns the days that policies are compared on, the same for the same
// seed. Source: capacity.md 3.1; synthetic shapes only.
func Scenarios(partitions int, seed uint64) []*Scenario {
	var all []*Scenario
	add := func(name string, shape func(*shaper) func(hour float64) float64) *Scenario {
		s := &Scenario{Name: name, Partitions: partitions, Winnable: true, Seed: seed, random: seed<<8 + uint64(len(all))}
		r := rand.New(rand.NewPCG(s.random, 1))
		sh := &shaper{random: r, scale: 0.95 + 0.1*r.Float64(), shift: 4*r.Float64() - 2}
		s.rate = noisy(shape(sh), sh.scale, r)
		s.share = zipf(partitions, 0, r)
		s.speed = func(int) float64 { return PerReplica }
		all = append(all, s)
		return s
	}
	add("diurnal", diurnal)
	add("flash", flash)
	add("batch", batch)
	add("ramp", ramp)
	for _, skew := range []struct {
		name     string
		exponent float64
	}{{"skew 0.15", 0.15}, {"skew 0.35", 0.35}, {"skew 0.8", 0.8}} {
		s := add(skew.name, gentle)
		s.share = zipf(partitions, skew.exponent, rand.New(rand.NewPCG(s.random, 2)))
		s.Winnable = skew.exponent < 0.5
	}
	add("outage", outage)
	slow := add("slow replicas", diurnal)
	slow.speed = func(second int) float64 {
		if hours(9, 10).has(second) || hours(20, 21).has(second) {
			return PerReplica / 2
		}
		return PerReplica
	}
	blind := add("lost looks", diurnal)
	blind.silent, blind.hidden = hours(7, 7+1.0/12), hours(12, 12+1.0/6)
	limited := add("shared limit", diurnal)
	limited.limit, limited.Winnable = peak*0.6, false
	poison := add("poison", diurnal)
	poison.frozen, poison.Winnable = hours(8, 12), false
	return all
}

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

// noisy makes a shape a rate per second: 5 % of noise that forgets within a minute,
// and that of a Poisson process.
func noisy(shape func(hour float64) float64, scale float64, r *rand.Rand) []float64 {
	rate := make([]float64, length)
	memory := math.Exp(-1.0 / 60)
	wander := 0.0
	for t := range rate {
		wander = memory*wander + math.Sqrt(1-memory*memory)*0.05*r.NormFloat64()
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
