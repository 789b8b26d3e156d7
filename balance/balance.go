// Package balance shares out the partitions of a consumer group by what they have to
// do, not by their number: a balancer for franz-go clients. Kafka's own assignors give
// everyone as many partitions; with one busy partition among quiet ones somebody then
// gets twice the work, and the group needs twice the members.
//
// It hides how members tell each other their rates: with the metadata of each join,
// where their present partitions stand anyway. It moves few partitions, none for what
// may be noise, and those cooperatively: all others are read on. The arithmetic is
// capacity.Balance. It never asks a broker for anything, and never starts a rebalance
// unless [Balancer.Run] is used.
//
// Give one Balancer to each client, as balancer and as hook. All members of a group
// need one; to change over from another assignor, offer both until all are new:
//
//	b := balance.New()
//	kgo.NewClient(kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"),
//		kgo.Balancers(b, kgo.CooperativeStickyBalancer()), kgo.WithHooks(b))
//
// With the group protocol of KIP-848 the brokers assign, and no client's balancer is
// asked. May change until version 1.
package balance

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark/capacity"
)

// Balancer is a kgo.GroupBalancer, and a kgo.Hook that measures. It is safe for
// concurrent use by its one client.
type Balancer struct {
	mu    sync.Mutex
	meter meter
	told  map[partition]float64 // the latest rates that members told, while this one leads
	leads bool
}

type partition struct {
	topic string
	id    int32
}

// New returns a balancer that has measured nothing yet: its first deal goes by number.
func New() *Balancer {
	return &Balancer{meter: meter{}, told: map[partition]float64{}}
}

// OnFetchBatchRead implements kgo.HookFetchBatchRead: it measures.
func (b *Balancer) OnFetchBatchRead(_ kgo.BrokerMetadata, topic string, id int32, batch kgo.FetchBatchMetrics) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meter.add(partition{topic, id}, batch.NumRecords, time.Now())
}

// ProtocolName implements kgo.GroupBalancer.
func (*Balancer) ProtocolName() string { return capacity.AssignLoadAware }

// IsCooperative implements kgo.GroupBalancer: who keeps a partition reads on.
func (*Balancer) IsCooperative() bool { return true }

// JoinGroupMetadata implements kgo.GroupBalancer: what this member has, and at what
// rates it reads that.
func (b *Balancer) JoinGroupMetadata(topics []string, has map[string][]int32, generation int32) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.Generation = 3, topics, generation
	for _, topic := range sortedKeys(has) {
		owned := kmsg.NewConsumerMemberMetadataOwnedPartition()
		owned.Topic, owned.Partitions = topic, has[topic]
		m.OwnedPartitions = append(m.OwnedPartitions, owned)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leads = false
	b.meter.keep(m.OwnedPartitions)
	m.UserData = b.meter.tell(m.OwnedPartitions, time.Now())
	return m.AppendTo(nil)
}

// ParseSyncAssignment implements kgo.GroupBalancer.
func (*Balancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	return kgo.ParseConsumerSyncAssignment(assignment)
}

// MemberBalancer implements kgo.GroupBalancer.
func (b *Balancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	c, err := kgo.NewConsumerBalancer(b, members)
	if err != nil {
		return nil, nil, err
	}
	return c, c.MemberTopics(), nil
}

// Balance implements kgo.ConsumerBalancerBalance. The member that leads is asked.
func (b *Balancer) Balance(c *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	b.mu.Lock()
	b.leads = true
	t := tableOf(c, topics)
	deal := t.deal(b.told)
	b.mu.Unlock()

	plan := c.NewPlan()
	for i, owner := range capacity.Balance(deal) {
		if owner >= 0 {
			plan.AddPartition(t.members[owner], t.partitions[i].topic, t.partitions[i].id)
		}
	}
	plan.AdjustCooperative(c)
	return plan
}

// Run makes the group deal again every so often, until ctx ends, so that loads that
// drift are followed without anybody joining or leaving. rebalance is the client's
// ForceRebalance. It is called at the member that leads only; where nothing is worth
// moving, nobody stops reading. Ten minutes is often enough.
func (b *Balancer) Run(ctx context.Context, every time.Duration, rebalance func()) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		b.mu.Lock()
		leads := b.leads
		b.mu.Unlock()
		if leads {
			rebalance()
		}
	}
}

// table is who sits at it, and what is dealt out.
type table struct {
	members    []*kmsg.JoinGroupResponseMember
	reads      []map[string]bool // by member: the topics
	partitions []partition       // by topic and id
	owner      []int
	rates      map[partition]float64 // as told
}

func tableOf(c *kgo.ConsumerBalancer, topics map[string]int32) *table {
	t := &table{rates: map[partition]float64{}}
	at := map[partition]int{}
	for _, topic := range sortedKeys(topics) {
		for id := range topics[topic] {
			at[partition{topic, id}] = len(t.partitions)
			t.partitions = append(t.partitions, partition{topic, id})
		}
	}
	t.owner = slices.Repeat([]int{-1}, len(t.partitions))
	since := make([]int32, len(t.partitions)) // the generation of who claims it
	c.EachMember(func(member *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		n := len(t.members)
		t.members, t.reads = append(t.members, member), append(t.reads, map[string]bool{})
		for _, topic := range meta.Topics {
			t.reads[n][topic] = true
		}
		heard(meta, func(p partition, rate float64, known bool) {
			i, exists := at[p]
			// Who missed a rebalance may claim what another has since: the later one has it.
			if !exists || t.owner[i] >= 0 && meta.Generation <= since[i] {
				return
			}
			t.owner[i], since[i] = n, meta.Generation
			if known {
				t.rates[p] = rate
			}
		})
	})
	return t
}

// deal is the question that capacity answers. A partition whose reader has not
// measured it yet counts as it did before; one that nobody has measured, as the mean.
func (t *table) deal(before map[partition]float64) capacity.Deal {
	d := capacity.Deal{Owner: t.owner, Members: len(t.members), Load: make([]float64, len(t.partitions))}
	d.May = func(p, member int) bool { return t.reads[member][t.partitions[p].topic] }
	sum, unknown := 0.0, []int(nil)
	for i, p := range t.partitions {
		rate, known := t.rates[p]
		if !known {
			rate, known = before[p]
		}
		if !known {
			unknown = append(unknown, i)
			continue
		}
		d.Load[i] = rate
		before[p] = rate
		sum += rate
	}
	for _, i := range unknown {
		d.Load[i] = sum / float64(max(1, len(d.Load)-len(unknown)))
	}
	return d
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
