package web

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aetherlink/tidemark"
)

const (
	trendPoints = 60 // a quarter of an hour at a look each 15 s: what a sparkline can show
	shownErrors = 20 // of each answer; the clusters' counts tell of the rest
	shownEvents = 30
)

// moment is one View as answers need it. It is never changed, except that
// superseded is closed when the next one takes its place.
type moment struct {
	view       *tidemark.View // nil before the first
	summary    Summary
	rows       []row // in the order of clusters, then by name
	at         map[Name]int
	watchers   []watcher
	superseded chan struct{}

	opening   func() (event, error)            // for who begins to read
	following func(old *moment) (event, error) // for who has read old
}

// row is a group and what a stream needs to know about it.
type row struct {
	Group
	changed uint64 // the sequence since when the row is as it is
}

// first is the moment before anything was published.
func first(o Options) *moment {
	summary := Summary{Version: o.Version, Demo: o.Demo, States: map[string]int{}, Clusters: []Cluster{}, Events: []Event{}, Errors: []Gap{}}
	summary.Object = Object{APIVersion: apiVersion, Kind: "View"}
	summary.Verdict = Verdict{Level: "unknown", Text: "Waiting for the first look at Kafka."}
	m := &moment{summary: summary, superseded: make(chan struct{})}
	m.share(m)
	return m
}

// next turns a View into the moment after m. It costs time by the number of
// groups, not of partitions.
func (m *moment) next(v *tidemark.View) *moment {
	n := &moment{view: v, at: map[Name]int{}, watchers: watchersOf(v.Pipelines), superseded: make(chan struct{})}
	firing := firingByGroup(v.Alerts)
	for _, o := range v.Observations {
		if o.Snapshot == nil {
			continue
		}
		before, seen := m.snapshot(o.Cluster)
		looked := !seen || before != o.Snapshot
		for _, g := range o.Snapshot.Groups {
			name := Name{o.Cluster, g.Name}
			r := row{Group: Group{Row: rowOf(o, g)}}
			watched := n.pipeline(name)
			r.Alerts, r.Pipeline, r.Owner = firing[name], watched.Name, watched.Owner
			m.carry(&r, name, v, looked)
			n.at[name] = len(n.rows)
			n.rows = append(n.rows, r)
		}
	}
	n.summary = n.summarize(m.summary)
	n.share(m)
	return n
}

// carry hands on what m remembers of a group: since when, the trend, and whether
// anything has changed. Its age alone is no change.
func (m *moment) carry(r *row, name Name, v *tidemark.View, looked bool) {
	r.Since, r.changed = Time{v.At}, m.summary.Sequence+1
	if i, known := m.at[name]; known {
		old := m.rows[i]
		r.Trend = old.Trend
		if old.State == r.State {
			r.Since = old.Since
		}
		same := old.Row
		same.ObservedAt = r.ObservedAt
		if same == r.Row {
			r.changed = old.changed
		}
	}
	if looked {
		kept := r.Trend[max(0, len(r.Trend)-trendPoints+1):]
		r.Trend = append(slices.Clone(kept), r.Lag.Records)
	}
}

func (m *moment) snapshot(cluster string) (*tidemark.Snapshot, bool) {
	if m.view == nil {
		return nil, false
	}
	o, found := m.view.Observation(cluster)
	return o.Snapshot, found && o.Snapshot != nil
}

