package web

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aetherlink/tidemark"
)

// apiVersion stands in every object. It changes when a field changes its meaning.
const apiVersion = "tidemark/v1"

// Number is a number that may be unknown. Unknown is null in JSON, never 0.
type Number struct {
	Value float64
	Known bool
}

// MarshalJSON writes the shortest digits that read back as the same number.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Known || math.IsNaN(n.Value) || math.IsInf(n.Value, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, n.Value, 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *Number) UnmarshalJSON(text []byte) error {
	*n = Number{}
	if string(text) == "null" {
		return nil
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("%s is neither a number nor null", text)
	}
	*n = Number{Value: value, Known: true}
	return nil
}

// Time is a moment; the zero time is null in JSON.
type Time struct{ time.Time }

// MarshalJSON writes RFC 3339 with milliseconds, in UTC.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// Object opens every answer.
type Object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Sequence   uint64 `json:"sequence"`   // of the View; grows by one with each
	ObservedAt Time   `json:"observedAt"` // when the View was made
}

// Summary is what the whole View comes to.
type Summary struct {
	Object
	Version        string         `json:"version"`
	Demo           bool           `json:"demo"`
	Verdict        Verdict        `json:"verdict"`
	Groups         int            `json:"groups"`
	States         map[string]int `json:"states"`         // how many groups are in each state
	Lag            Lag            `json:"lag"`            // of all groups together
	TimeLag        TimeLag        `json:"timeLag"`        // the longest that is known
	TimeLagUnknown int            `json:"timeLagUnknown"` // how many groups may wait longer, for all that is known
	Slowest        Name           `json:"slowest"`        // whose time lag that is
	Alerts         AlertCount     `json:"alerts"`
	Clusters       []Cluster      `json:"clusters"`
	Events         []Event        `json:"events"` // the latest, newest first
	Errors         []Gap          `json:"errors"` // the first of what was not seen; clusters[].gaps counts all
}

// Verdict is the one sentence for who has time for one sentence.
type Verdict struct {
	Level string `json:"level" enum:"failing,unknown,behind,ok"`
	Text  string `json:"text"`
	Worst Name   `json:"worst"` // whom it is about most; empty when all is well
}

// Name names a group of a cluster.
type Name struct {
	Cluster string `json:"cluster"`
	Group   string `json:"group"`
}

// AlertCount counts the firing alerts by severity, and those that pend.
type AlertCount struct {
	Critical int `json:"critical"`
	Warning  int `json:"warning"`
	Other    int `json:"other"`
	Pending  int `json:"pending"`
}

// Cluster says how far the latest look at a cluster can be trusted.
type Cluster struct {
	Name       string `json:"name"`
	ObservedAt Time   `json:"observedAt"` // null: never seen yet
	Failed     string `json:"failed"`     // why the latest look brought nothing; empty: it did
	Look       Number `json:"lookSeconds"`
	Brokers    Number `json:"brokers"`
	BrokersUp  Number `json:"brokersUp"`
	Topics     Number `json:"topics"`
	Partitions Number `json:"partitions"` // as groups read them: one counts once for each group
	Gaps       Number `json:"gaps"`
}

// Gap is something that was not seen, and why.
type Gap struct {
	Cluster string `json:"cluster"`
	What    string `json:"what"`
	Reason  string `json:"reason"`
	Text    string `json:"text"`
}

// Lag is a lag in records and how far it is known.
type Lag struct {
	Records            Number `json:"records"` // the whole lag, or null
	Known              Number `json:"known"`   // the part of it that was seen
	Complete           bool   `json:"complete"`
	Partitions         int    `json:"partitions"`
	Missing            int    `json:"missing"`     // partitions whose lag was not seen
	Uncommitted        int    `json:"uncommitted"` // partitions never committed, no part of records
	UncommittedRecords int64  `json:"uncommittedRecords"`
	Lost               int64  `json:"lost"` // deleted by retention before they were read
}

// TimeLag is how long the oldest unread record has waited.
type TimeLag struct {
	Seconds Number `json:"seconds"`
	Error   Number `json:"error"` // give or take
}

