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
	// What follows only the incumbents read, which need help from the replicas: the
	// share of time that these had work since the look before, their mean and that of
	// the busiest; what they consumed per second since then, and what arrived per
	// second during the last minute.
	Busy, Busiest, Consumed, Arrived float64
}

// consumption returns what is read from a partition per second.
func (s *Sight) consumption(topic string, id int32) tidemark.Rate {
	i, found := slices.BinarySearchFunc(s.Estimate.Partitions, id, func(p tidemark.PartitionEstimate, id int32) int {
		return cmp.Or(cmp.Compare(p.Topic, topic), cmp.Compare(p.ID, id))
	})
	if !found {
		return tidemark.Rate{}
	}
	return s.Estimate.Partitions[i].Consumption
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
