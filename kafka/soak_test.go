package kafka_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/test/race"
)

// soak is a cluster on which producers, consumers and their operators work while
// everything goes wrong that can.
type soak struct {
	*world
	*truth
	wires   wires
	stirred time.Time // somebody changed topics or groups, and not only their offsets

	trouble sync.Mutex
	healed  time.Time // when the latest fault ended; zero while there is one
	name    string    // of that fault
}

// TestThreeDaysOfFaultsShowNothingThatWasNeverTrue simulates 72 hours with more
// than a thousand faults of more than thirty kinds. In each look, all that is told
// as fresh was true while the look was under way, what is told as whole is whole,
// and no group is missing. A look that begins five seconds after a fault was healed,
// or later, sees everything: all is fresh again within one interval and 5 s.
func TestThreeDaysOfFaultsShowNothingThatWasNeverTrue(t *testing.T) {
	long := 72 * time.Hour
	if testing.Short() || race.On() {
		long = 6 * time.Hour
	}
	inWorld(t, func(t *testing.T, w *world) {
		s := &soak{world: w, truth: newTruth(), wires: wires{net: &w.net.VirtualNetwork}}
		ctx, stop := context.WithCancel(t.Context())
		var working sync.WaitGroup
		defer working.Wait()
		defer stop()
		s.found(ctx)
		faults := map[string]int{}
		working.Go(func() { s.work(ctx, rand.New(rand.NewPCG(1, *seed))) })
		working.Go(func() { s.harm(ctx, rand.New(rand.NewPCG(2, *seed)), faults) })

		s.watch(long)

		stop()
		working.Wait()
		n := 0
		for _, times := range faults {
			n += times
		}
		t.Logf("%d faults of %d kinds", n, len(faults))
		if long == 72*time.Hour && !t.Failed() && (n < 1000 || len(faults) < 30) {
			t.Errorf("%d faults of %d kinds, want at least 1000 of 30", n, len(faults))
		}
	})
}

var seed = flag.Uint64("seed", 1, "of the soak's workload and faults")

// watch looks every 15 s, and holds what it sees to the truth.
func (s *soak) watch(long time.Duration) {
	c := s.collector(func(o *kafka.Options) { o.Dial = s.wires.DialContext })
	wrong, looks, whole, blind := 0, 0, 0, 0
	began := time.Now()
	j := judge{truth: s.truth, history: lag.New(lag.Options{}), ended: map[place]tidemark.Log{}}
	j.complain = func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			s.t.Errorf("after %v, %s: %s", time.Since(began), s.now(), fmt.Sprintf(format, args...))
		}
	}
	for tick := time.NewTicker(15 * time.Second); time.Since(began) < long && wrong < 20; looks++ {
		calm := s.calm()
		snapshot, err := c.Snapshot(s.t.Context())
		calm = calm && s.calm()
		switch {
		case err != nil && calm:
			j.complain("look: %v", err)
		case err != nil:
			blind++
		default:
			j.look(snapshot)
			if calm {
				whole++
				j.whole(snapshot)
			}
		}
		<-tick.C
	}
	s.t.Logf("%d looks, %d of them without trouble, %d saw nothing; %d fresh values and %d time lags were true, %d of these within their error", looks, whole, blind, j.fresh, j.waits, j.near)
	if j.near < j.waits*95/100 {
		s.t.Errorf("%d of %d time lags were within their error, want 95 %%", j.near, j.waits)
	}
}

// calm says that no fault is under way, nor has just been healed, and that nobody
// has just changed topics. What was sent into a fault takes its deadline to be given up.
func (s *soak) calm() bool {
	s.trouble.Lock()
	defer s.trouble.Unlock()
	return !s.healed.IsZero() && time.Since(s.healed) > 5*time.Second && time.Since(s.stirred) > 35*time.Second
}

func (s *soak) now() string {
	s.trouble.Lock()
	defer s.trouble.Unlock()
	if s.healed.IsZero() {
		return "while " + s.name
	}
	return fmt.Sprintf("%v after %s", time.Since(s.healed), s.name)
}

// harm makes one fault after the other, until ctx ends.
func (s *soak) harm(ctx context.Context, r *rand.Rand, faults map[string]int) {
	list := troubles()
	s.trouble.Lock()
	s.healed, s.name = time.Now(), "nothing"
	s.trouble.Unlock()
	for n := 0; pause(ctx, r, 60, 240); n++ {
		kind := list[n%len(list)]
		s.trouble.Lock()
		s.healed, s.name = time.Time{}, kind.name
		s.trouble.Unlock()
		heal := kind.make(s, r)
		faults[kind.name]++
		pause(ctx, r, 10, 150)
		heal()
		s.trouble.Lock()
		s.healed = time.Now()
		s.trouble.Unlock()
	}
}

// pause waits for some seconds, or returns false when ctx has ended.
func pause(ctx context.Context, r *rand.Rand, least, most float64) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration((least + r.Float64()*(most-least)) * float64(time.Second))):
		return true
	}
}

// reads are the groups and their topics; partitions 4 each.
func reads() map[string][]string {
	return map[string][]string{
		"billing": {"orders"}, "mailing": {"orders", "events"}, "audit": {"events"}, "short": {"brief"},
		"idle-0": {"orders"}, "idle-1": {"events"}, "idle-2": {"orders", "events"}, "idle-3": {"events"},
	}
}

// found makes topics and groups.
func (s *soak) found(ctx context.Context) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, topic := range []string{"orders", "events", "brief"} {
		s.make(topic)
		s.append(ctx, r, topic, 20)
	}
	for group := range reads() {
		s.advance(ctx, r, group, 10)
	}
	pause(ctx, r, 1, 1)
}

