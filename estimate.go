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
	ThreadCapacity  Rate    // what one partition's reader can consume, where that is less; else not known
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

// Verdict says whether a lag ends, if all goes on as it does.
type Verdict string

// The verdicts; empty: nothing can be said.
const (
	Drains         Verdict = "drains"
	MayNeverDrain  Verdict = "may_never_drain" // the rates are too close to tell
	NeverDrains    Verdict = "never_drains"
	NothingToDrain Verdict = "nothing_to_drain"
)

// Ahead is how long until something happens, if all goes on as it does.
type Ahead struct {
	In    time.Duration // 0: it has happened
	Never bool          // it is not in sight; In says nothing
	Known bool
}

// Breach is how long until a threshold of the pipeline is passed; none: not known.
type Breach struct{ Lag, TimeLag Ahead }

// Reserve is which share of what the present replicas can read does not arrive, and by
// how many times what arrives may rise at once without a record too late.
type Reserve struct {
	Headroom, Jump float64
	Known          bool
}

// Track is how good the drain times were that were told and have come to their end.
type Track struct {
	Drains     int     // that ended; 0: the ratios say nothing yet
	ErrorRatio float64 // mean of |told − true| / true
	Coverage   float64 // share of the times that lay within what was told, P10 to P90
}

// Diagnosis is a cause that was found, with the numbers that say so.
type Diagnosis struct {
	Finding   Finding
	Topic     string // empty: about no single partition
	Partition int32
	Consumer  string // empty: about no single consumer
	Evidence  []Figure
	Because   string // one sentence
	RuledOut  string // what else it could have been, and why it is not
}

// Finding is what a diagnosis found.
type Finding string

// The findings.
const (
	StuckPartition  Finding = "stuck_partition"  // no commit moves on it, its owner reads elsewhere
	SickReplica     Finding = "sick_replica"     // one consumer is far slower than the others, or stands still
	HotKey          Finding = "hot_key"          // one partition gets more than one replica can read
	DownstreamLimit Finding = "downstream_limit" // more replicas read no more: what they call is the limit
	PartitionCap    Finding = "partition_cap"    // more replicas are needed than there are partitions
)

// Figure is one number of the evidence.
type Figure struct {
	Name  string
	Value float64
	Unit  string // records, records/s, seconds, ratio, replicas, partitions
}
