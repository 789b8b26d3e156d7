// Package metrics gives every number of a View its name, its unit and its help
// text. It is the only place where a metric gets a name: the scrape page, the
// history, the rules and docs/metrics.md all read the one table in this package.
//
// It hides how a View is walked and how the text format is written quickly. It
// never asks Kafka, never reads a clock, and never fills in a value: a series is
// there when its value was seen whole in the latest look, and absent otherwise.
//
// # What is absent, and what says why
//
// A plain series carries fresh and complete values only (contracts.md section 4).
// When the latest look at a cluster brought nothing ([tidemark.Observation].Failed),
// everything about the content of that cluster is absent, also brokers and topics:
// they may have changed since. What stays, because it says why the rest is gone:
//
//   - tidemark_look_age_seconds and tidemark_group_age_seconds keep growing,
//   - tidemark_gaps{reason="unreachable"} is 1: the cluster as a whole was not seen,
//   - tidemark_broker_up is 0 for every broker known before,
//   - tidemark_group_state is "unknown" and tidemark_group_complete 0 for every
//     group known before.
//
// The thresholds stay too: they are configuration. In a look that brought
// something, each value stands or falls with what it follows from: a sum is absent
// as soon as one of its parts is not known, a partition's lag when its own commit
// or end is not.
//
// May change until version 1; the kafka_ names will not.
package metrics

import (
	"iter"

	"github.com/aetherlink/tidemark"
)

// Type is what kind of number a family holds, in Prometheus' words.
type Type string

// The types in use.
const (
	Gauge   Type = "gauge"
	Counter Type = "counter"
	Summary Type = "summary" // quantiles; without sum and count
)

// Family is what all series of one name have in common.
type Family struct {
	Name   string
	Type   Type
	Unit   string // of the value: "records", "seconds" … ; empty: a bare number, or 1 for yes
	Help   string
	Labels []string // beside those, no series has any
}

// Families returns all families, in the order in which [Samples] yields them.
func Families() []Family {
	var families []Family
	for _, row := range table(Compat{}) {
		families = append(families, row.Family)
	}
	return families
}

// Samples yields every sample of a view, grouped by family, in table order.
func Samples(v *tidemark.View) iter.Seq[tidemark.Sample] {
	return func(yield func(tidemark.Sample) bool) {
		now := momentOf(v, Compat{}, Detail{})
		for _, row := range table(Compat{}) {
			for series, points := range row.walk(now) {
				sample := tidemark.Sample{Series: *series}
				sample.Name = row.Name
				for _, p := range points {
					sample.Partition, sample.Value = p.partition, p.value
					if !yield(sample) {
						return
					}
				}
			}
		}
	}
}
