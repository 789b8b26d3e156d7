// Package drill makes trouble on purpose and checks that it is noticed and that
// things recover: stop the consumers, let lag grow, see the alert, start them
// again, compare the drain with what was predicted.
//
// A drill is a text file, one verb a line ([Parse]); docs/drills.md has all
// verbs. [Run] walks through it in a [World] and hands back a [Report]. The
// package hides the language, the polling, and what counts as met. It never
// touches anything itself: whatever it does or sees goes through the World.
// What is not known never meets an expectation.
//
// May change until version 1.
package drill

import (
	"context"
	"time"

	"github.com/aetherlink/tidemark"
)

// World is what a drill acts on and looks at.
type World interface {
	// Do returns when the action is done: consumers are gone or asked to start,
	// records are acknowledged.
	Do(ctx context.Context, a Action) error
	// Look says what is seen at present of the group that the drill is about.
	Look(ctx context.Context) (Sight, error)
}

// Action is something that a drill does to the world.
type Action struct {
	Verb      Verb
	Count     int           // Publish: how many records; Scale: to how many consumers
	Over      time.Duration // Publish: spread evenly over this time; 0: at once
	Key       string        // Publish: the key of all records; empty: spread over the partitions
	Partition int32         // Freeze, Thaw
}

// Verb is what an action does.
type Verb string

// The verbs that act.
const (
	Stop    Verb = "stop"    // all consumers of the group
	Start   Verb = "start"   // as many consumers as there were before Stop
	Scale   Verb = "scale"   // to Count consumers
	Publish Verb = "publish" // Count records
	Freeze  Verb = "freeze"  // whoever owns Partition stops working on it, and stays in the group
	Thaw    Verb = "thaw"
)

// Sight is what one look saw of the group.
type Sight struct {
	At           time.Time // when the look began, by the clock of this process
	Estimate     tidemark.Estimate
	Members      int
	MembersKnown bool
	Alerts       []tidemark.Alert // about this group, or about no group
}

// SightOf returns what a view shows of one group. While the latest look at the
// cluster brought nothing, lag, members and drain time are not known.
func SightOf(v *tidemark.View, cluster, group string) Sight {
	s := Sight{Alerts: alertsAbout(v, cluster, group)}
	o, found := v.Observation(cluster)
	if !found || o.Failed != nil || o.Snapshot == nil {
		return s
	}
	s.At = o.Snapshot.Began
	s.Estimate, _ = o.Estimate(group)
	g, found := o.Snapshot.Group(group)
	s.Members, s.MembersKnown = len(g.Members), found && !g.Unmet.Blinds()
	return s
}

func alertsAbout(v *tidemark.View, cluster, group string) (about []tidemark.Alert) {
	for _, a := range v.Alerts {
		if (a.Labels["cluster"] == "" || a.Labels["cluster"] == cluster) &&
			(a.Labels["consumergroup"] == "" || a.Labels["consumergroup"] == group) {
			about = append(about, a)
		}
	}
	return about
}
