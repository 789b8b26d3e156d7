// Package sim lets scaling policies run a simulated consumer group through a day,
// and says what each cost: minutes of late records, replica-hours, changes.
//
// The group is simulated second by second: what arrives on each partition, who owns
// it, what a replica gets done, rebalances that stop everyone, replicas that take a
// minute to start, commits every 5 s. It hides how. A policy sees only what a look
// at the cluster would show, as a tidemark.Snapshot, through the real
// capacity.Model. The load follows from a seed, or from a recording of a real group;
// the rest from the seed: no clock, no disk, no network.
//
// A simulation is not a cluster. What it leaves out: work done twice after a
// rebalance, retention, replicas that differ for good.
//
// May change until version 1.
package sim

import "math/rand/v2"

// A run, in seconds: what is not scored, in which a policy may learn, and a day.
const (
	warmUp = 4 * 3600
	day    = 24 * 3600
	length = warmUp + day
)

// Scenario is the load on one group, and what goes wrong in it.
type Scenario struct {
	Name       string
	Partitions int
	Seed       uint64
	// Core says that it is one of the eight that the comparison is the mean of.
	// Source: capacity.md 3.4.
	Core bool
	// Winnable says that enough replicas could keep up. Where they cannot, only the
	// cost of trying is of interest.
	Winnable bool
	// PerReplica is what a replica reads per second when nothing is wrong with it.
	PerReplica float64

	random         uint64 // the seed of what differs from scenario to scenario
	first          int    // replicas in the beginning
	warmUp, length int    // seconds; the rest after the warm-up is scored
	logs           *logs
	commitEvery    int                      // seconds
	speed          func(second int) float64 // what one replica reads per second
	limit          float64                  // what all replicas together can read per second; 0: no limit
	deploys        int                      // when all replicas are restarted, one by one; 0: never
	markers        int64                    // records at the end of each log that nobody reads
	secret         bool                     // commits nowhere that anybody sees
	frozen         span                     // partition 0 is not read
	limping        span                     // the first replica is far slower
	hidden         span                     // a third of the partitions is not seen
	silent         span                     // no look succeeds
}

// limp is what is left of the speed of a replica that limps.
const limp = 0.3

// span is a stretch of seconds of the run, the end not included.
type span struct{ from, to int }

func (s span) has(second int) bool { return second >= s.from && second < s.to }

// hours makes a span of hours of the scored day.
func hours(from, to float64) span {
	return span{warmUp + int(from*3600), warmUp + int(to*3600)}
}

// PerReplica is what a replica reads per second in every generated scenario, and peak
// what arrives at the busiest hour: the same load at any number of partitions.
const (
	PerReplica = 1000
	peak       = 12_500
)

// steady is a group that nothing happens to, with that load and those shares. It
// begins with twice what the busiest hour takes, as somebody has it who does not know.
func steady(name string, seed, random uint64, rate, share []float64) *Scenario {
	return &Scenario{
		Name: name, Partitions: len(share), Seed: seed, Winnable: true, PerReplica: PerReplica, random: random,
		first: min(len(share), 2*peak/PerReplica), warmUp: warmUp, length: length, logs: newLogs(rate, share),
		commitEvery: commitEvery, speed: func(int) float64 { return PerReplica },
	}
}

// Scenarios returns the days that policies are compared on, the same for the same
// seed. Sources: capacity.md 3.1 and 3.2; all loads are generated, also those that
// look like published ones.
func Scenarios(partitions int, seed uint64) []*Scenario {
	b := &builder{partitions: partitions, seed: seed}
	b.core(b.day("diurnal", diurnal))
	b.core(b.day("flash", flash))
	b.core(b.day("batch", batch))
	b.day("ramp", ramp)
	b.skewed("skew 0.15", 0.15)
	b.core(b.skewed("skew 0.35", 0.35))
	b.skewed("skew 0.8", 0.8).Winnable = false
	b.day("outage", outage)
	b.core(b.slow())
	blind := b.day("lost looks", diurnal)
	blind.silent, blind.hidden = hours(7, 7+1.0/12), hours(12, 12+1.0/6)
	limited := b.day("shared limit", diurnal)
	limited.limit, limited.Winnable = peak*0.6, false
	poison := b.day("poison", diurnal)
	poison.frozen, poison.Winnable = hours(8, 12), false
	b.core(b.day("like World Cup", worldCup))
	b.core(b.day("like Twitter", mentions))
	b.core(b.day("like taxis", taxis))
	b.day("like a load balancer", balancer)
	b.varying()
	b.day("Sunday to Monday", monday)
	b.drifting()
	b.day("rolling deploy", diurnal).deploys = hours(10, 11).from
	b.tiring()
	b.day("commits per batch", diurnal).commitEvery = 1
	b.day("commits per minute", diurnal).commitEvery = 60
	b.day("transactions", diurnal).markers = 1
	secret := b.day("no commits", diurnal)
	secret.secret, secret.Winnable = true, false
	return b.all
}

// builder makes the scenarios of one seed.
type builder struct {
	partitions int
	seed       uint64
	all        []*Scenario
}

func (b *builder) core(s *Scenario) { s.Core = true }

// day adds a day of a shape, with an even load.
func (b *builder) day(name string, shape func(*shaper) func(hour float64) float64) *Scenario {
	random := b.seed<<8 + uint64(len(b.all))
	r := rand.New(rand.NewPCG(random, 1))
	sh := &shaper{random: r, scale: 0.95 + 0.1*r.Float64(), shift: 4*r.Float64() - 2}
	rate := noisy(shape(sh), sh.scale, r)
	s := steady(name, b.seed, random, rate, zipf(b.partitions, 0, r))
	b.all = append(b.all, s)
	return s
}

// skewed adds a gentle day in which partitions differ.
func (b *builder) skewed(name string, exponent float64) *Scenario {
	s := b.day(name, gentle)
	s.logs.eras = nil
	s.logs.change(0, zipf(b.partitions, exponent, rand.New(rand.NewPCG(s.random, 2))))
	return s
}

// slow adds a day in which all replicas do half for an hour, twice.
func (b *builder) slow() *Scenario {
	s := b.day("slow replicas", diurnal)
	s.speed = func(second int) float64 {
		if hours(9, 10).has(second) || hours(20, 21).has(second) {
			return PerReplica / 2
		}
		return PerReplica
	}
	return s
}

// tiring adds a day in which replicas end at two thirds of what they did.
func (b *builder) tiring() {
	s := b.day("slower and slower", gentle)
	s.speed = func(second int) float64 { return PerReplica * (1 - float64(second)/length/3) }
}

// varying adds a day in which records differ in the work that they make: by a fifth
// from minute to minute, as prompts to a language model do.
func (b *builder) varying() {
	s := b.day("varying work", gentle)
	work := noisyBy(0.2, func(float64) float64 { return PerReplica }, 1, rand.New(rand.NewPCG(s.random, 2)))
	s.speed = func(second int) float64 { return max(PerReplica/4, work[min(second, length-1)]) }
}

// drifting adds a day in which every two hours another partition is hot: a twentieth
// of all that arrives comes on top of its share.
func (b *builder) drifting() {
	s := b.day("drifting hot key", gentle)
	r := rand.New(rand.NewPCG(s.random, 2))
	s.logs.eras = nil
	for from := 0; from < length; from += 2 * 3600 {
		share := zipf(b.partitions, 0, r)
		for i := range share {
			share[i] *= 0.95
		}
		share[r.IntN(len(share))] += 0.05
		s.logs.change(from, share)
	}
}
