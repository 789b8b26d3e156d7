package policy

import (
	"math"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// load is what arrived at a group during the last minutes.
type load struct {
	looks []ends // oldest first, over mostCalm
	rates []rates
}

// ends is how many records all partitions had held when they were looked at.
type ends struct {
	at    time.Time
	total int64
}

// rates are what follows from one look, in records per second.
type rates struct {
	at     time.Time
	latest float64 // since the look before
	level  float64 // over the last five minutes
}

const (
	remembered = 20 * time.Minute
	levelOver  = 5 * time.Minute // source: capacity.md 2.2
	burstOver  = time.Minute
	surprise   = 4 // standard deviations
)

// observe takes in a look that saw every partition.
func (l *load) observe(at time.Time, rows []tidemark.Partition) {
	now := ends{at: at}
	for i := range rows {
		now.total += rows[i].LogEnd
	}
	if n := len(l.looks); n > 0 && (now.total < l.looks[n-1].total || !at.After(l.looks[n-1].at)) {
		*l = load{} // made anew: the past was about another log
	}
	l.looks = append(l.looks, now)
	for at.Sub(l.looks[0].at) > mostCalm {
		l.looks = l.looks[1:]
	}
	if len(l.looks) < 2 {
		return
	}
	l.rates = append(l.rates, rates{at: at, latest: l.over(0), level: l.over(levelOver)})
	for at.Sub(l.rates[0].at) > remembered {
		l.rates = l.rates[1:]
	}
}

// over returns what arrived per second over a window that ends now, at least over
// one interval.
func (l *load) over(window time.Duration) float64 {
	end := len(l.looks) - 1
	from := end - 1
	for from > 0 && l.looks[end].at.Sub(l.looks[from].at) < window {
		from--
	}
	return float64(l.looks[end].total-l.looks[from].total) / l.looks[end].at.Sub(l.looks[from].at).Seconds()
}

func (l *load) known() bool { return len(l.rates) >= 3 }

// remembers says that the load was seen for that long.
func (l *load) remembers(d time.Duration) bool {
	return len(l.looks) > 0 && l.looks[len(l.looks)-1].at.Sub(l.looks[0].at) >= d
}

// surprised says that the latest look leaves the noise around the level before it.
func (l *load) surprised() bool { return l.surprisedAt(len(l.rates) - 1) }

func (l *load) surprisedAt(i int) bool {
	if i <= 0 {
		return false
	}
	above := l.rates[i].latest - l.rates[i-1].level
	return above > l.rates[i-1].level/20 && above > surprise*l.noise()
}

// expected returns what to be prepared for: the level of five minutes or, after a
// surprise, what the latest look saw. The first look at a jump saw only a part of
// it, half on average: it counts half as much again as it gained.
func (l *load) expected() float64 {
	i := len(l.rates) - 1
	now, before := l.rates[i], l.rates[i-1]
	switch {
	case !l.surprised():
		return now.level
	case !l.surprisedAt(i - 1):
		return max(now.level, now.latest+max(0, now.latest-before.latest)/2)
	}
	return max(now.level, now.latest)
}

// promised returns what to grow for: what is expected and, if it came slowly, as
// much more as the level rose in the time remembered, up to a quarter.
func (l *load) promised() float64 {
	now := l.rates[len(l.rates)-1].level
	if l.surprised() {
		return l.expected()
	}
	return now + min(max(0, now-l.rates[0].level), now/4)
}

// noise returns by how much a look leaves the level before it, one standard
// deviation: 1.48 times the median, which a jump does not change.
func (l *load) noise() float64 {
	var off []float64
	for i := 1; i < len(l.rates)-1; i++ {
		off = append(off, math.Abs(l.rates[i].latest-l.rates[i-1].level))
	}
	if len(off) == 0 {
		return 0
	}
	slices.Sort(off)
	return 1.48 * off[len(off)/2]
}

// most returns the highest rate of any minute within a window that ends now.
func (l *load) most(window time.Duration) float64 {
	most, end := 0.0, len(l.looks)-1
	from := 0
	for i := 1; i <= end; i++ {
		if l.looks[end].at.Sub(l.looks[i].at) > window {
			continue
		}
		for from < i-1 && l.looks[i].at.Sub(l.looks[from+1].at) >= burstOver {
			from++
		}
		most = max(most, float64(l.looks[i].total-l.looks[from].total)/l.looks[i].at.Sub(l.looks[from].at).Seconds())
	}
	return most
}