// Rate is records per second.
type Rate struct {
	PerSecond Number `json:"perSecond"`
	Error     Number `json:"error"` // one standard deviation
}

// Drain is how many seconds until the lag is gone. All are null when the state
// says that there is no such moment.
type Drain struct {
	P10 Number `json:"p10"`
	P50 Number `json:"p50"`
	P90 Number `json:"p90"`
}

// Replicas says how many consumers there are and how many it takes.
type Replicas struct {
	Have             Number `json:"have"`
	Needed           Number `json:"needed"`
	Useful           Number `json:"useful"`
	PartitionsNeeded Number `json:"partitionsNeeded"`
}

// Row is a group in a list. It holds no slice and no pointer, so that == says
// whether anything about it has changed.
type Row struct {
	Cluster     string         `json:"cluster"`
	Group       string         `json:"group"`
	Type        string         `json:"type"`
	Phase       string         `json:"phase"`
	State       tidemark.State `json:"state"`
	Since       Time           `json:"since"` // the state, as far as this process has watched
	Because     string         `json:"because"`
	Reason      string         `json:"reason"`     // why the latest look did not see it whole
	Fresh       bool           `json:"fresh"`      // seen in the cluster's latest look
	ObservedAt  Time           `json:"observedAt"` // when its commits were told
	Lag         Lag            `json:"lag"`
	TimeLag     TimeLag        `json:"timeLag"`
	Arrivals    Rate           `json:"arrivals"`
	Consumption Rate           `json:"consumption"`
	Slope       Number         `json:"slope"` // records per second by which the lag grows
	Drain       Drain          `json:"drain"`
	Replicas    Replicas       `json:"replicas"`
	Capacity    Rate           `json:"replicaCapacity"` // what one replica reads when it never waits
	Headroom    Number         `json:"headroom"`        // share of what the replicas can read that does not arrive; negative: they cannot keep up
	Skew        Number         `json:"skew"`
	Members     Number         `json:"members"`
	Alerts      int            `json:"alerts"`   // firing now
	Pipeline    string         `json:"pipeline"` // that watches the group; empty: none
	Owner       string         `json:"owner"`    // of the pipeline
}

// Group is a row and its latest totals, oldest first; null where none was complete.
type Group struct {
	Row
	Trend []Number `json:"trend"`
}

// GroupList is every group of every cluster.
type GroupList struct {
	Object
	Groups []Group `json:"groups"`
	Errors []Gap   `json:"errors"`
}

// GroupDetail is all about one group.
type GroupDetail struct {
	Object
	Group       Group       `json:"group"`
	Explanation Explanation `json:"explanation"`
	Assignor    string      `json:"assignor"`
	Thresholds  Thresholds  `json:"thresholds"`
	Partitions  []Partition `json:"partitions"`
	Members     []Member    `json:"members"`
	Alerts      []Alert     `json:"alerts"`
	Events      []Event     `json:"events"`
	Errors      []Gap       `json:"errors"`
}

// Explanation says in words what is wrong, why, and what to do.
type Explanation struct {
	Headline string   `json:"headline"`
	Facts    []Fact   `json:"facts"`
	Takes    string   `json:"takes"`   // what it takes to meet the target; empty: not known
	Allows   string   `json:"allows"`  // what the partitions allow, if that is less
	Options  []Option `json:"options"` // best first
}

// Fact is one line of an explanation.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Option is something that one could do.
type Option struct {
	Text    string `json:"text"`
	Command string `json:"command"` // to type for it; empty: there is none
}

// Plan is what would be with other replicas, partitions or arrivals, if the load
// is spread evenly.
type Plan struct {
	Object
	Cluster       string    `json:"cluster"`
	Group         string    `json:"group"`
	Replicas      int       `json:"replicas"`
	ReplicasNow   Number    `json:"replicasNow"`
	Partitions    int       `json:"partitions"`
	PartitionsNow int       `json:"partitionsNow"`
	Backlog       Number    `json:"backlog"`
	Arrivals      Number    `json:"arrivals"` // records per second, assumed
	Capacity      Rate      `json:"replicaCapacity"`
	Together      Number    `json:"together"` // what all replicas read, in records per second
	Net           Number    `json:"net"`      // together less arrivals
	Drain         Drain     `json:"drain"`
	Target        Number    `json:"targetSeconds"`
	Utilisation   Number    `json:"utilisation"` // how much of a replica the need counts on
	Needed        Number    `json:"needed"`      // replicas that meet the target
	Met           bool      `json:"met"`         // the plan meets the target
	Text          string    `json:"text"`
	Commands      []Command `json:"commands"` // what to type for it
}

