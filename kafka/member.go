package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// MemberOptions says which group a [Member] joins and what it reads there.
type MemberOptions struct {
	Group      string
	Topics     []string
	Reset      Reset  // where to begin in a partition without a commit
	InstanceID string // keeps its partitions over a restart; empty: it does not
	Protocol   string // classic (the zero value; cooperative-sticky) or consumer (KIP-848)
	MaxRecords int    // in one Next; 0 is 500
	// MaxBytes is how much of one partition is read before the next has its turn;
	// 0 is 1 MiB. Somebody who needs minutes for that much lets the others look stuck.
	MaxBytes int32
}

// Member is a member of a consumer group. It commits nothing by itself, except
// where it begins: see [Member.begin].
type Member struct {
	client *kgo.Client
	opened chan struct{} // closed when client is there: it joins while it is being made
	log    *slog.Logger
	group  string
	most   int

	mu    sync.Mutex
	owned map[place]int64 // where reading goes on; Unseen before the first record
}

// place is one partition of a topic.
type place struct {
	topic     string
	partition int32
}

// OpenMember returns a member, which begins to join at once. The cluster need not
// be up yet.
func OpenMember(o Options, as MemberOptions) (*Member, error) {
	opts, err := o.ClientOptions()
	if err != nil {
		return nil, err
	}
	if as.Group == "" || len(as.Topics) == 0 {
		return nil, fmt.Errorf("cluster %q: member: a group and at least one topic are needed", o.Name)
	}
	begin, err := as.Reset.offset()
	if err != nil {
		return nil, fmt.Errorf("member of group %s: %w", as.Group, err)
	}
	m := &Member{
		opened: make(chan struct{}), log: o.logger(), group: as.Group,
		most: cmp.Or(as.MaxRecords, recordsPerRead), owned: map[place]int64{},
	}
	opts = append(append(opts, settled()...),
		kgo.ConsumerGroup(as.Group), kgo.ConsumeTopics(as.Topics...), kgo.ConsumeResetOffset(begin), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(m.assigned), kgo.OnPartitionsRevoked(m.lost), kgo.OnPartitionsLost(m.lost),
		kgo.AdjustFetchOffsetsFn(m.begin),
	)
	if as.MaxBytes > 0 {
		opts = append(opts, kgo.FetchMaxPartitionBytes(as.MaxBytes))
	}
	if as.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(as.InstanceID))
	}
	switch as.Protocol {
	case "", "classic":
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	case "consumer":
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	default:
		return nil, fmt.Errorf("member of group %s: protocol %q is not known; use classic or consumer", as.Group, as.Protocol)
	}
	if m.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("cluster %q: member of group %s: %w", o.Name, as.Group, err)
	}
	close(m.opened)
	return m, nil
}

// Next waits for records of the partitions that the member owns and returns them,
// those of a partition in order, from the committed offset on. It returns an error
// when ctx ends, or when reading cannot go on as it is.
func (m *Member) Next(ctx context.Context) ([]tidemark.Record, error) {
	for {
		records, err := recordsOf(ctx, m.client.PollRecords(ctx, m.most), m.log)
		if err != nil {
			return nil, fmt.Errorf("read as member of group %s: %w", m.group, err)
		}
		if len(records) > 0 {
			m.passed(records)
			return records, nil
		}
	}
}

func (m *Member) passed(records []tidemark.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		if at := (place{r.Topic, r.Partition}); m.owns(at) {
			m.owned[at] = r.Offset + 1
		}
	}
}

func (m *Member) owns(at place) bool { _, owns := m.owned[at]; return owns }