// work does what producers, consumers and operators do, until ctx ends.
func (s *soak) work(ctx context.Context, r *rand.Rand) {
	for n := 1; pause(ctx, r, 3, 20); n++ {
		switch {
		case n%131 == 0:
			s.remake(ctx, r)
		case n%97 == 0:
			s.forget(ctx, r, "audit")
		case n%61 == 0:
			s.advance(ctx, r, fmt.Sprint("idle-", r.IntN(4)), 5)
		case n%43 == 0:
			s.advance(ctx, r, "mailing", -40) // beyond the end: somebody has typed a wrong number
		case n%29 == 0:
			s.trimAll(r, "events")
		case n%2 == 0:
			s.append(ctx, r, []string{"orders", "events", "brief"}[r.IntN(3)], 1+r.IntN(60))
		default:
			s.advance(ctx, r, []string{"billing", "mailing", "audit", "short"}[r.IntN(4)], r.Int64N(30))
		}
	}
}

func (s *soak) make(topic string) {
	ends, starts := map[place]int64{}, map[place]int64{}
	for p := range int32(4) {
		ends[place{topic, p}], starts[place{topic, p}] = 0, 0
	}
	defer begin(s.truth, s.ends, ends)()
	defer begin(s.truth, s.starts, starts)()
	if err := s.cluster.CreateTopic(topic, 4, nil); err != nil {
		s.t.Error(err)
	}
}

// append appends records to some of a topic's partitions.
func (s *soak) append(ctx context.Context, r *rand.Rand, topic string, most int) {
	to := map[place]int64{}
	var records []*kgo.Record
	for p := range int32(4) {
		n := r.IntN(most + 1)
		end, _ := s.ends[place{topic, p}].now()
		if n > 0 {
			to[place{topic, p}] = end + int64(n)
		}
		for range n {
			records = append(records, &kgo.Record{Topic: topic, Partition: p, Value: []byte("x")})
		}
	}
	defer begin(s.truth, s.ends, to)()
	for ctx.Err() == nil && len(records) > 0 {
		var again []*kgo.Record
		for _, result := range s.client.ProduceSync(ctx, records...) {
			if result.Err != nil { // the trouble is the producer's as well
				again = append(again, &kgo.Record{Topic: topic, Partition: result.Record.Partition, Value: []byte("x")})
			}
		}
		records = again
		if len(again) > 0 {
			pause(ctx, r, 1, 1)
		}
	}
}

// advance commits for a group so many records, at most, before the end of its logs.
func (s *soak) advance(ctx context.Context, r *rand.Rand, group string, behind int64) {
	to := map[claim]int64{}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	for _, topic := range reads()[group] {
		about := kmsg.NewOffsetCommitRequestTopic()
		about.Topic = topic
		for id := range int32(4) {
			end, _ := s.ends[place{topic, id}].now()
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = id, max(0, end-behind+r.Int64N(3)-2), -1
			about.Partitions = append(about.Partitions, p)
			to[claim{group, place{topic, id}}] = p.Offset
		}
		req.Topics = append(req.Topics, about)
	}
	done := begin(s.truth, s.commits, to)
	for ctx.Err() == nil {
		if resp, err := req.RequestWith(ctx, s.client); err == nil && resp.Topics[0].Partitions[0].ErrorCode == 0 {
			break
		}
		pause(ctx, r, 1, 1)
	}
	done()
}

// trimAll deletes the older records of a topic, read or not.
func (s *soak) trimAll(r *rand.Rand, topic string) {
	to := map[place]int64{}
	for p := range int32(4) {
		start, _ := s.starts[place{topic, p}].now()
		end, _ := s.ends[place{topic, p}].now()
		to[place{topic, p}] = start + r.Int64N(end-start+1)
	}
	defer begin(s.truth, s.starts, to)()
	for at, start := range to {
		if err := s.cluster.DeleteRecords(at.topic, at.partition, start); err != nil {
			s.t.Error(err)
		}
	}
}

// remake deletes a topic and makes it anew. The commits on it go with it.
func (s *soak) remake(ctx context.Context, r *rand.Rand) {
	s.stir()
	gone, lost := map[place]int64{}, map[claim]int64{}
	for p := range int32(4) {
		gone[place{"brief", p}], lost[claim{"short", place{"brief", p}}] = nothing, nothing
	}
	deleted, forgotten := begin(s.truth, s.ends, gone), begin(s.truth, s.commits, lost)
	if err := s.cluster.DeleteTopic("brief"); err != nil {
		s.t.Error(err)
	}
	s.client.PurgeTopicsFromClient("brief")
	deleted()
	forgotten()
	pause(ctx, r, 0, 20)
	s.make("brief")
	s.append(ctx, r, "brief", 10)
	pause(ctx, r, 0, 20)
	s.advance(ctx, r, "short", 3)
	s.stir()
}

// forget deletes a group, which then begins again.
func (s *soak) forget(ctx context.Context, r *rand.Rand, group string) {
	s.stir()
	lost := map[claim]int64{}
	for _, topic := range reads()[group] {
		for p := range int32(4) {
			lost[claim{group, place{topic, p}}] = nothing
		}
	}
	done := begin(s.truth, s.commits, lost)
	for ctx.Err() == nil && deleteGroup(s.world, group) != nil {
		pause(ctx, r, 1, 1) // its coordinator is away
	}
	done()
	pause(ctx, r, 0, 30)
	s.advance(ctx, r, group, 20)
	s.stir()
}

func (s *soak) stir() {
	s.trouble.Lock()
	defer s.trouble.Unlock()
	s.stirred = time.Now()
}