// Command is a line to type, for those who have the named tool.
type Command struct {
	As   string `json:"as"`
	Text string `json:"text"`
}

// Thresholds are those of the group's pipeline; null where it sets none.
type Thresholds struct {
	LagRecords Number `json:"lagRecords"`
	Drain      Number `json:"drain"`
	TimeLag    Number `json:"timeLag"`
	Skew       Number `json:"skew"`
	MembersMin Number `json:"membersMin"`
}

// Partition is one partition as the group reads it. What an open transaction
// holds back begins at stable: who reads only what is committed cannot go on.
type Partition struct {
	Topic       string         `json:"topic"`
	ID          int32          `json:"id"`
	State       tidemark.State `json:"state"`
	Reason      string         `json:"reason"`
	LogStart    Number         `json:"logStart"`
	Committed   Number         `json:"committed"` // null: never, or not seen; the reason says which
	LogEnd      Number         `json:"logEnd"`
	Lag         Number         `json:"lag"`
	Lost        Number         `json:"lost"`       // deleted by retention before they were read
	Leader      Number         `json:"leader"`     // broker; -1: there is none; null: not seen
	ObservedAt  Time           `json:"observedAt"` // when the leader told the end
	HeldSince   Time           `json:"heldSince"`  // an open transaction holds readers back; null: none is known to
	Stable      Number         `json:"stable"`     // where it holds them
	TimeLag     TimeLag        `json:"timeLag"`
	Arrivals    Rate           `json:"arrivals"`
	Consumption Rate           `json:"consumption"`
	Owner       string         `json:"owner"` // id of the member; empty: nobody
}

// Member is one consumer of the group.
type Member struct {
	ID         string `json:"id"`
	InstanceID string `json:"instanceId"`
	Client     string `json:"client"`
	Host       string `json:"host"`
	Partitions int    `json:"partitions"`
	Lag        Number `json:"lag"` // of what it owns, if all of that is known
}

// Alert is one rule's verdict about one set of labels.
type Alert struct {
	Name             string            `json:"name"`
	State            string            `json:"state" enum:"pending,firing,resolved"`
	Severity         string            `json:"severity"`
	Labels           map[string]string `json:"labels"`
	Annotations      map[string]string `json:"annotations"`
	Value            Number            `json:"value"`
	ActiveSince      Time              `json:"activeSince"`
	FiredAt          Time              `json:"firedAt"`
	ResolvedAt       Time              `json:"resolvedAt"`
	DataMissingSince Time              `json:"dataMissingSince"`
}

// AlertList is every alert that is active or was resolved just now.
type AlertList struct {
	Object
	Alerts []Alert `json:"alerts"`
	Errors []Gap   `json:"errors"`
}

// Event is something that happened.
type Event struct {
	At      Time   `json:"at"`
	Kind    string `json:"kind"`
	Cluster string `json:"cluster"`
	Group   string `json:"group"` // empty: about the cluster
	Text    string `json:"text"`
}

// Snapshot opens a stream: all of it.
type Snapshot struct {
	Object
	Summary Summary `json:"summary"`
	Groups  []Group `json:"groups"`
}

// Patch is what has changed since the snapshot or patch before it. A group that
// only grew older is not in it: if it is fresh, it was observed with its cluster.
// Nor are trends: whoever keeps them adds the present total of each group of a
// cluster whose observedAt moved on.
type Patch struct {
	Object
	Summary Summary `json:"summary"`
	Groups  []Row   `json:"groups"`
	Gone    []Name  `json:"gone"`
}

// ClusterList is every cluster, and how far what is shown of it can be trusted.
type ClusterList struct {
	Object
	Clusters []ClusterDetail `json:"clusters"`
}

