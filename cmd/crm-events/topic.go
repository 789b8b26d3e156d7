package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/relay"
)

// errNoTopic says that a topic is not there, or hidden from us.
var errNoTopic = errors.New("the cluster does not show it")

// topic is the relay's source: one topic of a cluster.
type topic struct {
	cluster kafka.Options
	name    string
}

// Look looks at this topic only. It is called at the start and for clients that
// come back late, so it keeps no connection between.
func (t topic) Look(ctx context.Context) (tidemark.Topic, error) {
	collector, found, err := t.look(ctx)
	if err == nil {
		collector.Close()
	}
	return found, err
}

// look looks with a collector that the caller has to close.
func (t topic) look(ctx context.Context) (*kafka.Collector, tidemark.Topic, error) {
	o := t.cluster
	o.Topics.Include = []string{"^" + regexp.QuoteMeta(t.name) + "$"}
	o.Groups.Exclude = []string{".*"}
	collector, err := kafka.Open(o)
	if err != nil {
		return nil, tidemark.Topic{}, err
	}
	snapshot, err := collector.Snapshot(ctx)
	if err != nil {
		collector.Close()
		return nil, tidemark.Topic{}, err
	}
	found, ok := snapshot.Topic(t.name)
	if !ok {
		collector.Close()
		if len(snapshot.Gaps) > 0 {
			return nil, tidemark.Topic{}, fmt.Errorf("look at topic %s: %w", t.name, snapshot.Gaps[0].Err)
		}
		return nil, tidemark.Topic{}, fmt.Errorf("look at topic %s: %w", t.name, errNoTopic)
	}
	return collector, found, nil
}

// find says where the log stood at a time: at the first record that is not older,
// or at its end.
func (t topic) find(ctx context.Context, when time.Time) ([]tidemark.Position, error) {
	collector, found, err := t.look(ctx)
	if err != nil {
		return nil, err
	}
	defer collector.Close()
	probes := make([]lag.Probe, 0, len(found.Partitions))
	for _, log := range found.Partitions {
		probes = append(probes, lag.Probe{Topic: t.name, Partition: log.ID, Since: when})
	}
	anchors := collector.Probe(ctx, probes)
	if len(anchors) < len(probes) {
		return nil, fmt.Errorf("look for %s in topic %s: %d of %d partitions answered", when, t.name, len(anchors), len(probes))
	}
	positions := make([]tidemark.Position, len(anchors))
	for i, a := range anchors {
		positions[i] = tidemark.Position{Topic: t.name, Partition: a.Partition, Next: a.Offset}
		if a.Offset < 0 { // no such record
			at := slices.IndexFunc(found.Partitions, func(log tidemark.Log) bool { return log.ID == a.Partition })
			positions[i].Next = found.Partitions[at].End
		}
	}
	return positions, nil
}

// ReadFrom reads all partitions, without a group.
func (t topic) ReadFrom(_ context.Context, from []tidemark.Position) (relay.Reader, error) {
	tail, err := kafka.OpenTail(t.cluster, kafka.TailOptions{Topic: t.name, From: from, Reset: kafka.Earliest})
	if err != nil {
		return nil, err
	}
	return tail, nil
}
