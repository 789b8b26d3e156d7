package kafka_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

func TestEndIsThatOfTheMomentWhenCommitsWereTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 5, 5, 5, 5)
		coordinator := w.cluster.CoordinatorFor("billing")
		for p := range int32(4) {
			if err := w.cluster.MoveTopicPartition("orders", p, coordinator); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan struct{})
		var working sync.WaitGroup
		defer working.Wait()
		defer close(done)
		working.Go(func() { // ten records a second, and a consumer that is five behind
			for end := int64(11); ; end++ {
				select {
				case <-done:
					return
				case <-time.After(100 * time.Millisecond):
				}
				w.produce("orders", 1)
				w.commit("billing", "orders", end-5, end-5, end-5, end-5)
			}
		})
		c := w.collector()
		time.Sleep(time.Second)
		look(t, c)
		time.Sleep(15 * time.Second)
		w.net.swallow((coordinator+1)%3, true) // the ends are asked for when it has been waited for

		s := look(t, c)

		apart := int64(0)
		for _, p := range s.Of("billing") {
			if lag, known := p.Lag(); known && (lag < 4 || lag > 6) {
				t.Errorf("lag of partition %d is %d, want 5 or one off", p.ID, lag)
			}
			apart = max(apart, s.Topics[0].Partitions[p.ID].End-p.LogEnd)
		}
		if apart < 20 {
			t.Errorf("%d records came between commits and ends; the test wants 20 or more", apart)
		}
	})
}

// commitOf commits one offset on the first partition, with the epoch of its record.
func (w *world) commitOf(group, topic string, offset int64, epoch int32) {
	w.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset, p.LeaderEpoch = offset, epoch
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	if _, err := req.RequestWith(w.t.Context(), w.client); err != nil {
		w.t.Fatal(err)
	}
}

func TestCommitBeyondAnEndThatIsBehindIsNoTruncation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commitOf("billing", "orders", 9, 0)
		w.commitOf("wrong", "orders", 1000, 0)
		w.commitOf("unsaid", "orders", 9, -1)
		var behind atomic.Bool
		w.cluster.ControlKey(kmsg.ListOffsets.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if !behind.Load() {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
			for _, asked := range req.(*kmsg.ListOffsetsRequest).Topics {
				told := kmsg.ListOffsetsResponseTopic{Topic: asked.Topic}
				for _, p := range asked.Partitions {
					one := kmsg.NewListOffsetsResponseTopicPartition()
					one.Partition, one.Offset = p.Partition, max(0, 8+8*(p.Timestamp+1)) // the start is 0
					told.Partitions = append(told.Partitions, one)
				}
				resp.Topics = append(resp.Topics, told)
			}
			return resp, nil, true
		})
		c := w.collector()
		look(t, c)
		behind.Store(true)

		s := look(t, c)
		const rest = " ?:uncommitted ?:uncommitted ?:uncommitted"
		check(t, "a commit far beyond", lags(s, "wrong"), "?:truncated"+rest)
		check(t, "a commit of which nobody knows the epoch", lags(s, "unsaid"), "?:truncated"+rest)
		if err := deleteGroup(w, "wrong"); err != nil {
			t.Fatal(err)
		}
		s = look(t, c)
		check(t, "a commit that the leader has in its log", lags(s, "billing"), "?:unreachable"+rest)

		behind.Store(false)
		before := s
		s = look(t, c)
		check(t, "once the end has caught up", lags(s, "billing"), "1"+rest)
		check(t, "questions about epochs then", requests(before, s)["OffsetForLeaderEpoch"], 0)
	})
}

func deleteGroup(w *world, group string) error {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(w.t.Context(), w.client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.Groups[0].ErrorCode); !errors.Is(err, kerr.GroupIDNotFound) {
		return err
	}
	return nil
}

func TestCommitsOfATopicThatNobodyReadsAnyMoreAreMarked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("former", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		w.commit("billing", "former", 4, 4, 4)
		c := w.collector()
		check(t, "while nobody is in the group", lags(look(t, c), "billing"), "6 6 6 ?:uncommitted 3 3 3 3")

		w.join("billing", "orders")
		s := look(t, c)
		check(t, "lags", lags(s, "billing"), "6:unsubscribed 6:unsubscribed 6:unsubscribed ?:uncommitted 3 3 3 3")
	})
}

func TestWhenACommitLastMovedIsKnownOnceOneHas(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		moved := func() time.Time {
			g, _ := look(t, c).Group("billing")
			return g.Moved
		}
		check(t, "at first", moved(), time.Time{})
		time.Sleep(time.Minute)
		w.commit("billing", "orders", 7, 7, 7, 8)
		at := time.Now()
		check(t, "once it moved", moved().Sub(at), time.Duration(0))
		time.Sleep(time.Minute)
		w.commit("billing", "orders", 7, 7, 7, 8)
		check(t, "a minute later", moved().Sub(at), time.Duration(0))
	})
}

