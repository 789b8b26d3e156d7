package sim

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// Recording says which group of recorded looks a scenario is made of.
type Recording struct {
	Group string
	// PerReplica is what one replica reads per second; 0: what capacity.Model makes of
	// the looks, if a replica was seen that never waited.
	PerReplica float64
}

// shortestRecording is how much a recording must hold: policies look back up to an hour.
const shortestRecording = time.Hour

// Scenario makes a scenario of what arrived at a group by recorded looks. The first
// sixth of it, at most four hours, is not scored: there policies learn.
//
// Between two looks everything arrives evenly; what a look did not see is taken to have
// gone on evenly as well. How the group was read does not matter: here it is read by
// simulated replicas. 24 hours of 1,000 partitions take 100 MB.
func (r Recording) Scenario(looks iter.Seq2[*tidemark.Snapshot, error]) (*Scenario, error) {
	t := tape{group: r.Group, model: capacity.New(capacity.Options{}), places: map[place]int{}}
	for s, err := range looks {
		if err != nil && len(t.at) == 0 {
			return nil, fmt.Errorf("replay group %s: %w", r.Group, err)
		}
		if err != nil { // what was read before is good
			break
		}
		t.add(s)
	}
	perReplica := cmp.Or(r.PerReplica, t.perReplica)
	switch {
	case len(t.at) == 0:
		return nil, fmt.Errorf("replay group %s: the recording has no such group; it has %s", r.Group, t.others())
	case t.lasts() < shortestRecording:
		return nil, fmt.Errorf("replay group %s: the recording has %s of it; at least %s are needed", r.Group, t.lasts(), shortestRecording)
	case perReplica <= 0:
		return nil, errors.New("replay group " + r.Group + ": no replica was seen that never waited, so what one can read is not known; say it")
	}
	return t.scenario(perReplica), nil
}

// tape is how many records had arrived at each partition of a group, look by look.
type tape struct {
	group      string
	model      *capacity.Model
	places     map[place]int
	at         []int       // seconds since the first look
	arrived    [][]float64 // per look and partition, in the order in which they were met; NaN: not seen
	latest     []int64     // the end of each log when it was seen last
	so         []float64   // what has arrived at each
	began      time.Time
	members    int
	perReplica float64
	seen       map[string]bool // groups
}

// place is where one partition is.
type place struct {
	topic string
	id    int32
}

// add takes in a look. Two within the interval of looks count as one.
func (t *tape) add(s *tidemark.Snapshot) {
	g, known := s.Group(t.group)
	if !known {
		t.meet(s)
		return
	}
	i := slices.IndexFunc(s.Groups, func(g tidemark.Group) bool { return g.Name == t.group })
	if e := t.model.Observe(s)[i]; e.CapacityProven {
		t.perReplica = e.ReplicaCapacity.PerSecond
	}
	if len(t.at) == 0 {
		t.began, t.members = s.Began, len(g.Members)
	}
	second := int(s.Began.Sub(t.began).Seconds())
	if n := len(t.at); n > 0 && second < t.at[n-1]+lookEvery {
		return
	}
	t.at = append(t.at, second)
	t.arrived = append(t.arrived, t.row(s.Of(t.group)))
}

// row returns what has arrived at each partition by now. An end that fell says that the
// log was cut or made anew: nothing is said to have arrived meanwhile.
func (t *tape) row(rows []tidemark.Partition) []float64 {
	row := slices.Repeat([]float64{math.NaN()}, len(t.latest))
	for _, p := range rows {
		if p.Reason.Blinds() || p.LogEnd < 0 {
			continue
		}
		c := place{p.Topic, p.ID}
		i, known := t.places[c]
		if !known {
			i = len(t.latest)
			t.places[c] = i
			t.latest, t.so, row = append(t.latest, p.LogEnd), append(t.so, 0), append(row, 0)
		}
		t.so[i] += float64(max(0, p.LogEnd-t.latest[i]))
		t.latest[i], row[i] = p.LogEnd, t.so[i]
	}
	return row
}

// meet remembers which groups there are, to name them if the one asked for is not.
func (t *tape) meet(s *tidemark.Snapshot) {
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	for _, g := range s.Groups {
		t.seen[g.Name] = true
	}
}

func (t *tape) others() string {
	if len(t.seen) == 0 {
		return "none"
	}
	var names []string
	for name := range t.seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (t *tape) lasts() time.Duration {
	return time.Duration(t.at[len(t.at)-1]) * time.Second
}

// scenario makes of every two looks an era.
func (t *tape) scenario(perReplica float64) *Scenario {
	t.fill()
	length := t.at[len(t.at)-1]
	s := steady(t.group, 1, 1, nil, make([]float64, len(t.latest)))
	s.Core, s.PerReplica, s.first = true, perReplica, max(1, min(len(t.latest), t.members))
	s.length, s.warmUp = length, min(warmUp, length/6)
	s.speed = func(int) float64 { return perReplica }
	s.logs = &logs{total: make([]float64, length+1)}
	for k := range len(t.at) - 1 {
		from, to := t.at[k], t.at[k+1]
		share, all := make([]float64, len(t.latest)), 0.0
		for i := range share {
			share[i] = t.arrived[k+1][i] - t.arrived[k][i]
			all += share[i]
		}
		for i := range share {
			if all > 0 {
				share[i] /= all
			} else {
				share[i] = 1 / float64(len(share))
			}
		}
		for second := from; second < to; second++ {
			s.logs.total[second+1] = s.logs.total[second] + all/float64(to-from)
		}
		s.logs.eras = append(s.logs.eras, era{from: from, share: share, held: t.arrived[k]})
	}
	return s
}

// fill says what arrived where a look did not see: evenly between the looks around it.
func (t *tape) fill() {
	for k := range t.arrived { // partitions that came later
		for len(t.arrived[k]) < len(t.latest) {
			t.arrived[k] = append(t.arrived[k], math.NaN())
		}
	}
	for i := range t.latest {
		seen := -1
		for k := range t.arrived {
			if math.IsNaN(t.arrived[k][i]) {
				continue
			}
			t.straight(i, seen, k)
			seen = k
		}
		for k := seen + 1; k < len(t.arrived); k++ {
			t.arrived[k][i] = t.so[i]
		}
	}
}

// straight fills what is not known of partition i between two looks that saw it; from
// -1, before the first look: nothing had arrived.
func (t *tape) straight(i, from, to int) {
	for k := from + 1; k < to; k++ {
		if from < 0 {
			t.arrived[k][i] = 0
			continue
		}
		share := float64(t.at[k]-t.at[from]) / float64(t.at[to]-t.at[from])
		t.arrived[k][i] = t.arrived[from][i] + share*(t.arrived[to][i]-t.arrived[from][i])
	}
}
