// Package policy says how many replicas a consumer group should have, and when that
// is worth a change: ours ([Tidemark]), the seed's, and those of the products that
// people use today, so that all can be compared on the same load.
//
// A policy is asked once per look and remembers what it needs of the looks before.
// It hides how: rates, recommendations of the last minutes, times of the last
// change. It only says; it changes nothing, and it has no clock, no network and no
// disk. It never asks for fewer replicas because of something that was not seen.
//
// May change until version 1.
package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
)

// Policy decides about one group. Implementations are not safe for concurrent use.
type Policy interface {
	// Decide is asked once per look, in the order of time.
	Decide(Sight) Decision
}

// Sight is what a policy may see at one look.
type Sight struct {
	At       time.Time
	Limits   Limits
	Group    tidemark.Group
	Rows     []tidemark.Partition // all of the group, by topic and id
	Estimate tidemark.Estimate    // what capacity makes of the looks so far
	Wanted   int                  // how many replicas were asked for last
	Ready    int                  // how many of these run
	// Busy is the share of time that the replicas had work since the look before,
	// the mean over them and of the busiest: what their CPU or their runtime would
	// tell. Only the policies that need such help read it.
	Busy, Busiest float64
	// Arrived and Consumed are records per second over the last minute, as told by
	// the replicas and the log; 0 where the policy reads the Estimate.
	Arrived, Consumed float64
}

// consumption returns what is read from a partition per second.
func (s *Sight) consumption(topic string, id int32) float64 {
	i, found := slices.BinarySearchFunc(s.Estimate.Partitions, id, func(p tidemark.PartitionEstimate, id int32) int {
		return cmp.Or(cmp.Compare(p.Topic, topic), cmp.Compare(p.ID, id))
	})
	if !found {
		return 0
	}
	return s.Estimate.Partitions[i].Consumption.PerSecond
}

// Limits are the bounds of the size; a policy never leaves them.
type Limits struct{ Min, Max int }

func (l Limits) clamp(n int) int { return max(l.Min, min(n, l.Max)) }

// Decision is how many replicas there should be, and why.
type Decision struct {
	Replicas int
	Because  string
}

// Always asks for the largest size, whatever happens.
type Always struct{}

// Decide implements [Policy].
func (Always) Decide(s Sight) Decision {
	return Decision{Replicas: s.Limits.Max, Because: "always the largest size"}
}

// records is the lag as products see it that take what is missing for nothing.
func records(s Sight) (total float64) {
	for _, p := range s.Rows {
		if lag, known := p.Lag(); known {
			total += float64(lag)
		}
	}
	return total
}
