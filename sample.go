package tidemark

import (
	"iter"
	"strconv"
)

// Series names one time series, and can be a map's key. An empty label is an absent one.
type Series struct {
	Name                  string
	Cluster, Group, Topic string
	Partition             Ordinal
	More                  [3]Label // labels that only some families have
}

// Ordinal is a partition's number plus one, so that the zero value means none.
type Ordinal int32

// OrdinalOf returns the ordinal of a partition id.
func OrdinalOf(id int32) Ordinal { return Ordinal(id + 1) }

// Label is a name and its value.
type Label struct{ Name, Value string }

// Sample is the value of one series at the moment of a [View].
type Sample struct {
	Series
	Value float64
}

// Labels yields the series' labels, not sorted, without the metric's name.
func (s Series) Labels() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		partition := ""
		if s.Partition > 0 {
			partition = strconv.Itoa(int(s.Partition) - 1)
		}
		own := [...]Label{{"cluster", s.Cluster}, {"consumergroup", s.Group}, {"topic", s.Topic}, {"partition", partition}}
		for _, l := range own {
			if l.Value != "" && !yield(l.Name, l.Value) {
				return
			}
		}
		for _, l := range s.More {
			if l.Value != "" && !yield(l.Name, l.Value) {
				return
			}
		}
	}
}
