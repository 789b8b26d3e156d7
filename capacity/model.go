// Package capacity says how fast a group reads, when its lag will be gone, what is
// wrong where it will not, and how many consumers would keep up. It is arithmetic on
// snapshots.
//
// Hand every snapshot of one cluster to one [Model]. It remembers a few looks per
// log and per group, and hides how: which look is worth keeping, what a commit
// every few seconds does to a rate, when a counter began anew. [Model.Save] and
// [Model.Load] carry that over a restart. The formulas stand alone as functions
// ([Need], [Backlog.Drain], [Assign], [Balance], [Work.Choices], [Increase.Procedure]
// …); docs/model.md lists them.
//
// It has no clock, no network and no disk: time is what the snapshots say. It
// never takes what was not seen for a zero, and never draws a rate over a gap.
//
// May change until version 1.
package capacity

import (
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// Options say what the model cannot know from offsets. The zero value works.
type Options struct {
	// Target is what a group is sized for; nil or zero fields: the defaults.
	Target func(group string) tidemark.Target
	// TimeLag is how long the oldest unread record of a partition has waited at a
	// moment; nil: not known. It is asked only where records wait.
	TimeLag func(p tidemark.Partition, at time.Time) tidemark.TimeLag
	// Loss is how long until retention deletes what a group that reads no more has
	// not read; nil: not known. It is asked only where records wait.
	Loss func(p tidemark.Partition, at time.Time) tidemark.Ahead
	// Thresholds are the limits that a group shall stay within; nil: none.
	Thresholds func(group string) tidemark.Thresholds
	// Speed is how many times faster than the calendar time runs, as in the sandbox.
	// All windows, minimum durations and target drain times are divided by it; rates
	// and drain times come out in seconds of the clock that the snapshots show. 0: 1.
	Speed float64
}

// Model is what is remembered of one cluster. It is not safe for concurrent use.
type Model struct {
	options Options
	windows windows
	began   time.Time
	gaps    [3]time.Duration // between the latest looks, in no order that matters
	looks   int
	topics  map[string]*topic
	groups  map[string]*group
	crew    crew // reused from group to group
}

// New returns a model that has seen nothing yet.
func New(o Options) *Model {
	if o.Speed <= 0 {
		o.Speed = 1
	}
	return &Model{options: o, windows: windowsAt(o.Speed), topics: map[string]*topic{}, groups: map[string]*group{}}
}

// Observe takes in one more snapshot and returns an estimate for each of its
// groups, in their order. The snapshot is only read.
func (m *Model) Observe(s *tidemark.Snapshot) []tidemark.Estimate {
	m.windows.look = m.interval(s.Began)
	for i := range s.Topics {
		m.observeTopic(&s.Topics[i], s.Began)
	}
	estimates := make([]tidemark.Estimate, len(s.Groups))
	for i := range s.Groups {
		estimates[i] = m.observeGroup(s, &s.Groups[i])
	}
	m.forget(s.Began)
	return estimates
}

// interval returns the median time between the latest looks. The median lets one
// missed look be a gap, and takes a changed setting for the new normal after two.
func (m *Model) interval(began time.Time) time.Duration {
	if !m.began.IsZero() {
		m.gaps[m.looks%len(m.gaps)] = began.Sub(m.began)
		m.looks++
	}
	m.began = began
	if m.looks < len(m.gaps) {
		return m.windows.look
	}
	sorted := m.gaps
	slices.Sort(sorted[:])
	return sorted[1]
}

// forget drops what was not seen for longer than the long window. A broker that
// is away for a minute takes its groups out of a snapshot, but they are not gone.
func (m *Model) forget(now time.Time) {
	for name, t := range m.topics {
		if now.Sub(t.seen) > m.windows.long {
			delete(m.topics, name)
		}
	}
	for name, g := range m.groups {
		if now.Sub(g.seen) > m.windows.long {
			delete(m.groups, name)
		}
	}
}

func (m *Model) target(group string) tidemark.Target {
	var t tidemark.Target
	if m.options.Target != nil {
		t = m.options.Target(group)
	}
	t = WithDefaults(t)
	t.Drain = time.Duration(float64(t.Drain) / m.options.Speed)
	return t
}

func (m *Model) timeLag(p tidemark.Partition, lag int64, known bool, at time.Time) tidemark.TimeLag {
	switch {
	case !known:
		return tidemark.TimeLag{}
	case lag == 0:
		return tidemark.TimeLag{Known: true}
	case m.options.TimeLag == nil:
		return tidemark.TimeLag{}
	}
	return m.options.TimeLag(p, at)
}
