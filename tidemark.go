// Package tidemark holds the words that the parts of Tidemark exchange: what was
// seen of a Kafka cluster, what follows from it, and what was said about it.
//
// It is plain data and arithmetic: no interface, no mutex, no goroutine, no
// clock. Values are never changed once they are handed over, so any number of
// readers may hold them. One rule runs through all of them: what was not seen is
// marked as not seen, and never reads as zero.
//
// May change until version 1.
package tidemark

import (
	"cmp"
	"regexp"
	"slices"
	"time"
)

// View is everything known at one moment. The daemon makes a new one after each
// step and publishes it whole: a page, a scrape and a rule see the same moment.
type View struct {
	At           time.Time
	Observations []Observation // one per cluster, in the order of the configuration
	Pipelines    []Pipeline
	Alerts       []Alert
	Decisions    []Decision // one per target of the scaler that is known
	Events       []Event    // the latest, oldest first
}

// Observation is one cluster, looked at once.
type Observation struct {
	Cluster   string
	Snapshot  *Snapshot  // nil until the first look that saw anything
	Estimates []Estimate // in the order of Snapshot.Groups
	Failed    error      // why the latest look brought nothing; nil if it brought Snapshot
}

// Age is how old the observation's snapshot is at the given moment.
// ok is false while there is none.
func (o Observation) Age(at time.Time) (age time.Duration, ok bool) {
	if o.Snapshot == nil {
		return 0, false
	}
	return at.Sub(o.Snapshot.Ended), true
}

// Estimate returns what was estimated for a group of the observation.
func (o Observation) Estimate(group string) (Estimate, bool) {
	return named(o.Estimates, group, func(e Estimate) string { return e.Group })
}

// named returns the one of that name from a list in the order of names.
func named[T any](all []T, name string, of func(T) string) (one T, found bool) {
	i, found := slices.BinarySearchFunc(all, name, func(t T, n string) int { return cmp.Compare(of(t), n) })
	if found {
		one = all[i]
	}
	return one, found
}

// Observation returns the view's observation of a cluster.
func (v *View) Observation(cluster string) (Observation, bool) {
	for _, o := range v.Observations {
		if o.Cluster == cluster {
			return o, true
		}
	}
	return Observation{}, false
}

// Alert is one rule's verdict about one set of labels.
type Alert struct {
	Name        string
	State       AlertState
	Labels      map[string]string // with alertname, severity and, where it is about a group, cluster and consumergroup
	Annotations map[string]string
	Value       float64
	ActiveSince time.Time // the condition began to hold
	FiredAt     time.Time // zero while pending
	ResolvedAt  time.Time // zero while active
	// DataMissingSince says from when on the condition could not be checked. Such
	// an alert stays as it was: missing data resolves nothing. Zero: it can be.
	DataMissingSince time.Time
}

// AlertState is Prometheus' word for where an alert stands.
type AlertState string

// The states of an alert.
const (
	AlertPending  AlertState = "pending"
	AlertFiring   AlertState = "firing"
	AlertResolved AlertState = "resolved"
)

// Decision is how many replicas a group should have after one look, and what came of it.
type Decision struct {
	At      time.Time `json:"at"`
	Target  string    `json:"target"` // what is scaled, by its name in the configuration
	Cluster string    `json:"cluster"`
	Group   string    `json:"group"`
	Mode    string    `json:"mode"`            // observe, recommend, approve, act
	Policy  string    `json:"policy"`          // tidemark, seed
	Present int       `json:"present"`         // replicas there are; -1: not known
	Wanted  int       `json:"wanted"`          // what the policy asks for
	Desired int       `json:"desired"`         // Wanted within all bounds: what is shown and carried out
	Because string    `json:"because"`         // one sentence with the numbers that decided
	Held    []string  `json:"held"`            // each bound that made Desired differ from Wanted
	Outcome string    `json:"outcome"`         // held, recommended, waiting for approval, ordered
	Order   string    `json:"order,omitempty"` // the change that is under way or waits for approval
}

// Event is something that happened and that a person may want to see on a time line.
type Event struct {
	At      time.Time
	Kind    EventKind
	Cluster string
	Group   string // empty: about the cluster
	Text    string // one sentence
}

// EventKind says what an event is about.
type EventKind string

// The kinds of events.
const (
	EventState     EventKind = "state"     // a group's state changed
	EventMembers   EventKind = "members"   // members joined or left
	EventRebalance EventKind = "rebalance" // a group began or ended a rebalance
	EventAlert     EventKind = "alert"     // an alert began to pend, fire or was resolved
	EventCluster   EventKind = "cluster"   // brokers, topics or rights changed, a look failed
	EventDrill     EventKind = "drill"     // a drill began or ended a phase
)

// Record is one Kafka record.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte // nil: no key
	Value     []byte // nil: a tombstone
	Headers   []Header
	Control   bool // a transaction's marker: it takes up an offset, and is nobody's event
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Position is where reading of one partition goes on: the offset of the next record.
type Position struct {
	Topic     string
	Partition int32
	Next      int64
}

// Pipeline is a group, or several by a pattern, that is watched with thresholds of its own.
type Pipeline struct {
	Name         string     `yaml:"name"`
	Cluster      string     `yaml:"cluster"`
	Group        string     `yaml:"group"`         // either this
	GroupPattern string     `yaml:"group_pattern"` // or this, a regular expression over whole names
	Topics       []string   `yaml:"topics"`
	Owner        string     `yaml:"owner"` // becomes a label on alerts, to route by
	Scrape       Scrape     `yaml:"scrape"`
	Thresholds   Thresholds `yaml:"thresholds"`
	Target       Target     `yaml:"target"`
}

// Names is the expression that the names of the pipeline's groups match as a whole.
// A pattern that does not compile matches nothing; the configuration refuses it.
func (p Pipeline) Names() *regexp.Regexp {
	pattern := p.GroupPattern
	if p.Group != "" {
		pattern = regexp.QuoteMeta(p.Group)
	}
	if names, err := regexp.Compile("^(?:" + pattern + ")$"); err == nil {
		return names
	}
	return regexp.MustCompile(`\z.`)
}

// Scrape says where the consumers of a pipeline tell their own metrics.
type Scrape struct {
	Job     string   `yaml:"job"`
	Targets []string `yaml:"targets"` // host:port
	Metric  string   `yaml:"metric"`  // counts each consumed record once
}

// Thresholds are the limits of a pipeline beyond which somebody is told. Zero: none.
type Thresholds struct {
	LagRecords int64         `yaml:"lag_records"`
	Drain      time.Duration `yaml:"drain"`
	TimeLag    time.Duration `yaml:"time_lag"`
	Skew       float64       `yaml:"skew"`        // hottest partition over the mean of all
	MembersMin int           `yaml:"members_min"` // fewer members than this is too few
}

// Target is what a group is sized for.
type Target struct {
	Drain       time.Duration `yaml:"drain"`       // a backlog shall be gone after this long; 0: 10 minutes
	Utilisation float64       `yaml:"utilisation"` // how much of a replica's capacity to plan with; 0: 0.7
}
