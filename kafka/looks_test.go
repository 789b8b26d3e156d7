package kafka_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

func TestCommitsAreReadBeforeEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for _, g := range []string{"a", "b", "c", "d"} {
			w.commit(g, "orders", 7)
		}
		var mu sync.Mutex
		var order []string
		for _, key := range []kmsg.Key{kmsg.OffsetFetch, kmsg.ListOffsets} {
			w.cluster.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
				mu.Lock()
				defer mu.Unlock()
				w.cluster.KeepControl()
				order = append(order, key.Name())
				return nil, nil, false
			})
		}

		look(t, w.collector())

		mu.Lock()
		defer mu.Unlock()
		if slices.Contains(order[slices.Index(order, "ListOffsets"):], "OffsetFetch") {
			t.Errorf("order of requests: %v", order)
		}
	})
}

func TestRequestsDoNotGrowWithGroupsOrPartitions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 20 {
			w.topic(fmt.Sprintf("topic-%d", i), 1)
		}
		for i := range 100 {
			w.commit(fmt.Sprintf("group-%d", i), fmt.Sprintf("topic-%d", i%20), 1, 1, 1, 1)
		}
		c := w.collector()
		before := look(t, c)

		check(t, "requests of a look", requests(before, look(t, c)), map[string]int64{"ListGroups": 3, "OffsetFetch": 3, "ListOffsets": 6})
	})
}

func TestMetadataIsKeptForHalfAMinute(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 1)
		c := w.collector()
		for range 8 {
			look(t, c)
			time.Sleep(15 * time.Second)
		}
		check(t, "metadata requests in nine looks", requests(nil, look(t, c))["Metadata"], 5)
	})
}

func TestDeletedTopicLeavesNothingBehind(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("gone", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		w.commit("billing", "gone", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		if err := w.cluster.DeleteTopic("gone"); err != nil {
			t.Fatal(err)
		}
		look(t, c)
		s := look(t, c)

		check(t, "lags", lags(s, "billing"), "3 3 3 3")
		check(t, "topics", len(s.Topics), 1)
		check(t, "gaps", gaps(s), "")
	})
}

func TestCommitsOnATopicThatDoesNotExistAreNotLag(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		w.cluster.ControlKey(kmsg.OffsetFetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
			p := kmsg.OffsetFetchResponseGroupTopicPartition{Offset: 7}
			resp.Groups = []kmsg.OffsetFetchResponseGroup{{Group: "billing", Topics: []kmsg.OffsetFetchResponseGroupTopic{
				{Topic: "never", Partitions: []kmsg.OffsetFetchResponseGroupTopicPartition{p}},
				{Topic: "orders", Partitions: []kmsg.OffsetFetchResponseGroupTopicPartition{p}},
			}}}
			return resp, nil, true
		})

		s := look(t, w.collector())

		check(t, "lags", lags(s, "billing"), "3 ?:uncommitted ?:uncommitted ?:uncommitted")
		check(t, "gaps", gaps(s), "")
	})
}

func TestTopicMadeAnewIsNotATruncatedOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		if err := w.cluster.DeleteTopic("orders"); err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.CreateTopic("orders", 4, nil); err != nil {
			t.Fatal(err)
		}
		w.commit("billing", "orders", 7, 7, 7, 7) // a consumer that has not noticed

		look(t, c)
		check(t, "lags", lags(look(t, c), "billing"), "?:recreated ?:recreated ?:recreated ?:recreated")

		w.commit("billing", "orders", 0, 0, 0, 0)
		check(t, "after it noticed", lags(look(t, c), "billing"), "0 0 0 0")
	})
}

func TestNewPartitionsAreSeenWithinTheMetadataAge(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		w.grow("orders", 5)
		check(t, "a commit shows them at once", func() string {
			w.commit("billing", "orders", 7, 7, 7, 7, 0)
			return lags(look(t, c), "billing")
		}(), "3 3 3 3 0")
		w.grow("orders", 6)
		time.Sleep(30 * time.Second)
		check(t, "lags", lags(look(t, c), "billing"), "3 3 3 3 0 0:uncommitted")
	})
}

func TestLeaderThatMovesIsFollowedInTheSameLook(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		for p := range int32(4) {
			if err := w.cluster.MoveTopicPartition("orders", p, (w.cluster.LeaderFor("orders", p)+1)%3); err != nil {
				t.Fatal(err)
			}
		}

		s := look(t, c)

		check(t, "lags", lags(s, "billing"), "3 3 3 3")
		check(t, "gaps", gaps(s), "")
	})
}

