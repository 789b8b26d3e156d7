package capacity

import "fmt"

// Increase is a topic that shall get more partitions, and what depends on it.
type Increase struct {
	Topic     string
	From, To  int
	Groups    []string // all that read it
	Keyed     bool     // records of one key must be read in order
	Compacted bool     // only the latest record of each key stays
	Streams   []string // of Groups, those with state beside the topic's partitions (Kafka Streams)
	Latest    []string // of Groups, those that begin at the end where they never committed
}

// Do is what one step of a procedure does.
type Do string

// What the steps of a procedure do.
const (
	StopProducers   Do = "stop producers"
	WaitForDrain    Do = "wait until drained"
	StopConsumers   Do = "stop consumers"
	AddPartitions   Do = "add partitions"
	BeginAtStart    Do = "commit the start of the new partitions"
	ResetState      Do = "reset state"
	StartConsumers  Do = "start consumers"
	StartProducers  Do = "start producers"
	ScaleConsumers  Do = "scale consumers"
	NothingToChange Do = "nothing"
)

// Step is one step of a procedure.
type Step struct {
	Do  Do
	On  string // a topic or a group
	Why string
}

// Procedure is what to do, in this order, and what it changes for good: partitions
// cannot be taken back.
type Procedure struct {
	Steps []Step
	Moves float64 // share of the keys that get another partition
	Risks []string
}

// Procedure returns how to add partitions without reading any key's records out of
// order and without skipping any. Where order matters producers stop and every reader
// drains before the partitions come: then no key has unread records in its old place.
// A reader that begins at the end would skip what is written to a new partition before
// it sees that; its start is committed first. Source: capacity.md 2.7 and 1.2.
func (n Increase) Procedure() Procedure {
	if n.To <= n.From {
		return Procedure{Steps: []Step{{NothingToChange, n.Topic, fmt.Sprintf("it has %s already; they cannot be fewer", partitions(n.From))}}}
	}
	p := Procedure{Moves: KeysMoved(n.From, n.To)}
	add := func(do Do, why string, on ...string) {
		for _, o := range on {
			p.Steps = append(p.Steps, Step{do, o, why})
		}
	}
	if n.Keyed {
		add(StopProducers, fmt.Sprintf("%.0f %% of the keys get another partition: what is written after must not be read before what was written before", 100*p.Moves), n.Topic)
		add(WaitForDrain, "no key may have unread records in its old partition", n.Groups...)
	}
	add(StopConsumers, "what they keep beside each partition belongs to other keys afterwards", n.Streams...)
	add(AddPartitions, fmt.Sprintf("from %d to %d", n.From, n.To), n.Topic)
	add(BeginAtStart, "it begins at the end where it never committed, and would skip what comes before it sees the new partitions", n.Latest...)
	add(ResetState, "its state is divided as the partitions were", n.Streams...)
	add(StartConsumers, "with the new partitions", n.Streams...)
	if n.Keyed {
		add(StartProducers, "every key now has one place, and nothing unread in another", n.Topic)
	}
	add(ScaleConsumers, "more partitions help only those who read them", n.Groups...)
	p.Risks = n.risks(p.Moves)
	return p
}

func (n Increase) risks(moved float64) []string {
	risks := []string{"partitions cannot be taken back"}
	if !n.Keyed {
		risks = append(risks, fmt.Sprintf("%.0f %% of the keys, if records have keys, are read out of order around the change", 100*moved))
	}
	if n.Compacted {
		risks = append(risks, "the topic is compacted: the latest record of a key that moves stays in its old partition as well, for ever")
	}
	return risks
}

// KeysMoved returns which share of the keys gets another partition when a hash modulo
// the number of partitions decides: 1 − F/lcm(F, T).
//
// From 3 to 6 it is a half, from 3 to 4 three quarters. Source: arithmetic; of the
// numbers below lcm(F, T) only those below F leave the same rest by both.
func KeysMoved(from, to int) float64 {
	if from <= 0 || to <= from {
		return 0
	}
	a, b := from, to
	for b > 0 {
		a, b = b, a%b
	}
	return 1 - float64(a)/float64(to)
}