// ClusterDetail is all about one cluster's latest look.
type ClusterDetail struct {
	Cluster
	Nodes    []Broker       `json:"nodes"`
	States   map[string]int `json:"states"`   // how many groups are in each state
	Requests []RequestCount `json:"requests"` // since its collector was opened
	Errors   []Gap          `json:"errors"`   // the first 200
}

// Broker is one broker of a cluster, also for a while after it has left.
type Broker struct {
	ID      int32  `json:"id"`
	Address string `json:"address"`
	Up      bool   `json:"up"`     // it answered in the latest look
	LeftAt  Time   `json:"leftAt"` // null: it is a member
}

// RequestCount is how many requests of one API a cluster was sent.
type RequestCount struct {
	API   string `json:"api"`
	Count int64  `json:"count"`
}

// Topology says which groups read which topics.
type Topology struct {
	Object
	Topics []Topic `json:"topics"`
	Reads  []Read  `json:"reads"`
	Errors []Gap   `json:"errors"`
}

// Topic is a topic and how its partitions are.
type Topic struct {
	Cluster    string `json:"cluster"`
	Name       string `json:"name"`
	Partitions int    `json:"partitions"`
	Leaderless Number `json:"leaderless"` // partitions without a leader; null: not all were seen
	OutOfSync  Number `json:"outOfSync"`  // partitions with replicas out of sync
}

// Read is one topic as one group reads it.
type Read struct {
	Cluster    string `json:"cluster"`
	Topic      string `json:"topic"`
	Group      string `json:"group"`
	Partitions int    `json:"partitions"`
	Lag        Lag    `json:"lag"`
	Arrivals   Number `json:"arrivals"` // records per second; null unless known for every partition
}

// DrillList is what can be drilled, and what came of it.
type DrillList struct {
	Object
	Drills []Drill `json:"drills"`
}

// Drill is one drill and its reports, newest first.
type Drill struct {
	Name    string        `json:"name"`
	Title   string        `json:"title"`
	Reports []DrillReport `json:"reports"`
}

// DrillReport is what a drill showed; `tidemark drill run -o json` writes the same.
type DrillReport struct {
	Drill     string      `json:"drill"`
	Title     string      `json:"title"`
	Group     string      `json:"group"`
	Topic     string      `json:"topic"`
	StartedAt Time        `json:"startedAt"`
	Took      Number      `json:"tookSeconds"`
	Passed    bool        `json:"passed"`
	Drain     *DrillDrain `json:"drain"` // null: none was measured to its end
	Steps     []DrillStep `json:"steps"`
}

// DrillDrain is a drain as a drill measured it.
type DrillDrain struct {
	From     Number `json:"fromRecords"`
	Took     Number `json:"tookSeconds"`
	Replicas Number `json:"replicas"`
	Capacity Number `json:"replicaCapacityPerSecond"`
	Error    Number `json:"replicaCapacityErrorPerSecond"`
}

// DrillStep is one line of a drill, carried out.
type DrillStep struct {
	Number  int    `json:"number"`
	Text    string `json:"text"`
	Verdict string `json:"verdict"`
	Seen    string `json:"seen"`
	Took    Number `json:"tookSeconds"`
}

// Replay is what an alert would have done over a time that history keeps.
type Replay struct {
	Object
	Rule      string   `json:"rule"`
	For       Number   `json:"forSeconds"`
	From      Time     `json:"from"`
	To        Time     `json:"to"`
	Firings   []Firing `json:"firings"`     // oldest first
	Threshold Number   `json:"threshold"`   // which would at least have halved the firings; null: none would
	Hold      Number   `json:"holdSeconds"` // the same, for how long it must hold
}

// Firing is one time that an alert would have fired about one thing.
type Firing struct {
	Labels   map[string]string `json:"labels"`
	ActiveAt Time              `json:"activeAt"` // the condition began to hold
	FiredAt  Time              `json:"firedAt"`
	EndedAt  Time              `json:"endedAt"` // null: it still fired at the end
	Worst    Number            `json:"worst"`   // the value farthest beyond the threshold
}
