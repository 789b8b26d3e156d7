package drill

import (
	"context"
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
)

// condition says what a sight shows of what the statement is about, and whether
// that is what it expects. What is not known is never what it expects.
type condition func(r *runner, s Statement, sight Sight) (seen string, met bool)

// expect returns the meaning of a line that waits for a condition.
func expect(c condition) meaning {
	return func(ctx context.Context, r *runner, s Statement) outcome {
		return r.until(ctx, s.duration, func(sight Sight) (string, bool) { return c(r, s, sight) })
	}
}

func lag(_ *runner, s Statement, sight Sight) (seen string, met bool) {
	return lagText(sight.Estimate.Lag), sight.Estimate.Lag.Complete && s.holds(float64(sight.Estimate.Lag.Records))
}

func lagText(t tidemark.Total) string {
	if t.Complete {
		return fmt.Sprintf("lag %d", t.Records)
	}
	if t.Partitions == 0 {
		return "lag not known"
	}
	return fmt.Sprintf("lag not known: %d partitions of %d not seen, %d never committed", t.Missing, t.Partitions, t.Uncommitted)
}

func members(_ *runner, s Statement, sight Sight) (seen string, met bool) {
	if !sight.MembersKnown {
		return "members not known", false
	}
	return fmt.Sprintf("members %d", sight.Members), s.holds(float64(sight.Members))
}

func needed(_ *runner, s Statement, sight Sight) (seen string, met bool) {
	replicas := sight.Estimate.Replicas
	if !replicas.Known {
		return "replicas needed not known", false
	}
	return fmt.Sprintf("replicas needed %d, useful %d", replicas.Needed, replicas.Useful), s.holds(float64(replicas.Needed))
}

func skew(_ *runner, s Statement, sight Sight) (seen string, met bool) {
	if sight.Estimate.Skew == 0 {
		return "skew not known", false
	}
	return fmt.Sprintf("skew %.1f", sight.Estimate.Skew), s.holds(sight.Estimate.Skew)
}

func state(_ *runner, s Statement, sight Sight) (seen string, met bool) {
	if sight.Estimate.State == "" {
		return "state " + string(tidemark.Unknown), s.word == string(tidemark.Unknown)
	}
	seen = "state " + string(sight.Estimate.State)
	if sight.Estimate.Because != "" {
		seen += ": " + sight.Estimate.Because
	}
	return seen, string(sight.Estimate.State) == s.word
}

// partition looks at one partition of the script's topic, or of any topic if
// the script names none.
func partition(r *runner, s Statement, sight Sight) (seen string, met bool) {
	for _, p := range sight.Estimate.Partitions {
		if p.ID != s.partition || (r.Script.Topic != "" && p.Topic != r.Script.Topic) {
			continue
		}
		seen = fmt.Sprintf("partition %d %s", p.ID, p.State)
		if p.Reason != tidemark.Fine {
			seen += " " + p.Reason.String()
		}
		return seen, string(p.State) == s.word || p.Reason.String() == s.word
	}
	return fmt.Sprintf("partition %d not seen", s.partition), false
}

// alert looks at all alerts of the name together: one that fires counts for all.
// Resolved is only what fired in this drill. That nothing is active is believed
// only of a look that saw the whole group.
func alert(r *runner, s Statement, sight Sight) (seen string, met bool) {
	current, at := alertState(sight.Alerts, s.name)
	seen = s.name + " " + string(current)
	if !at.IsZero() {
		seen += " since " + at.Format(time.TimeOnly)
	}
	quiet := current == inactive || current == tidemark.AlertResolved
	switch tidemark.AlertState(s.word) {
	case tidemark.AlertPending:
		return seen, current == tidemark.AlertPending || current == tidemark.AlertFiring
	case tidemark.AlertFiring:
		return seen, current == tidemark.AlertFiring
	case tidemark.AlertResolved:
		if !r.fired[s.name] {
			return seen + ", and it did not fire in this drill", false
		}
	}
	if quiet && !sight.Estimate.Lag.Complete {
		return seen + ", but the group is not wholly seen", false
	}
	return seen, quiet
}

// alertState returns how far the furthest alert of the name is, and since when.
func alertState(alerts []tidemark.Alert, name string) (state tidemark.AlertState, since time.Time) {
	rank := map[tidemark.AlertState]int{tidemark.AlertResolved: 1, tidemark.AlertPending: 2, tidemark.AlertFiring: 3}
	state = inactive
	for _, a := range alerts {
		if a.Name != name || rank[a.State] <= rank[state] {
			continue
		}
		moments := map[tidemark.AlertState]time.Time{
			tidemark.AlertPending: a.ActiveSince, tidemark.AlertFiring: a.FiredAt, tidemark.AlertResolved: a.ResolvedAt,
		}
		state, since = a.State, moments[a.State]
	}
	return state, since
}

// holds compares what was seen with the statement's limit.
func (s Statement) holds(value float64) bool {
	switch s.operator {
	case "<=":
		return value <= s.number
	case ">=":
		return value >= s.number
	case "<":
		return value < s.number
	case ">":
		return value > s.number
	}
	return value == s.number
}
