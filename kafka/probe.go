package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark/lag"
)

// Probe asks the leaders for the records that were the first since given times,
// each leader once. What is not answered is left out: the next look may ask again.
// Probe is not safe for concurrent use, nor beside [Collector.Snapshot].
func (c *Collector) Probe(ctx context.Context, probes []lag.Probe) []lag.Anchor {
	if len(probes) == 0 {
		return nil
	}
	l := &look{Collector: c, began: time.Now()}
	l.meetBrokers()
	asked := make(map[place]lag.Probe, len(probes))
	for _, p := range probes {
		asked[place{p.Topic, p.Partition}] = p
	}
	var mu sync.Mutex
	var anchors []lag.Anchor
	l.each(ctx, func(ctx context.Context, b *broker) {
		req := l.probe(b.ID, probes)
		if len(req.Topics) == 0 {
			return
		}
		resp, err := l.ask(ctx, b, req)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		anchors = append(anchors, answers(resp.(*kmsg.ListOffsetsResponse), asked)...)
	})
	return anchors
}

// probe puts the probes of partitions that a broker leads into one request.
func (l *look) probe(leader int32, probes []lag.Probe) *kmsg.ListOffsetsRequest {
	req := l.listOffsets()
	for _, p := range probes {
		t := l.cluster.topics[p.Topic]
		if t == nil || int(p.Partition) >= len(t.logs) || t.logs[p.Partition].Leader != leader {
			continue
		}
		about := kmsg.NewListOffsetsRequestTopicPartition()
		about.Partition, about.Timestamp = p.Partition, p.Since.UnixMilli()
		i := slices.IndexFunc(req.Topics, func(r kmsg.ListOffsetsRequestTopic) bool { return r.Topic == t.told })
		if i < 0 {
			i = len(req.Topics)
			req.Topics = append(req.Topics, kmsg.ListOffsetsRequestTopic{Topic: t.told})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, about)
	}
	return req
}

// answers pairs what was told with what was asked.
func answers(told *kmsg.ListOffsetsResponse, asked map[place]lag.Probe) []lag.Anchor {
	var anchors []lag.Anchor
	for _, t := range told.Topics {
		for _, p := range t.Partitions {
			if probe, found := asked[place{nameOf(t.Topic), p.Partition}]; found && p.ErrorCode == 0 {
				anchors = append(anchors, lag.Anchor{Probe: probe, Offset: p.Offset, At: time.UnixMilli(p.Timestamp)})
			}
		}
	}
	return anchors
}
