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
	before, changed := g.At, false
	if !l.heard(g, told.ErrorCode) {
		return
	}
	for i := range told.Topics {
		if r := l.readingOf(g, []byte(told.Topics[i].Topic)); r != nil && r.hearShare(told.Topics[i].Partitions) {
			changed = true
		}
	}
	l.settle(g, before, changed)
}

func (r *reading) hearShare(told []kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition) (changed bool) {
	r.left = r.left[:0]
	changed = r.hear(func(yield func(commit) bool) {
		for _, p := range told {
			if !yield(commit{offset: p.StartOffset, partition: p.Partition, epoch: -1, code: p.ErrorCode}) {
				return
			}
		}
	}, len(told))
	for range r.offsets {
		r.left = append(r.left, tidemark.Unseen)
	}
	for _, p := range told {
		if p.Partition >= 0 && int(p.Partition) < len(r.left) && p.ErrorCode == 0 {
			r.left[p.Partition] = p.Lag
		}
	}
	return changed
}

// finished is how many records of a share group's partition are done beyond its
// position, so that what is left is what the coordinator told.
func (r *reading) finished(p *tidemark.Partition) int64 {
	if int(p.ID) >= len(r.left) || r.left[p.ID] < 0 || p.Committed < 0 || p.LogEnd < 0 {
		return 0
	}
	return max(0, p.LogEnd-max(p.Committed, p.LogStart)-r.left[p.ID])
}
