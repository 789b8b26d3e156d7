package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/lag"
)

// mostRead bounds the bytes of one answer to Read. A leader sends the first batch
// of the first partition whole, however large it is, and then as many as fit.
const mostRead = 8 << 20

// Read reads the record at each position, or the next one that is left there, and
// tells when it was written: what probes find in steps of a look each, at once and
// to the millisecond. It needs the right to read the topics, and costs a leader one
// batch a position. What cannot be read is left out. Like [Collector.Probe] it is
// not safe for concurrent use.
func (c *Collector) Read(ctx context.Context, from []tidemark.Position) []lag.Anchor {
	if len(from) == 0 {
		return nil
	}
	asked := make(map[place]int64, len(from))
	for _, p := range from {
		asked[place{p.Topic, p.Partition}] = p.Next
	}
	l := c.between()
	return l.fromLeaders(ctx, func(leader int32) (kmsg.Request, bool) {
		req := l.fetch(leader, from)
		return req, len(req.Topics) > 0
	}, func(told kmsg.Response) []lag.Anchor { return l.written(told.(*kmsg.FetchResponse), asked) })
}

// fetch asks a leader for one batch of each partition that it leads.
func (l *look) fetch(leader int32, from []tidemark.Position) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.MaxWaitMillis, req.SessionEpoch = -1, mostRead, 0, -1
	of := map[string]int{}
	for _, p := range from {
		t, leads := l.ledBy(leader, p.Topic, p.Partition)
		if !leads {
			continue
		}
		i, known := of[p.Topic]
		if !known {
			i = len(req.Topics)
			of[p.Topic] = i
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic, topic.TopicID = t.told, t.id
			req.Topics = append(req.Topics, topic)
		}
		about := kmsg.NewFetchRequestTopicPartition()
		about.Partition, about.FetchOffset, about.PartitionMaxBytes = p.Partition, p.Next, 1 // one batch, whatever its size
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, about)
	}
	return req
}

// written takes the time of the first record asked for out of each batch.
func (l *look) written(told *kmsg.FetchResponse, asked map[place]int64) (anchors []lag.Anchor) {
	names := make(map[[16]byte]string, len(l.cluster.topics))
	for name, t := range l.cluster.topics {
		names[t.id] = name
	}
	for _, t := range told.Topics {
		name := nameOf(t.Topic)
		if t.Topic == "" {
			name = names[t.TopicID] // since version 13 of the request
		}
		for i := range t.Partitions {
			at, found := asked[place{name, t.Partitions[i].Partition}]
			if !found || t.Partitions[i].ErrorCode != 0 {
				continue
			}
			batch, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
				Offset: at, Topic: name, Partition: t.Partitions[i].Partition, KeepControlRecords: true,
			}, &t.Partitions[i], kgo.DefaultDecompressor(), nil)
			if len(batch.Records) > 0 {
				r := batch.Records[0]
				anchors = append(anchors, lag.Anchor{
					Probe:  lag.Probe{Topic: name, Partition: r.Partition, Since: r.Timestamp},
					Offset: r.Offset, At: r.Timestamp,
				})
			}
		}
	}
	return anchors
}