func TestCoordinatorsThatMoveAreFollowed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for i := range 20 {
			w.commit(fmt.Sprint("group-", i), "orders", 7, 7, 7, 7)
		}
		c := w.collector()
		look(t, c)
		w.cluster.RehashCoordinators()

		s := look(t, c)

		for i := range 20 {
			check(t, "lags", lags(s, fmt.Sprint("group-", i)), "3 3 3 3")
		}
	})
}

func TestBrokerThatDiesTakesNothingAwayForLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for i := range 9 {
			w.commit(fmt.Sprint("group-", i), "orders", 7, 7, 7, 7)
		}
		c := w.collector()
		look(t, c)
		if err := w.cluster.RemoveNode(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		s := look(t, c)
		check(t, "groups in the look that finds out", len(s.Groups), 9)
		for _, p := range s.Partitions {
			if lag, known := p.Lag(); known && lag != 3 {
				t.Errorf("lag of %s is %d, want 3", p.Group, lag)
			}
		}

		s = look(t, c)

		check(t, "up", up(s), map[int32]bool{0: true, 1: false, 2: true})
		for i := range 9 {
			check(t, "lags", lags(s, fmt.Sprint("group-", i)), "3 3 3 3")
		}
		check(t, "gaps", gaps(s), "")
	})
}

func TestBrokerThatLeftIsListedForAWhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		c := w.collector()
		look(t, c)
		if err := w.cluster.RemoveNode(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		look(t, c)
		s := look(t, c)
		check(t, "left", !s.Brokers[1].Left.IsZero(), true)
		check(t, "up", up(s), map[int32]bool{0: true, 1: false, 2: true})
		check(t, "gaps", gaps(s), "")
		for range 50 {
			time.Sleep(15 * time.Second)
			look(t, c)
		}
		check(t, "up, a quarter of an hour later", up(look(t, c)), map[int32]bool{0: true, 2: true})
	})
}

func TestGroupsWhoseCoordinatorDiesWithoutASuccessorAreNotLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		dead := w.cluster.CoordinatorFor("billing")
		w.net.swallow(dead, true)
		if err := w.cluster.RemoveNode(dead); err != nil {
			t.Fatal(err)
		}
		nobody := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Group: "billing", Err: kerr.GroupAuthorizationFailed, Count: -1})
		for range 3 {
			time.Sleep(15 * time.Second)
			s := look(t, c)
			check(t, "lags", lags(s, "billing"), "?:unreachable ?:unreachable ?:unreachable ?:unreachable")
		}
		nobody.Remove()
		check(t, "lags once there is one", lags(look(t, c), "billing"), "3 3 3 3")
	})
}

func TestGroupsOnANewBrokerAreNotLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for i := range 20 {
			w.commit(fmt.Sprint("group-", i), "orders", 7, 7, 7, 7)
		}
		c := w.collector()
		look(t, c)
		if _, _, err := w.cluster.AddNode(3, 9095); err != nil {
			t.Fatal(err)
		}
		check(t, "groups", len(look(t, c).Groups), 20)
	})
}

func TestDeletedGroupIsGone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{"billing"}
		if _, err := req.RequestWith(t.Context(), w.client); err != nil {
			t.Fatal(err)
		}
		check(t, "groups", len(look(t, c).Groups), 0)
	})
}

func TestGroupOfABrokerThatNeverComesBackIsDroppedWithAGap(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		hung := w.cluster.CoordinatorFor("billing")
		w.net.swallow(hung, true)

		for range 30 {
			time.Sleep(15 * time.Second)
			g, found := look(t, c).Group("billing")
			check(t, "kept", found && g.Reason == tidemark.Unreachable, true)
		}
		time.Sleep(5 * time.Minute)
		s := look(t, c)
		check(t, "groups", len(s.Groups), 0)
		check(t, "gaps", gaps(s), fmt.Sprintf("group billing: unreachable; groups and logs of broker %d: unreachable", hung))
	})
}

