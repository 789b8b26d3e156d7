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
	asked := make(map[place]lag.Probe, len(probes))
	for _, p := range probes {
		asked[place{p.Topic, p.Partition}] = p
	}
	l := c.between()
	return l.fromLeaders(ctx, func(leader int32) (kmsg.Request, bool) {
		req := l.probe(leader, probes)
		return req, len(req.Topics) > 0
	}, func(told kmsg.Response) []lag.Anchor { return answers(told.(*kmsg.ListOffsetsResponse), asked) })
}

// between is for what is asked between two looks.
func (c *Collector) between() *look {
	l := &look{Collector: c, began: time.Now()}
	l.meetBrokers()
	return l
}

// fromLeaders sends each leader what there is to ask it, and collects what the
// answers tell. A leader that does not answer tells nothing.
func (l *look) fromLeaders(ctx context.Context, request func(leader int32) (kmsg.Request, bool), read func(kmsg.Response) []lag.Anchor) (anchors []lag.Anchor) {
	var mu sync.Mutex
	l.each(ctx, func(ctx context.Context, b *broker) {
		req, due := request(b.ID)
		if !due {
			return
		}
		resp, err := l.ask(ctx, b, req)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		anchors = append(anchors, read(resp)...)
	})
	return anchors
}

// ledBy returns a topic if the broker leads that partition of it, as far as we know.
func (l *look) ledBy(leader int32, name string, partition int32) (t *topic, leads bool) {
	t = l.cluster.topics[name]
	return t, t != nil && int(partition) < len(t.logs) && t.logs[partition].Leader == leader
}

// probe puts the probes of partitions that a broker leads into one request.
func (l *look) probe(leader int32, probes []lag.Probe) *kmsg.ListOffsetsRequest {
	req := l.listOffsets()
	for _, p := range probes {
		t, leads := l.ledBy(leader, p.Topic, p.Partition)
		if !leads {
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
