package tidemark

import (
	"cmp"
	"slices"
	"time"
)

// Offsets that are no positions in a log.
const (
	Uncommitted int64 = -1 // the group never committed here
	Unseen      int64 = -2 // nobody told us
)

// Snapshot is what one look at a cluster saw, and what it did not see.
type Snapshot struct {
	Cluster      string
	Began, Ended time.Time
	Brokers      []Broker    // by id
	Topics       []Topic     // by name
	Groups       []Group     // by name
	Partitions   []Partition // by group, topic, id
	Gaps         []Gap
	Requests     []RequestCount // by API; they only grow while one collector lives
}

// Broker is one member of the cluster. Up says whether it answered in this look.
// One that has left stays for a while: a broker that is gone shall not look as if
// there had never been one.
type Broker struct {
	ID      int32
	Address string    // host:port
	Up      bool      // false also once it has left
	Left    time.Time // when the cluster no longer named it; zero: it is a member
}

// RequestCount is how many requests of one API the cluster was sent since its
// collector was opened. What one look cost is the difference of two snapshots.
type RequestCount struct {
	API string
	N   int64
}

// Topic is a topic and its log.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []Log // by id
	// How long records are kept, and whether only the latest of each key stay. Zero:
	// for ever, or not told: that takes the right to describe configurations.
	Retention time.Duration
	Compacted bool
}

// Log is one partition of a topic, whoever reads it.
type Log struct {
	ID               int32
	Leader           int32 // -1: none
	LeaderEpoch      int32
	PreferredLeader  int32
	Replicas, InSync int
	Start, End       int64     // first offset kept, and one past the last visible record (the high watermark); Unseen
	At               time.Time // when the leader told End
	Reason           Reason    // why Start or End may be old or Unseen
	// Held says since when an open transaction stops those who read committed
	// records only at Stable, before End. Zero: none does, or none was seen yet.
	Held   time.Time
	Stable int64
}

// Group is a consumer group and who is in it.
type Group struct {
	Name        string
	Type        string // classic, consumer, share, streams
	Phase       string // the broker's word: Stable, Empty, PreparingRebalance, CompletingRebalance, Assigning, Reconciling, Dead
	Assignor    string // range, cooperative-sticky, uniform …
	Coordinator int32
	Members     []Member  // by id
	At          time.Time // when the coordinator told the commits
	Moved       time.Time // when a look first found a commit changed; zero: none has since the collector was opened
	Reason      Reason    // why commits may be old or missing
	Unmet       Reason    // why Members may be old or missing
	Lost        int64     // records deleted before the group had read them, since the collector was opened
}

// Rebalancing says whether the group is between two assignments.
func (g Group) Rebalancing() bool {
	switch g.Phase {
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		return true
	}
	return false
}

// Member is one consumer in a group.
type Member struct {
	ID, InstanceID, Client, Host string
	Assigned                     []Assignment
}

// Assignment is what one member owns of one topic.
type Assignment struct {
	Topic      string
	Partitions []int32
}

// Gap is something that a look did not see, and why.
type Gap struct {
	What   string // "groups of broker 2", "end offsets of topic orders"
	Reason Reason
	Err    error
}

// Partition is one partition as one group reads it. A partition is here when the
// group has committed on its topic or owns it. With Reason Unreachable or Denied
// the offsets are the last known ones, or Unseen. LogEnd is where the log ended when
// the group's commits were told, by interpolation between two looks; [Log.End] is
// later by as much as the leader was asked later.
type Partition struct {
	Group, Topic                string
	ID                          int32
	Reason                      Reason
	LogStart, Committed, LogEnd int64
	// Finished counts the records after Committed that are done: members of a share
	// group finish in any order, and Committed is the first that is not. Else 0.
	Finished int64
}

// Lag returns how many records the group still can read here.
//
// It is known only if everything it follows from was seen in this look. Commit
// 400 of a log 0..1000 is a lag of 600. A commit below the log start counts from
// the log start: what retention has deleted cannot be read any more ([Partition.Lost]).
// A partition that was never committed has no lag, unless its log is empty: then 0.
// A commit beyond the end says that the log was cut or made anew: not known.
func (p Partition) Lag() (records int64, known bool) {
	if p.Reason.Blinds() || p.LogEnd < 0 || p.LogStart < 0 {
		return 0, false
	}
	switch {
	case p.Committed == Uncommitted:
		return 0, p.LogEnd == p.LogStart
	case p.Committed < 0 || p.Committed > p.LogEnd:
		return 0, false
	}
	return p.LogEnd - max(p.Committed, p.LogStart) - p.Finished, true
}

// Lost returns how many records retention deleted before the group had read them.
func (p Partition) Lost() int64 {
	if p.Committed < 0 || p.LogStart <= p.Committed {
		return 0
	}
	return p.LogStart - p.Committed
}

// Total is the lag of several partitions together.
type Total struct {
	Records            int64 // sum of what is known
	Partitions         int   // how many there are
	Missing            int   // of these, how many have a lag that is not known though committed
	Uncommitted        int   // of these, how many were never committed; they are no part of Records
	UncommittedRecords int64 // what those hold: an upper bound of what would be read
	Lost               int64
	// Complete says that Records is the whole lag. It is false as soon as one
	// partition is missing, and when there is nothing but uncommitted records.
	Complete bool
}

// Add counts one more partition. Start from Total{Complete: true}.
func (t *Total) Add(p Partition) {
	t.Partitions++
	t.Lost += p.Lost()
	lag, known := p.Lag()
	switch {
	case known:
		t.Records += lag
	case p.Committed == Uncommitted && !p.Reason.Blinds() && p.LogEnd >= 0 && p.LogStart >= 0:
		t.Uncommitted++
		t.UncommittedRecords += p.LogEnd - p.LogStart
	default:
		t.Missing++
	}
	t.complete()
}

// Join counts the partitions of another total too. Start from Total{Complete: true}.
func (t *Total) Join(o Total) {
	t.Records += o.Records
	t.Partitions += o.Partitions
	t.Missing += o.Missing
	t.Uncommitted += o.Uncommitted
	t.UncommittedRecords += o.UncommittedRecords
	t.Lost += o.Lost
	t.complete()
}

func (t *Total) complete() {
	t.Complete = t.Missing == 0 && (t.Uncommitted == 0 || t.Uncommitted < t.Partitions)
}

// Of returns the partitions of one group, by topic and id.
func (s *Snapshot) Of(group string) []Partition {
	byGroup := func(p Partition, g string) int { return cmp.Compare(p.Group, g) }
	from, found := slices.BinarySearchFunc(s.Partitions, group, byGroup)
	if !found {
		return nil
	}
	to := from
	for to < len(s.Partitions) && s.Partitions[to].Group == group {
		to++
	}
	return s.Partitions[from:to:to]
}

// Group returns a group of the snapshot.
func (s *Snapshot) Group(name string) (Group, bool) {
	return named(s.Groups, name, func(g Group) string { return g.Name })
}

// Topic returns a topic of the snapshot.
func (s *Snapshot) Topic(name string) (Topic, bool) {
	return named(s.Topics, name, func(t Topic) string { return t.Name })
}

// Total returns the lag of a group over all its partitions. It is complete only
// if the group's commits were seen in this look and every partition's lag is known.
func (s *Snapshot) Total(g Group) Total {
	t := Total{Complete: true}
	for _, p := range s.Of(g.Name) {
		t.Add(p)
	}
	t.Complete = t.Complete && !g.Reason.Blinds()
	return t
}
