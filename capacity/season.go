package capacity

import (
	"math"

	"github.com/aetherlink/tidemark/saved"
)

// season remembers what arrived at a group in each quarter of an hour of a week, and
// how well that told the next. It is used only where it told better than the present
// level alone. Source: capacity.md 2.2, forecast.
type season struct {
	quarters []float32 // by quarter of the week, records per second; below 0: not seen
	quarter  int64     // the one that runs, counted from the epoch
	sum      float64
	looks    int
	ahead    [horizon][views]float64 // what was foretold for the next quarters
	errors   [views]float64          // faded mean of what each view missed
	tried    int
}

const (
	quartersADay  = 96
	quartersAWeek = 7 * quartersADay
	horizon       = 2  // quarters ahead at which the views are compared
	proves        = 24 // quarters after which their record counts
)

// The views of what comes: as now, as at this time yesterday, as a week ago.
const (
	asNow = iota
	asYesterday
	asLastWeek
	views
)

// observe takes in what arrives at a moment.
func (s *season) observe(at int64, perSecond float64, w windows) {
	quarter := at / int64(w.quarter())
	if s.looks > 0 && quarter != s.quarter {
		s.close(quarter)
	}
	s.quarter = quarter
	s.sum += perSecond
	s.looks++
}

// close ends the quarter that ran. Quarters that nobody watched are not known.
func (s *season) close(next int64) {
	if s.quarters == nil {
		s.quarters = make([]float32, quartersAWeek)
		for i := range s.quarters {
			s.quarters[i] = -1
		}
	}
	seen := s.sum / float64(s.looks)
	s.judge(seen)
	lastWeek := s.at(s.quarter)
	s.quarters[s.quarter%quartersAWeek] = float32(seen)
	s.ahead[0] = s.ahead[1]
	s.ahead[1] = [views]float64{seen, s.like(seen, s.at(s.quarter-quartersADay), s.at(s.quarter+horizon-quartersADay)), s.like(seen, lastWeek, s.at(s.quarter+horizon))}
	if gap := next - s.quarter; gap > 1 {
		for q := s.quarter + 1; q < next && q <= s.quarter+quartersAWeek; q++ {
			s.quarters[q%quartersAWeek] = -1
		}
		s.ahead = [horizon][views]float64{}
	}
	s.sum, s.looks = 0, 0
}

func (s *season) at(quarter int64) float64 {
	if s.quarters == nil || quarter < 0 {
		return -1
	}
	return float64(s.quarters[quarter%quartersAWeek])
}

// like is what comes if it goes on as it did before: as much more as it was then, at
// most ten times. What is not known of then is as now.
func (s *season) like(now, then, thenAhead float64) float64 {
	if then <= 0 || thenAhead < 0 {
		return now
	}
	return now * min(10, max(0.1, thenAhead/then))
}

// judge holds what was foretold two quarters ago against what was seen.
func (s *season) judge(seen float64) {
	if s.ahead[0] == [views]float64{} {
		return
	}
	s.tried++
	share := 1 / float64(min(s.tried, quartersADay))
	for v, told := range s.ahead[0] {
		s.errors[v] += share * (math.Abs(told-seen) - s.errors[v])
	}
}

// over returns how many times what arrives now is to arrive on average over a time
// from now on.
func (s *season) over(seconds float64, w windows) float64 {
	quarters := int(min(seconds/w.quarter().Seconds(), quartersADay/2)) + 1
	sum := 0.0
	for q := range quarters {
		sum += s.after(q)
	}
	return sum / float64(quarters)
}

// after returns how many times what arrives now is to arrive after some quarters of an
// hour: 1 while the past has not told better than the present by a tenth.
func (s *season) after(quarters int) float64 {
	back, best := int64(quartersADay), s.errors[asYesterday]
	if s.errors[asLastWeek] < best {
		back, best = quartersAWeek, s.errors[asLastWeek]
	}
	if s.tried < proves || best > 0.9*s.errors[asNow] {
		return 1
	}
	return s.like(1, s.at(s.quarter-back), s.at(s.quarter+int64(quarters)-back))
}

func (s *season) save(w *saved.Writer) {
	w.Int(s.quarter)
	w.Float(s.sum)
	w.Uint(uint64(s.looks))
	w.Uint(uint64(s.tried))
	for v := range views {
		w.Float(s.errors[v])
		w.Float(s.ahead[0][v])
		w.Float(s.ahead[1][v])
	}
	w.Uint(uint64(len(s.quarters)))
	for _, q := range s.quarters {
		w.Uint(uint64(math.Float32bits(q)))
	}
}

func loadSeason(r *saved.Reader) (s season) {
	s.quarter, s.sum, s.looks, s.tried = r.Int(), max(0, r.Float()), int(r.Uint()%(1<<30)), int(r.Uint()%(1<<30))
	for v := range views {
		s.errors[v], s.ahead[0][v], s.ahead[1][v] = max(0, r.Float()), max(0, r.Float()), max(0, r.Float())
	}
	for range r.Count(quartersAWeek) {
		q := math.Float32frombits(uint32(r.Uint()))
		if !(q >= -1 && q < math.MaxFloat32) { // the negation refuses what is no number
			r.Refuse()
		}
		s.quarters = append(s.quarters, q)
	}
	if n := len(s.quarters); n != 0 && n != quartersAWeek || s.quarter < 0 {
		r.Refuse()
	}
	return s
}