// Commit stores positions as done. Those of partitions that the member does not
// own any more are left out: somebody else is further by now. An error says that
// some may not be stored; during a rebalance that is normal, and a later Commit
// will do.
func (m *Member) Commit(ctx context.Context, done []tidemark.Position) error {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	m.mu.Lock()
	for _, p := range done {
		if !m.owns(place{p.Topic, p.Partition}) {
			continue
		}
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: p.Next}
	}
	m.mu.Unlock()
	if len(offsets) == 0 {
		return nil
	}
	var failed error
	m.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if err == nil {
			failed = commitError(resp)
		}
	})
	if failed != nil {
		return fmt.Errorf("commit as member of group %s: %w", m.group, explain(failed))
	}
	return nil
}

func commitError(resp *kmsg.OffsetCommitResponse) error {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("topic %s partition %d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// Owned returns what the member owns now, by topic and partition, and where it
// reads on: Next is Unseen until the first record has been returned.
func (m *Member) Owned() []tidemark.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	owned := make([]tidemark.Position, 0, len(m.owned))
	for at, next := range m.owned {
		owned = append(owned, tidemark.Position{Topic: at.topic, Partition: at.partition, Next: next})
	}
	slices.SortFunc(owned, func(a, b tidemark.Position) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return owned
}

// Pause stops reading a partition; the member keeps it. It may be resumed.
func (m *Member) Pause(topic string, partition int32) {
	m.client.PauseFetchPartitions(map[string][]int32{topic: {partition}})
}

// Resume goes on reading a paused partition.
func (m *Member) Resume(topic string, partition int32) {
	m.client.ResumeFetchPartitions(map[string][]int32{topic: {partition}})
}

// Close leaves the group, so that others get the partitions at once, and ends all
// connections. A member with an InstanceID does not leave: it may come back.
func (m *Member) Close(ctx context.Context) error {
	err := m.client.LeaveGroupContext(ctx)
	m.client.Close()
	if err != nil && !errors.Is(err, kgo.ErrClientClosed) {
		return fmt.Errorf("leave group %s: %w", m.group, explain(err))
	}
	return nil
}

func (m *Member) assigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, ids := range partitions {
		for _, id := range ids {
			m.owned[place{topic, id}] = tidemark.Unseen
		}
	}
}

// begin settles where reading begins in partitions that nobody has committed on,
// and commits it at once, as Java's auto-commit does. Otherwise this would happen:
// a member joins an empty topic, is stopped before the first record, 600 records
// come, and their lag is not known to anybody, because there is no commit that it
// could be counted from.
func (m *Member) begin(ctx context.Context, from map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	<-m.opened
	begins, err := m.resolve(ctx, from)
	if err == nil {
		err = m.Commit(ctx, begins)
	}
	if err != nil {
		m.log.Warn("the beginning of some partitions is not committed", "group", m.group, "err", err)
		return from, nil
	}
	for _, p := range begins {
		from[p.Topic][p.Partition] = kgo.NewOffset().At(p.Next)
	}
	return from, nil
}

// resolve returns what stands for the start or the end of a log among from.
func (m *Member) resolve(ctx context.Context, from map[string]map[int32]kgo.Offset) (begins []tidemark.Position, err error) {
	req := kmsg.NewPtrListOffsetsRequest()
	for topic, partitions := range from {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for id, offset := range partitions {
			if at := offset.EpochOffset().Offset; at < 0 { // -2 is the start and -1 the end, here and in the protocol
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp = id, at
				t.Partitions = append(t.Partitions, p)
			}
		}
		if len(t.Partitions) > 0 {
			req.Topics = append(req.Topics, t)
		}
	}
	if len(req.Topics) == 0 {
		return nil, nil
	}
	resp, err := req.RequestWith(ctx, m.client)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", explain(err))
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("list offsets of topic %s partition %d: %w", t.Topic, p.Partition, err)
			}
			begins = append(begins, tidemark.Position{Topic: t.Topic, Partition: p.Partition, Next: p.Offset})
		}
	}
	return begins, nil
}

func (m *Member) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, ids := range partitions {
		maps.DeleteFunc(m.owned, func(at place, _ int64) bool { return at.topic == topic && slices.Contains(ids, at.partition) })
	}
}
