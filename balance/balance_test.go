package balance_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark/balance"
)

const partitions = 12

// weights is how many records each partition gets of every hundred: the first has
// more than a third of all.
func weights() []int { return []int{40, 12, 9, 7, 6, 5, 5, 4, 4, 3, 3, 2} }

// group is a group of real clients on an embedded cluster.
type group struct {
	t       *testing.T
	seeds   []string
	mu      sync.Mutex
	changed chan struct{}
	owned   map[string]map[int32]bool
	lost    map[string]int // partitions given up, per member
	read    map[int32]int
	written int
}

func newGroup(t *testing.T) *group {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &group{t: t, seeds: cluster.ListenAddrs(), changed: make(chan struct{}, 1), owned: map[string]map[int32]bool{}, lost: map[string]int{}, read: map[int32]int{}}
}

// join adds a member that reads until the test ends.
func (g *group) join(name string) *kgo.Client {
	g.t.Helper()
	b := balance.New()
	g.mu.Lock()
	g.owned[name] = map[int32]bool{}
	g.mu.Unlock()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(g.seeds...), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"), kgo.ClientID(name),
		kgo.Balancers(b, kgo.CooperativeStickyBalancer()), kgo.WithHooks(b),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.HeartbeatInterval(50*time.Millisecond), kgo.RebalanceTimeout(5*time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, now map[string][]int32) { g.note(name, now["orders"], true) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { g.note(name, gone["orders"], false) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { g.note(name, gone["orders"], false) }),
	)
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(g.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				g.mu.Lock()
				g.read[r.Partition]++
				g.mu.Unlock()
				g.wake()
			})
		}
	})
	g.t.Cleanup(func() { cancel(); done.Wait(); client.Close() })
	return client
}

func (g *group) note(name string, ids []int32, owned bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		if owned {
			g.owned[name][id] = true
			continue
		}
		delete(g.owned[name], id)
		g.lost[name]++
	}
	g.wake()
}

func (g *group) wake() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// until waits for something to hold of the group.
func (g *group) until(what string, holds func() bool) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	for {
		g.mu.Lock()
		held := holds()
		g.mu.Unlock()
		if held {
			return
		}
		select {
		case <-g.changed:
		case <-ctx.Done():
			g.t.Fatalf("%s: not within a minute; %v", what, g.owned)
		}
	}
}

// settled says that every partition is owned by one of so many members.
func (g *group) settled(members int) func() bool {
	return func() bool {
		owned := 0
		for _, ids := range g.owned {
			owned += len(ids)
		}
		return len(g.owned) == members && owned == partitions
	}
}

// produce writes so many times the weights.
func (g *group) produce(times int) {
	g.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(g.seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		g.t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for id, n := range weights() {
		for range n * times {
			records = append(records, &kgo.Record{Topic: "orders", Partition: int32(id), Value: []byte("x")})
		}
	}
	if err := client.ProduceSync(g.t.Context(), records...).FirstErr(); err != nil {
		g.t.Fatal(err)
	}
	g.written += len(records)
	g.until("records read", func() bool {
		all := 0
		for _, n := range g.read {
			all += n
		}
		return all >= g.written
	})
}

// shares is what each member has to do, of a hundred.
func (g *group) shares() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := map[string]int{}
	for name, ids := range g.owned {
		for id := range ids {
			s[name] += weights()[id]
		}
	}
	return s
}

func TestThreeMembersOfARealGroupShareASkewedLoadAndMoveLittle(t *testing.T) {
	g := newGroup(t)
	first := g.join("a")
	g.until("a has all", g.settled(1))
	g.join("b")
	g.until("a and b have all", func() bool { return g.settled(2)() && len(g.owned["b"]) > 0 })
	g.produce(60) // both measure what they read
	g.join("c")
	g.until("a, b and c have all", func() bool { return g.settled(3)() && len(g.owned["c"]) > 0 })
	shares := g.shares()
	for name, share := range shares {
		if share > 42 { // the hottest partition alone is 40
			t.Errorf("%s has %d of 100 to do: %v", name, share, shares)
		}
	}
	moved := 0
	for _, n := range g.lost {
		moved += n
	}
	t.Logf("shares %v, %d partitions moved", shares, moved)
	if moved > 12 {
		t.Errorf("%d partitions moved for two that joined, want at most 12", moved)
	}
	// Dealt again, with nothing new, nothing moves.
	first.ForceRebalance()
	g.join("d")
	g.until("all four have all", g.settled(4))
}

// member is one as the group's leader sees it.
func member(id string, topics []string, owned []int32, b *balance.Balancer, generation int32) kmsg.JoinGroupResponseMember {
	m := kmsg.NewJoinGroupResponseMember()
	m.MemberID = id
	has := map[string][]int32{}
	if len(owned) > 0 {
		has["orders"] = owned
	}
	m.ProtocolMetadata = b.JoinGroupMetadata(topics, has, generation)
	return m
}

// reads makes a balancer have measured partitions at some weights.
func reads(perPartition map[int32]int) *balance.Balancer {
	b := balance.New()
	for id, n := range perPartition {
		b.OnFetchBatchRead(kgo.BrokerMetadata{}, "orders", id, kgo.FetchBatchMetrics{NumRecords: n})
	}
	return b
}

