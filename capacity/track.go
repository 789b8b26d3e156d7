package capacity

import (
	"math"
	"time"

	"github.com/aetherlink/tidemark"
)

// track keeps the drain times that were told, until the lag is gone and it is seen
// how true they were.
type track struct {
	told    []promise
	every   time.Duration // between two that are kept
	drains  int
	errors  float64 // mean over the drains
	covered float64
}

// promise is a drain time and when it was told.
type promise struct {
	at            int64
	p10, p50, p90 time.Duration
}

const (
	promisesKept = 16 // of one drain
	drainsKept   = 64 // that count for the means
)

// observe takes in what is told at one look, and how long the rest takes where what is
// left is in flight. A lag that is gone settles what was
// told of it. One that stops falling settles nothing: what happened was not what was
// asked about. So the record is about drains that went on.
func (t *track) observe(now int64, s tidemark.State, d tidemark.Drain, rest time.Duration, w windows) {
	switch s {
	case tidemark.Draining:
		t.tell(now, d, w)
	case tidemark.CaughtUp, tidemark.Idle:
		t.settle(now+rest.Nanoseconds(), w)
		t.told = nil
	case tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		t.told = nil
	case tidemark.Steady, tidemark.Unknown:
	}
}

func (t *track) tell(now int64, d tidemark.Drain, w windows) {
	if len(t.told) == 0 {
		t.every = 0
	}
	if !d.Known || d.P50 < 2*w.look || len(t.told) > 0 && now-t.told[len(t.told)-1].at < int64(t.every) {
		return
	}
	if len(t.told) == promisesKept { // half of them, twice as far apart
		kept := t.told[:0]
		for i := 0; i < promisesKept; i += 2 {
			kept = append(kept, t.told[i])
		}
		t.told, t.every = kept, max(2*t.every, 2*w.look)
	}
	t.told = append(t.told, promise{at: now, p10: d.P10, p50: d.P50, p90: d.P90})
}

// settle compares what was told of one drain with what it took.
func (t *track) settle(gone int64, w windows) {
	off, covered, n := 0.0, 0.0, 0.0
	for _, p := range t.told {
		took := time.Duration(gone - p.at)
		if took < 2*w.look {
			continue
		}
		n++
		off += math.Abs(p.p50.Seconds()/took.Seconds() - 1)
		if p.p10 <= took && took <= p.p90 {
			covered++
		}
	}
	if n == 0 {
		return
	}
	t.drains++
	share := 1 / float64(min(t.drains, drainsKept))
	t.errors += share * (off/n - t.errors)
	t.covered += share * (covered/n - t.covered)
}

func (t *track) record() tidemark.Track {
	return tidemark.Track{Drains: t.drains, ErrorRatio: t.errors, Coverage: t.covered}
}
