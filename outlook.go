package tidemark

import "time"

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

// Breach is how long until a threshold of the group's pipeline is passed. Without a
// threshold it is not known.
type Breach struct{ Lag, TimeLag Ahead }

// Reserve is what the present replicas could bear beyond what arrives now.
type Reserve struct {
	Headroom float64 // share of what they can read that does not arrive; negative: they cannot keep up
	Jump     float64 // times what arrives now that may come at once without a record too late
	Known    bool
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