// lead makes a balancer be the leader's, once.
func lead(t *testing.T, b *balance.Balancer, topics map[string]int32, members ...kmsg.JoinGroupResponseMember) *kgo.BalancePlan {
	t.Helper()
	asked, _, err := b.MemberBalancer(members)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := asked.(kgo.GroupMemberBalancerOrError).BalanceOrError(topics)
	if err != nil {
		t.Fatal(err)
	}
	return answer.(*kgo.BalancePlan)
}

// dealt asks a leader, and returns who gets what of orders.
func dealt(t *testing.T, topics map[string]int32, members ...kmsg.JoinGroupResponseMember) map[string][]int32 {
	t.Helper()
	plan := lead(t, balance.New(), topics, members...)
	got := map[string][]int32{}
	for id, topics := range plan.AsMemberIDMap() {
		got[id] = slices.Sorted(slices.Values(topics["orders"]))
	}
	return got
}

func TestLeaderDealsByTheRatesThatMembersTell(t *testing.T) {
	orders := []string{"orders"}
	busy := reads(map[int32]int{0: 9000, 1: 1000, 2: 1000, 3: 1000})
	got := dealt(t, map[string]int32{"orders": 6},
		member("a", orders, []int32{0, 1, 2, 3}, busy, 3),
		member("b", orders, []int32{4, 5}, reads(map[int32]int{4: 1000, 5: 1000}), 3))
	// In this round a gives up what moves; b gets it in the next.
	if want := []int32{0}; !slices.Equal(got["a"], want) {
		t.Errorf("a keeps %v, want %v", got["a"], want)
	}
	if want := []int32{4, 5}; !slices.Equal(got["b"], want) {
		t.Errorf("b has %v in the round in which a gives up, want %v", got["b"], want)
	}
}

func TestMemberThatMissedARebalanceDoesNotTakeBackWhatAnotherHas(t *testing.T) {
	orders := []string{"orders"}
	got := dealt(t, map[string]int32{"orders": 2},
		member("late", orders, []int32{0, 1}, balance.New(), 2),
		member("now", orders, []int32{0, 1}, balance.New(), 7))
	if n := len(got["late"]); n != 0 {
		t.Errorf("the late member gets %v at once, want nothing before the other gives it up", got["late"])
	}
}

func TestMemberGetsOnlyTopicsThatItReads(t *testing.T) {
	got := dealt(t, map[string]int32{"orders": 4, "invoices": 2},
		member("a", []string{"orders"}, nil, balance.New(), -1),
		member("b", []string{"invoices"}, nil, balance.New(), -1))
	if want := []int32{0, 1, 2, 3}; !slices.Equal(got["a"], want) || len(got["b"]) != 0 {
		t.Errorf("a has %v of orders and b %v, want all and none", got["a"], got["b"])
	}
}

func TestMemberThatTellsNonsenseHasItsPartitionsAllTheSame(t *testing.T) {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.Generation = 3, []string{"orders"}, 1
	owned := kmsg.NewConsumerMemberMetadataOwnedPartition()
	owned.Topic, owned.Partitions = "orders", []int32{0, 1}
	m.OwnedPartitions = append(m.OwnedPartitions, owned)
	for _, data := range [][]byte{nil, {9, 9, 9}, {1}, {1, 0xff}, {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
		m.UserData = data
		odd := kmsg.NewJoinGroupResponseMember()
		odd.MemberID, odd.ProtocolMetadata = "a", m.AppendTo(nil)
		got := dealt(t, map[string]int32{"orders": 4}, odd, member("b", []string{"orders"}, []int32{2, 3}, balance.New(), 1))
		if want := []int32{0, 1}; !slices.Equal(got["a"], want) {
			t.Errorf("user data %v: a has %v, want %v", data, got["a"], want)
		}
	}
}

func TestOnlyTheMemberThatLeadsAsksForANewDeal(t *testing.T) {
	b := balance.New()
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		if err := b.Run(ctx, time.Millisecond, func() { asked <- struct{}{} }); err != nil {
			t.Error(err)
		}
	})
	defer done.Wait()
	defer cancel()
	select {
	case <-asked:
		t.Fatal("asked although it leads nothing")
	default:
	}
	lead(t, b, map[string]int32{"orders": 1}, member("a", []string{"orders"}, nil, balance.New(), -1))
	<-asked
}

// FuzzUserData: whatever members send, a leader deals out every partition once.
func FuzzUserData(f *testing.F) {
	f.Add([]byte{1, 0, 200, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		odd := kmsg.NewJoinGroupResponseMember()
		odd.MemberID, odd.ProtocolMetadata = "a", data
		whole := member("b", []string{"orders"}, []int32{2, 3}, balance.New(), 1)
		if _, _, err := balance.New().MemberBalancer([]kmsg.JoinGroupResponseMember{odd, whole}); err != nil {
			return // franz-go refuses what is no metadata
		}
		lead(t, balance.New(), map[string]int32{"orders": 4}, odd, whole)
	})
}

func Example() {
	b := balance.New()
	client, err := kgo.NewClient(
		kgo.SeedBrokers("localhost:9092"),
		kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"),
		kgo.Balancers(b, kgo.CooperativeStickyBalancer()), // the second until all members have the first
		kgo.WithHooks(b),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = b.Run(ctx, 10*time.Minute, client.ForceRebalance) }() // follow loads that drift
	fmt.Println(b.ProtocolName())
	// Output: load-aware
}