func TestGroupsAtRestAreAskedForLessOften(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for i := range 16 {
			w.commit(fmt.Sprint("idle-", i), "orders", 7, 7, 7, 7)
		}
		asked := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "idle-3", Observe: true, Count: -1})
		c := w.collector()
		looks := func(n int) (s *tidemark.Snapshot, questions int) {
			before := asked.Hits()
			for range n {
				time.Sleep(15 * time.Second)
				s = look(t, c)
				for i := range 16 {
					check(t, "lags", lags(s, fmt.Sprint("idle-", i)), "3 3 3 3")
				}
			}
			return s, asked.Hits() - before
		}
		_, questions := looks(40)
		check(t, "questions in the first ten minutes", questions, 40)
		s, questions := looks(80)
		check(t, "questions in twenty more", questions, 10)
		g, _ := s.Group("idle-3")
		if age := s.Ended.Sub(g.At); age > 2*time.Minute {
			t.Errorf("commits are %v old, want at most two minutes", age)
		}

		w.join("idle-3", "orders")
		w.commit("idle-4", "orders", 9, 9, 9, 9)
		questions = asked.Hits() // the member has asked, too
		look(t, c)
		check(t, "asked at once when somebody joins", asked.Hits()-questions, 1)
		woken := 0
		for ; lags(look(t, c), "idle-4") != "1 1 1 1"; woken++ {
			time.Sleep(15 * time.Second)
		}
		if woken > 7 {
			t.Errorf("a commit from outside was seen after %d looks, want at most 7", woken)
		}
	})
}

func TestTopicMadeAnewWakesTheGroupsThatReadIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		for range 60 {
			look(t, c)
			time.Sleep(15 * time.Second)
		}
		if err := w.cluster.DeleteTopic("orders"); err != nil {
			t.Fatal(err)
		}
		w.topic("orders", 0)
		for range 3 {
			time.Sleep(15 * time.Second)
			look(t, c)
		}
		for _, p := range look(t, c).Of("billing") {
			if _, known := p.Lag(); known && p.Committed == 7 {
				t.Errorf("commit %d of the former topic counts", p.Committed)
			}
		}
	})
}

func TestGroupThatHasLostItsCommitsIsSeenToBeginAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("brief", 10)
		w.commit("billing", "brief", 7, 7, 7, 7)
		c := w.collector()
		for range 60 {
			look(t, c)
			time.Sleep(15 * time.Second)
		}
		if err := w.cluster.DeleteTopic("brief"); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			look(t, c)
			time.Sleep(15 * time.Second)
		}
		w.client.PurgeTopicsFromClient("brief")
		w.topic("brief", 5)
		w.commit("billing", "brief", 1, 1, 1, 1)
		check(t, "lags", lags(look(t, c), "billing"), "4 4 4 4")
	})
}

func TestHowLongTopicsKeepTheirRecordsIsKnownWhereWeMayAsk(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, configs := range map[string]map[string]string{
			"day":     {"retention.ms": "86400000"},
			"ever":    {"retention.ms": "-1"},
			"latest":  {"cleanup.policy": "compact", "retention.ms": "86400000"},
			"both":    {"cleanup.policy": "compact,delete", "retention.ms": "86400000"},
			"default": nil,
			"secret":  {"retention.ms": "86400000"},
		} {
			if err := w.cluster.CreateTopic(name, 1, configs); err != nil {
				t.Fatal(err)
			}
		}
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Resource: "secret", Err: kerr.TopicAuthorizationFailed, Count: -1})
		c := w.collector()
		s := look(t, c)
		told := map[string]string{}
		for _, topic := range s.Topics {
			told[topic.Name] = fmt.Sprint(topic.Retention, topic.Compacted)
		}
		check(t, "told", told, map[string]string{
			"day": "24h0m0s false", "ever": "0s false", "latest": "0s true", "both": "24h0m0s true", "default": "168h0m0s false", "secret": "0s false",
		})
		check(t, "gaps", gaps(s), "")
		before := s
		for range 40 { // ten minutes
			time.Sleep(15 * time.Second)
			s = look(t, c)
		}
		check(t, "requests in ten minutes", requests(before, s)["DescribeConfigs"], 2)
	})
}

func TestMembersThatWereNotSeenDoNotHideTheLag(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.join("billing", "orders")
		w.commit("mailing", "orders", 7, 7, 7, 7)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Group: "billing", Err: kerr.CoordinatorLoadInProgress, Count: -1})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "mailing", Err: kerr.CoordinatorLoadInProgress, Count: -1})

		s := look(t, w.collector())

		billing, _ := s.Group("billing")
		mailing, _ := s.Group("mailing")
		check(t, "billing's commits and members", fmt.Sprint(billing.Reason, ";", billing.Unmet), ";unreachable")
		check(t, "mailing's", fmt.Sprint(mailing.Reason, ";", mailing.Unmet), "unreachable;")
	})
}

func TestGroupWithATopicThatIsHiddenFromUsHasNoTotal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.join("billing", "orders", kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupDescribe}, Group: "billing", Err: kerr.TopicAuthorizationFailed, Count: -1})

		s := look(t, w.collector(func(o *kafka.Options) { o.Topics.Include = []string{"orders"} }))

		g, _ := s.Group("billing")
		check(t, "reason", g.Reason, tidemark.Denied)
		check(t, "complete", s.Total(g).Complete, false)
	})
}
