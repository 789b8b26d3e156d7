package kafka

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// readShares asks where share groups are. Their members finish records in any
// order: a position is that of the first unfinished one, and from Kafka 4.2 on the
// coordinator tells how many are left in all. Before, the finished ones beyond the
// position count as lag: at most 2,000 a partition, if the brokers keep their
// default.
func (l *look) readShares(ctx context.Context, b *broker, groups []*group) {
	for part := range slices.Chunk(groups, groupsPerRequest) {
		if !l.inTime(ctx) {
			return
		}
		req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
		for _, g := range part {
			one := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
			one.GroupID, one.Topics = g.told, nil // all
			req.Groups = append(req.Groups, one)
		}
		resp, err := l.ask(ctx, b, req)
		if err != nil {
			return
		}
		for i := range resp.(*kmsg.DescribeShareGroupOffsetsResponse).Groups {
			told := &resp.(*kmsg.DescribeShareGroupOffsetsResponse).Groups[i]
			if g := find(part, told.GroupID); g != nil {
				l.hearShares(g, told)
			}
		}
	}
}

// hearShares takes up where one share group is, as [look.hearCommits] does for others.
func (l *look) hearShares(g *group, told *kmsg.DescribeShareGroupOffsetsResponseGroup) {
	before := g.At
	if !l.heard(g, told.ErrorCode) {
		return
	}
	for i := range told.Topics {
		name := nameOf(told.Topics[i].Topic)
		if l.choose.topics.chooses(name) {
			g.reading(name).hearShare(told.Topics[i].Partitions)
		}
	}
	g.moves(before)
	g.reads = slices.DeleteFunc(g.reads, func(r *reading) bool { return !l.stillReads(r) })
}

func (r *reading) hearShare(told []kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition) {
	offsets := make([]kmsg.OffsetFetchResponseGroupTopicPartition, len(told))
	r.left = r.left[:0]
	for i, p := range told {
		offsets[i] = kmsg.OffsetFetchResponseGroupTopicPartition{Partition: p.Partition, Offset: p.StartOffset, LeaderEpoch: -1, ErrorCode: p.ErrorCode}
	}
	r.hear(offsets)
	for range r.offsets {
		r.left = append(r.left, tidemark.Unseen)
	}
	for _, p := range told {
		if p.Partition >= 0 && int(p.Partition) < len(r.left) && p.ErrorCode == 0 {
			r.left[p.Partition] = p.Lag
		}
	}
}

// finished is how many records of a share group's partition are done beyond its
// position, so that what is left is what the coordinator told.
func (r *reading) finished(p *tidemark.Partition) int64 {
	if int(p.ID) >= len(r.left) || r.left[p.ID] < 0 || p.Committed < 0 || p.LogEnd < 0 {
		return 0
	}
	return max(0, p.LogEnd-max(p.Committed, p.LogStart)-r.left[p.ID])
}
