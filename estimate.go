package tidemark

import "time"

// State says in one word how a group or a partition is doing.
type State string

// The states. Only the first three have an end in sight.
const (
	Idle     State = "idle"      // nothing to read, nobody (or nothing) reading
	CaughtUp State = "caught_up" // what is behind is explained by commit interval and in-flight batches
	Draining State = "draining"  // falls, net of arrivals
	Steady   State = "steady"    // behind, neither falling nor growing within noise
	Growing  State = "growing"   // arrivals exceed consumption
	Stalled  State = "stalled"   // has members, is behind, no commit moves
	Stopped  State = "stopped"   // has no members and is behind
	Unknown  State = "unknown"   // incomplete, stale, or too few observations yet
)

// States returns all states, best first.
func States() []State {
	return []State{Idle, CaughtUp, Draining, Steady, Growing, Stalled, Stopped, Unknown}
}

// Estimate is what follows from the snapshots so far about one group.
type Estimate struct {
	Cluster, Group  string
	State           State
	Because         string // one sentence with the numbers that decided
	Lag             Total
	TimeLag         TimeLag // of the worst partition
	Arrivals        Rate    // records appended to what the group reads
	Consumption     Rate    // records by which its commits advance
	ReplicaCapacity Rate    // what one replica can consume when it never waits
	CapacityProven  bool    // a replica was seen that never waited; else ReplicaCapacity is a lower bound
	Drain           Drain
	Track           Track // of the drain times told so far
	Loss            Ahead // retention deletes what the group has not read
	Breach          Breach
	Replicas        Replicas
	Reserve         Reserve
	Diagnoses       []Diagnosis         // worst first
	Skew            float64             // lag of the hottest partition over the mean of all; 0: not known, or nothing to compare
	Partitions      []PartitionEstimate // in the order of Snapshot.Of
}

// Rate is a number of records per second.
type Rate struct {
	PerSecond float64
	Error     float64 // one standard deviation of PerSecond
	Known     bool
}

// TimeLag is how long the oldest unread record has waited: Value, give or take Error.
type TimeLag struct {
	Value, Error time.Duration
	Known        bool
}

// Drain is how long until the lag is gone, net of arrivals, for the consumer that
// takes longest. It is known only for the states idle, caught_up and draining;
// for all others the state says why there is no number.
type Drain struct {
	P10, P50, P90 time.Duration
	Known         bool
	Verdict       Verdict
	Consumer      string // who takes longest
	Topic         string // and where
	Partition     int32
}

// Replicas says how many consumers there are and how many it takes.
type Replicas struct {
	Have             int // members that own something, or could
	Needed           int // for the target, before any cap
	Useful           int // what the partitions allow: the largest count that still helps
	PartitionsNeeded int // so that Needed can work at all
	Known            bool
}

// PartitionEstimate is an [Estimate] for one partition of a group.
type PartitionEstimate struct {
	Topic       string
	ID          int32
	State       State
	Reason      Reason
	TimeLag     TimeLag
	Arrivals    Rate
	Consumption Rate
}