func TestTopicThatIsDeniedFromNowOnKeepsItsLastOffsets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		c := w.collector()
		look(t, c)
		w.cluster.Fault(kfake.Fault{Topic: "orders", Err: kerr.TopicAuthorizationFailed, Count: -1})
		time.Sleep(30 * time.Second)

		s := look(t, c)

		check(t, "lags", lags(s, "billing"), "?:denied ?:denied ?:denied ?:denied")
		check(t, "kept", fmt.Sprint(s.Of("billing")[0].Committed, s.Of("billing")[0].LogEnd), "7 10")
		check(t, "gaps", gaps(s), "end offsets of topic orders: denied")
	})
}

func TestNobodyAnswersIsAnErrorAndNotAnEmptySnapshot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for broker := range int32(3) {
			w.net.swallow(broker, true)
		}
		c := w.collector()
		began := time.Now()
		s, err := c.Snapshot(t.Context())
		if err == nil {
			t.Errorf("snapshot %+v, want an error", s)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("took %v", took)
		}

		for broker := range int32(3) {
			w.net.swallow(broker, false)
		}
		time.Sleep(15 * time.Second)
		check(t, "topics once it is back", len(look(t, c).Topics), 1)
	})
}

func TestLookTakesFiveRoundTripsHoweverManyPartitions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 20 {
			w.topic(fmt.Sprint("topic-", i), 1)
			w.commit(fmt.Sprint("group-", i), fmt.Sprint("topic-", i), 1, 1, 1, 1)
		}
		w.join("live", "topic-0")
		w.net.latency = 200 * time.Millisecond
		c := w.collector()
		look(t, c)
		began := time.Now()
		s := look(t, c)
		if took := time.Since(began); took > 5*w.net.latency {
			t.Errorf("took %v, want at most %v", took, 5*w.net.latency)
		}
		check(t, "gaps", gaps(s), "")
	})
}

func TestGroupThatTwoBrokersListIsOneGroup(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		other := (w.cluster.CoordinatorFor("billing") + 1) % 3
		w.cluster.ControlKey(kmsg.ListGroups.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if w.cluster.CurrentNode() != other {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
			resp.Groups = []kmsg.ListGroupsResponseGroup{{Group: "billing", GroupState: "Empty", GroupType: "Classic"}}
			return resp, nil, true
		})
		c := w.collector()
		s := look(t, c)
		check(t, "groups", len(s.Groups), 1)
		check(t, "gaps", gaps(s), "")
		check(t, "lags", lags(s, "billing"), "3 3 3 3")
	})
}

func TestPartitionWithoutLeaderIsNotSeen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		offline := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "orders", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		c := w.collector()
		s := look(t, c)
		check(t, "lags", lags(s, "billing"), "3 ?:unreachable 3 3")
		check(t, "gaps", gaps(s), "end offsets of topic orders: unreachable")

		offline.Remove()
		check(t, "lags once there is a leader", lags(look(t, c), "billing"), "3 3 3 3")
	})
}

func TestSlowOldBrokerTellsOfSomeGroupsInEachLookAndOfAllInSeveral(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for i := range 200 {
			w.commit(fmt.Sprint("group-", i), "orders", 7, 7, 7, 7)
		}
		w.net.latency = 400 * time.Millisecond
		c := w.collector()
		heard := map[string]bool{}
		for range 12 {
			s := look(t, c)
			check(t, "gaps", gaps(s), "")
			for _, g := range s.Groups {
				heard[g.Name] = heard[g.Name] || s.Total(g).Complete
			}
			time.Sleep(15 * time.Second)
		}
		all := 0
		for _, is := range heard {
			if is {
				all++
			}
		}
		check(t, "groups heard of", all, 200)
	}, kfake.MaxVersions(kversion.V2_4_0()))
}

func TestHourOfLooksWithABrokerThatComesAndGoesNeverLies(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		groups := []string{"a", "b", "c", "d", "e", "f"}
		for _, g := range groups {
			w.commit(g, "orders", 7, 7, 7, 7)
		}
		c := w.collector(func(o *kafka.Options) { o.Deadline = time.Second })
		look(t, c)
		for i := range int32(240) {
			w.net.swallow(i/7%3, i%7 < 3)
			s := look(t, c)
			check(t, "groups", len(s.Groups), len(groups))
			for _, g := range s.Groups {
				if total := s.Total(g); total.Complete && total.Records != 12 {
					t.Fatalf("look %d: complete total of %s is %d, want 12", i, g.Name, total.Records)
				}
				check(t, "partitions", len(s.Of(g.Name)), 4)
			}
			time.Sleep(15 * time.Second)
		}
	})
}
