package capacity

import "time"

// slots is how many looks are remembered. At looks every 15 s that is one every
// 15 s over the short window and four more over the long one.
const slots = 8

// strip holds the moments of the looks that are remembered, oldest first, in
// nanoseconds. Counters that were read at these moments keep their values in
// arrays of the same shape and follow every change by [keep].
//
// The newest moment is provisional: the next look replaces it if it came too soon
// after the one before.
type strip struct {
	at [slots]int64
	n  int
}

// newest returns the latest moment, 0 before the first.
func (s *strip) newest() int64 {
	if s.n == 0 {
		return 0
	}
	return s.at[s.n-1]
}

// add remembers one more moment and returns which one was given up for it, to be
// handed to [keep]; -1: none. Moments are kept if they are spacing apart, or in the
// beginning a quarter of what has been watched: a first answer should not wait for
// three of the usual looks if there are looks every second.
func (s *strip) add(at int64, spacing time.Duration, w windows) (dropped int) {
	if s.n > 0 {
		spacing = min(spacing, time.Duration(at-s.at[0])/4)
	}
	dropped = s.victim(at, spacing, w)
	if dropped < 0 {
		s.n++
	}
	keep(&s.at, dropped, s.n, at)
	return dropped
}

// victim chooses what to forget. Within the short window everything stays; beyond
// it the moments are thinned out where they are closest, up to the long window.
func (s *strip) victim(at int64, spacing time.Duration, w windows) int {
	switch {
	// A look that comes a tenth early is still one interval after the last.
	case s.n >= 2 && s.at[s.n-1]-s.at[s.n-2] < int64(spacing)*9/10:
		return s.n - 1
	case s.n < slots:
		return -1
	case at-s.at[0] > int64(w.long):
		return 0
	}
	best := 0
	for i := 1; i < s.n-1 && at-s.at[i] > int64(w.short)*6/5; i++ {
		if best == 0 || s.at[i+1]-s.at[i-1] < s.at[best+1]-s.at[best-1] {
			best = i
		}
	}
	return best
}

// keep makes the same change to values as [strip.add] made to the moments: what
// belonged to the dropped one goes, value is the newest of now n.
func keep[T int64 | uint8](values *[slots]T, dropped, n int, value T) {
	if dropped >= 0 {
		copy(values[dropped:n-1], values[dropped+1:n])
	}
	values[n-1] = value
}

// windows are the spans of time that rates are measured over, and the patience
// before silence means something.
type windows struct {
	short, long time.Duration // capacity.md 2.2: 60 s and 300 s
	silence     time.Duration // capacity.md 2.3: 90 s without a commit
	look        time.Duration // the interval of looks; 15 s until it was seen
}

// windowsAt returns the windows for time that runs speed times faster.
func windowsAt(speed float64) windows {
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) / speed) }
	return windows{
		short:   scaled(time.Minute),
		long:    scaled(5 * time.Minute),
		silence: scaled(90 * time.Second),
		look:    scaled(15 * time.Second),
	}
}

// patience returns how long no commit may move before that means something: three
// usual periods, and 90 s at least. Source: capacity.md 2.3.
func (w windows) patience(period time.Duration) time.Duration { return max(w.silence, 3*period) }

// ofAdvances returns the window d for commits with that period: ten periods, where
// the looks are close enough to see one. Source: capacity.md 2.3.
func (w windows) ofAdvances(d, period time.Duration) time.Duration {
	if period < w.look*3/2 {
		return d
	}
	return max(d, 10*period)
}

// gap returns after how long without a look no rate is drawn across: three
// intervals, of 15 s at least, since looks may come in pairs. Source: capacity.md 2.1.
func (w windows) gap() time.Duration { return 3 * max(w.look, w.spacing()) }

// spacing is how far apart remembered looks shall be: a quarter of the short window.
func (w windows) spacing() time.Duration { return w.short / 4 }

// quarter is a quarter of an hour.
func (w windows) quarter() time.Duration { return 15 * w.short }

// ageUnit is what the age of a commit is remembered in: 3.75 s, up to 16 minutes.
func (w windows) ageUnit() time.Duration { return w.spacing() / 4 }
