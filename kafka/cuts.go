package kafka

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// A commit beyond the end of its log says that the log was cut, or made anew. Or
// that the end we were told is behind: a new leader tells an old one until it has
// heard from the other replicas. The leader knows the difference: it tells where
// the epoch of the commit ended in its own log, told or not.

// suspect is a commit beyond the end of its log.
type suspect struct {
	place
	epoch  int32
	commit int64
}

// confirmCuts asks the leaders about commits beyond the end, and takes back the
// ends that turn out to be behind. It costs a request per leader, and none where
// all commits are within their logs.
func (l *look) confirmCuts(ctx context.Context) {
	suspects := l.suspects()
	if len(suspects) == 0 {
		return
	}
	l.each(ctx, func(ctx context.Context, b *broker) {
		req := l.epochs(b.ID, suspects)
		if len(req.Topics) == 0 {
			return
		}
		resp, err := l.ask(ctx, b, req)
		if err != nil {
			return
		}
		for i := range resp.(*kmsg.OffsetForLeaderEpochResponse).Topics {
			l.hearEpochs(&resp.(*kmsg.OffsetForLeaderEpochResponse).Topics[i], suspects)
		}
	})
}

// suspects are the commits that are furthest beyond the end of each log and say
// which epoch they are of.
func (l *look) suspects() map[place]suspect {
	var found map[place]suspect
	for _, g := range l.groups {
		for _, r := range g.reads {
			t := l.cluster.topics[r.topic]
			if t == nil || g.unheard != tidemark.Fine {
				continue
			}
			for i := range min(len(r.offsets), len(t.logs)) {
				if r.offsets[i] <= t.logs[i].End || r.epochs[i] < 0 || t.logs[i].end != tidemark.Fine {
					continue
				}
				at := place{r.topic, int32(i)}
				if r.offsets[i] > found[at].commit {
					if found == nil {
						found = map[place]suspect{}
					}
					found[at] = suspect{at, r.epochs[i], r.offsets[i]}
				}
			}
		}
	}
	return found
}

// epochs asks a leader where the epochs of the suspects in its logs ended.
func (l *look) epochs(leader int32, suspects map[place]suspect) *kmsg.OffsetForLeaderEpochRequest {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	for _, s := range suspects {
		t := l.cluster.topics[s.topic]
		if t.logs[s.partition].Leader != leader {
			continue
		}
		about := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		about.Partition, about.LeaderEpoch = s.partition, s.epoch
		i := slices.IndexFunc(req.Topics, func(r kmsg.OffsetForLeaderEpochRequestTopic) bool { return r.Topic == t.told })
		if i < 0 {
			i = len(req.Topics)
			req.Topics = append(req.Topics, kmsg.OffsetForLeaderEpochRequestTopic{Topic: t.told})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, about)
	}
	return req
}

// hearEpochs takes back an end that is before one that the leader has in its log.
func (l *look) hearEpochs(told *kmsg.OffsetForLeaderEpochResponseTopic, suspects map[place]suspect) {
	name := nameOf(told.Topic)
	for i := range told.Partitions {
		p := &told.Partitions[i]
		s, asked := suspects[place{name, p.Partition}]
		if asked && p.ErrorCode == 0 && p.LeaderEpoch == s.epoch && p.EndOffset >= s.commit {
			l.cluster.topics[name].logs[p.Partition].end = tidemark.Unreachable
		}
	}
}
