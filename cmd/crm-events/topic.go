package main

import (
	"context"
	"fmt"
	"regexp"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/relay"
)

// topic is the relay's source: one topic of a cluster.
type topic struct {
	cluster kafka.Options
	name    string
}

// Look looks at this topic only. It is called at the start and for clients that
// come back late, so it keeps no connection between.
func (t topic) Look(ctx context.Context) (tidemark.Topic, error) {
	o := t.cluster
	o.Topics.Include = []string{"^" + regexp.QuoteMeta(t.name) + "$"}
	o.Groups.Exclude = []string{".*"}
	collector, err := kafka.Open(o)
	if err != nil {
		return tidemark.Topic{}, err
	}
	defer collector.Close()
	snapshot, err := collector.Snapshot(ctx)
	if err != nil {
		return tidemark.Topic{}, err
	}
	found, ok := snapshot.Topic(t.name)
	if !ok {
		return tidemark.Topic{}, fmt.Errorf("look at topic %s: the cluster does not show it", t.name)
	}
	return found, nil
}

// ReadFrom reads all partitions, without a group.
func (t topic) ReadFrom(_ context.Context, from []tidemark.Position) (relay.Reader, error) {
	tail, err := kafka.OpenTail(t.cluster, kafka.TailOptions{Topic: t.name, From: from, Reset: kafka.Earliest})
	if err != nil {
		return nil, err
	}
	return tail, nil
}
