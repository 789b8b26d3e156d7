package lag

import (
	"math"
	"slices"
	"sort"
)

// line is where one log ended over time: straight pieces through looks, oldest
// first. Neither time nor end ever goes back along it.
type line []point

// point is one look, and how well the piece that leads to it stands for the looks
// left out between. 24 bytes, times are Unix milliseconds.
type point struct {
	at, end int64
	apart   uint32 // the longest time between two neighbouring looks of the piece during which the log grew
	off     uint32 // by how much a look left out may have been earlier or later than the piece says
}

const (
	// most points of a line: 3 KB, as lag.md section 4, item 1, allows for a week.
	most = 128
	// roomy is how many points a full line is thinned to, at most: low enough that
	// thinning is rare, high enough that little is lost.
	roomy = 80
	// exact is how many of the latest looks are all kept: groups that keep up are
	// there, and half the time between two looks is as good as it gets.
	exact = 16
)

func (l line) end() int64 {
	if len(l) == 0 {
		return 0
	}
	return l[len(l)-1].end
}

// add puts one look at the end. A log that stands still needs two points, the
// first and the last look that saw it so.
func (l line) add(at, end, window int64) line {
	n := len(l)
	switch {
	case n > 0 && at <= l[n-1].at:
		return l // told twice
	case n > 1 && l[n-2].end == end && l[n-1].end == end:
		l[n-1].at = at
		return l
	case n == 0:
		return line{{at: at, end: end}}
	case n >= most:
		l = l.forget(at - window).thinned(at)
	}
	next := point{at: at, end: end}
	if last := l[len(l)-1]; last.end < end {
		next.apart = short(at - last.at)
	}
	return append(l, next)
}

// forget leaves out what lies before a time, but for the last point before it:
// a piece begins there.
func (l line) forget(before int64) line {
	first := 0
	for first+1 < len(l) && l[first+1].at < before {
		first++
	}
	return slices.Delete(l, 0, first)
}

// thinned leaves out looks that the piece between their neighbours tells closely
// enough: within a second, or a hundredth of their age, as lag.md section 4, item 1
// proposes. Should that not make room, because arrivals are wild, it is twice that,
// and so on. What is lost is written into the points.
func (l line) thinned(now int64) line {
	for times := 1.0; len(l) > roomy; times *= 2 {
		l = l.within(times, now)
	}
	return l
}

// within draws each piece as long as what it leaves out is told closely enough.
func (l line) within(times float64, now int64) line {
	last := len(l) - exact
	kept := append(make(line, 0, most), l[0])
	for from := 0; from < last; {
		to, end := from+1, l[from+1]
		for to < last {
			longer := l.joined(from, to+1)
			if float64(longer.off) > times*max(1000, float64(now-longer.at)/100) {
				break
			}
			to, end = to+1, longer
		}
		kept, from = append(kept, end), to
	}
	return append(kept, l[last+1:]...)
}

// joined returns the point at to, as the end of one straight piece that begins at
// from. A look left out long ago is off from the old piece that it lay on, and the
// ends of that are off from the new one: at worst, both add up.
func (l line) joined(from, to int) point {
	whole := point{at: l[to].at, end: l[to].end}
	before := 0.0
	for k := from + 1; k <= to; k++ {
		here := math.Abs(l[from].until(l[to], float64(l[k].end)) - float64(l[k].at))
		if k == to || l[to].end == l[from].end {
			here = 0 // where the log stood still, there is no record to date
		}
		whole.off = max(whole.off, short(int64(math.Ceil(max(before, here)))+int64(l[k].off)))
		whole.apart = max(whole.apart, l[k].apart)
		before = here
	}
	return whole
}

// until returns when the straight piece from p to q reaches an end.
func (p point) until(q point, end float64) float64 {
	return float64(p.at) + float64(q.at-p.at)*(end-float64(p.end))/float64(q.end-p.end)
}

// short is a duration as points hold it; the largest one means any length.
func short(ms int64) uint32 { return uint32(min(ms, math.MaxUint32)) }

func long(ms uint32) float64 {
	if ms == math.MaxUint32 {
		return math.Inf(1)
	}
	return float64(ms)
}

// piece is the part of a line in which some record came. uneven says that the pieces
// beside it tell of another rate: then within this one records may have come together.
type piece struct {
	from, to point
	uneven   bool
}

// around returns the piece in which the record at an offset came. now is the look
// that asks; the line may not have it yet.
func (l line) around(offset int64, now point) (p piece, known bool) {
	if len(l) == 0 || offset < l[0].end {
		return piece{}, false
	}
	k := sort.Search(len(l), func(k int) bool { return l[k].end > offset })
	p = piece{from: l[k-1], to: now}
	if k < len(l) {
		p.to = l[k]
	} else {
		p.to.apart = short(max(0, now.at-p.from.at))
	}
	p.uneven = k > 1 && p.differs(l[k-2], l[k-1]) || k+1 < len(l) && p.differs(l[k], l[k+1])
	return p, true
}

// differs says that a piece beside p tells of less than half its rate, or twice.
func (p *piece) differs(from, to point) bool {
	mine, theirs := p.from.rate(p.to), from.rate(to)
	return theirs < mine/2 || theirs > mine*2
}

// rate returns how many records came per millisecond between two points.
func (p point) rate(q point) float64 {
	return float64(q.end-p.end) / float64(max(1, q.at-p.at))
}

// when returns when the record at an offset came, and by how much that may be off:
// half the time in which it can have come, where records came evenly; else as far as
// the far end of it.
func (p piece) when(offset int64) (arrived, either float64) {
	// The middle of the record: one record in 15 s came after 7.5 s, give or take.
	arrived = p.from.until(p.to, float64(offset)+0.5)
	around := long(p.to.apart) + long(p.to.off)
	earliest, latest := max(float64(p.from.at), arrived-around), min(float64(p.to.at), arrived+around)
	if p.uneven {
		return arrived, max(0, arrived-earliest, latest-arrived)
	}
	return arrived, max(0, latest-earliest) / 2
}

// insert puts points into the line, if they agree with those that are there:
// neither time nor end may go back. What a piece leaves out, both its parts do.
func (l line) insert(points ...point) line {
	for _, p := range points {
		k := sort.Search(len(l), func(k int) bool { return l[k].at > p.at || l[k].at == p.at && l[k].end > p.end })
		switch {
		case k > 0 && (l[k-1].end > p.end || l[k-1].at == p.at && l[k-1].end == p.end), k < len(l) && l[k].end < p.end:
			continue
		case k > 0:
			p.apart = short(p.at - l[k-1].at)
		}
		if k < len(l) {
			p.off, p.apart = l[k].off, min(p.apart, l[k].apart)
			l[k].apart = min(l[k].apart, short(l[k].at-p.at))
		}
		l = slices.Insert(l, k, p)
	}
	return l
}