// summarize adds the moment up. Version and demo come from the summary before.
func (m *moment) summarize(before Summary) Summary {
	s := Summary{Version: before.Version, Demo: before.Demo, Groups: len(m.rows), States: map[string]int{}, Clusters: []Cluster{}}
	s.Object = Object{apiVersion, "View", before.Sequence + 1, Time{m.view.At}}
	for _, o := range m.view.Observations {
		s.Clusters = append(s.Clusters, clusterOf(o))
	}
	total, complete, known := tidemark.Total{}, len(m.rows) > 0, false
	for _, r := range m.rows {
		s.States[string(r.State)]++
		complete = complete && r.Lag.Complete
		known = known || r.Lag.Known.Known
		add(&total, r.Lag)
		if !r.Fresh || !r.TimeLag.Seconds.Known {
			s.TimeLagUnknown++
		} else if !s.TimeLag.Seconds.Known || r.TimeLag.Seconds.Value > s.TimeLag.Seconds.Value {
			s.TimeLag, s.Slowest = r.TimeLag, Name{r.Cluster, r.Row.Group}
		}
	}
	total.Complete = complete && !m.blind()
	s.Lag = lagOf(total, known)
	s.Alerts = countAlerts(m.view.Alerts)
	s.Events = eventsOf(m.view.Events, func(tidemark.Event) bool { return true })
	s.Errors = gapsOf(shownErrors, m.view.Observations...)
	s.Verdict = m.verdict()
	return s
}

func add(t *tidemark.Total, l Lag) {
	t.Records += int64(l.Known.Value)
	t.Partitions += l.Partitions
	t.Missing += l.Missing
	t.Uncommitted += l.Uncommitted
	t.UncommittedRecords += l.UncommittedRecords
	t.Lost += l.Lost
}

// blind says whether a whole cluster was not seen in its latest look.
func (m *moment) blind() bool {
	return slices.ContainsFunc(m.view.Observations, func(o tidemark.Observation) bool { return o.Snapshot == nil || o.Failed != nil })
}

// waits says, one line each, which clusters have not been seen yet and why.
func (m *moment) waits() []string {
	if m.view == nil {
		return []string{"no look at Kafka has ended yet"}
	}
	var lines []string
	for _, o := range m.view.Observations {
		switch {
		case o.Snapshot != nil:
		case o.Failed != nil:
			lines = append(lines, fmt.Sprintf("cluster %s: %v", o.Cluster, o.Failed))
		default:
			lines = append(lines, fmt.Sprintf("cluster %s: the first look has not ended yet", o.Cluster))
		}
	}
	return lines
}

// severity orders groups by how much they need somebody, most first.
func severity(r Row) int {
	switch r.State {
	case tidemark.Growing, tidemark.Stalled, tidemark.Stopped:
		return 3
	case tidemark.Unknown:
		return 2
	case tidemark.Steady, tidemark.Draining:
		return 1
	case tidemark.CaughtUp, tidemark.Idle:
	}
	return 0
}

// verdict says the most urgent thing that is true of the moment.
func (m *moment) verdict() Verdict {
	if waits := m.waits(); len(waits) > 0 {
		return Verdict{Level: "unknown", Text: "Not everything has been seen: " + waits[0] + "."}
	}
	if len(m.rows) == 0 {
		return Verdict{Level: "unknown", Text: "Kafka answers, but no consumer group is visible yet."}
	}
	worst := slices.MaxFunc(m.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(severity(a.Row), severity(b.Row)), cmp.Compare(a.Lag.Known.Value, b.Lag.Known.Value))
	})
	level := severity(worst.Row)
	n, all := 0, len(m.rows)
	for _, r := range m.rows {
		if severity(r.Row) == level {
			n++
		}
	}
	part, of := count(int64(n)), many(all, "group")
	v := Verdict{Level: "ok", Text: fmt.Sprintf("All %s keep up.", of)}
	if all == 1 {
		v.Text = "The one group keeps up."
	}
	switch {
	case level == 3:
		v = Verdict{Level: "failing", Text: fmt.Sprintf("%s of %s will not catch up.", part, of)}
	case level == 2:
		v = Verdict{Level: "unknown", Text: fmt.Sprintf("%s of %s cannot be judged yet.", part, of)}
	case m.blind():
		return Verdict{Level: "unknown", Text: "The latest look failed; what follows is what was seen last."}
	case level == 1:
		v = Verdict{Level: "behind", Text: fmt.Sprintf("%s of %s are behind; none of them grows.", part, of)}
	}
	if level > 0 {
		v.Worst = Name{worst.Cluster, worst.Row.Group}
	}
	return v
}
