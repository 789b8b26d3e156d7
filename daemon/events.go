package daemon

import (
	"fmt"

	"github.com/aetherlink/tidemark"
)

// kept is how many events a view carries: a screen full, and then some.
const kept = 200

// latest puts new events behind the old ones and lets go of the oldest.
func latest(old, fresh []tidemark.Event) []tidemark.Event {
	all := append(append([]tidemark.Event(nil), old...), fresh...)
	return all[max(0, len(all)-kept):]
}

// happened compares two views that follow each other.
func happened(before, after *tidemark.View) []tidemark.Event {
	var events []tidemark.Event
	say := func(kind tidemark.EventKind, cluster, group, format string, args ...any) {
		events = append(events, tidemark.Event{At: after.At, Kind: kind, Cluster: cluster, Group: group, Text: fmt.Sprintf(format, args...)})
	}
	for _, now := range after.Observations {
		was, known := before.Observation(now.Cluster)
		if !known || was.Snapshot == nil || now.Snapshot == nil {
			continue
		}
		if (was.Failed == nil) != (now.Failed == nil) {
			say(tidemark.EventCluster, now.Cluster, "", "%s", sight(now))
		}
		if was.Snapshot == now.Snapshot {
			continue
		}
		groupsChanged(was, now, say)
	}
	alertsChanged(before, after, say)
	return events
}

type sayer func(kind tidemark.EventKind, cluster, group, format string, args ...any)

func sight(o tidemark.Observation) string {
	if o.Failed != nil {
		return "out of sight: " + o.Failed.Error()
	}
	return "in sight again"
}

// groupsChanged walks two name-ordered lists of groups side by side.
func groupsChanged(was, now tidemark.Observation, say sayer) {
	for i, g := range now.Snapshot.Groups {
		old, known := was.Snapshot.Group(g.Name)
		if !known {
			say(tidemark.EventState, now.Cluster, g.Name, "appeared")
			continue
		}
		if g.Rebalancing() != old.Rebalancing() {
			if g.Rebalancing() {
				say(tidemark.EventRebalance, now.Cluster, g.Name, "rebalance began")
			} else {
				say(tidemark.EventRebalance, now.Cluster, g.Name, "rebalance ended")
			}
		}
		if !g.Reason.Blinds() && !old.Reason.Blinds() && len(g.Members) != len(old.Members) {
			say(tidemark.EventMembers, now.Cluster, g.Name, "%d → %d", len(old.Members), len(g.Members))
		}
		e := now.Estimates[i]
		if o, known := was.Estimate(g.Name); known && o.State != e.State {
			say(tidemark.EventState, now.Cluster, g.Name, "%s → %s: %s", o.State, e.State, e.Because)
		}
	}
	for _, g := range was.Snapshot.Groups {
		if _, still := now.Snapshot.Group(g.Name); !still {
			say(tidemark.EventState, now.Cluster, g.Name, "is gone")
		}
	}
}

// alertsChanged tells each alert's way from pending to resolved.
func alertsChanged(before, after *tidemark.View, say sayer) {
	was := map[string]tidemark.AlertState{}
	for _, a := range before.Alerts {
		was[alertKey(a)] = a.State
	}
	for _, a := range after.Alerts {
		if was[alertKey(a)] != a.State {
			say(tidemark.EventAlert, a.Labels["cluster"], a.Labels["consumergroup"], "%s is %s", a.Name, a.State)
		}
	}
}

func alertKey(a tidemark.Alert) string {
	return fmt.Sprint(a.Name, a.ActiveSince.UnixNano(), a.Labels) // fmt prints maps in the order of their keys
}
