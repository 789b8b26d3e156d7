package kafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/aetherlink/tidemark"
)

// share starts a member of a share group of the topic orders.
func (w *world) share(group string) *kgo.Client {
	w.t.Helper()
	m, err := kgo.NewClient(
		kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.VirtualNetwork.DialContext),
		kgo.ShareGroup(group), kgo.ConsumeTopics("orders"), kgo.DisableClientMetrics(),
	)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(m.Close)
	time.Sleep(10 * time.Second) // virtual: it learns what it owns
	return m
}

func TestShareGroupHasMembersAndLag(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 5)
		w.share("sharing")
		w.produce("orders", 10)

		s := look(t, w.collector())

		g, _ := s.Group("sharing")
		check(t, "type", g.Type, "share")
		check(t, "phase", g.Phase, "Stable")
		check(t, "members", len(g.Members), 1)
		check(t, "assigned", g.Members[0].Assigned, []tidemark.Assignment{{Topic: "orders", Partitions: []int32{0, 1, 2, 3}}})
		check(t, "lags of a group that began at the end", lags(s, "sharing"), "10 10 10 10")
		check(t, "gaps", gaps(s), "")
	})
}

func TestRecordsThatAShareGroupFinishedOutOfOrderAreNoLag(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.share("sharing")
		w.cluster.ControlKey(kmsg.DescribeShareGroupOffsets.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			resp := req.ResponseKind().(*kmsg.DescribeShareGroupOffsetsResponse)
			told := func(id int32, start, left int64) kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition {
				return kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition{Partition: id, StartOffset: start, Lag: left}
			}
			resp.Groups = []kmsg.DescribeShareGroupOffsetsResponseGroup{{GroupID: "sharing", Topics: []kmsg.DescribeShareGroupOffsetsResponseGroupTopic{{
				Topic: "orders", Partitions: []kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition{
					told(0, 2, 6), told(1, 10, 0), told(2, 4, -1), told(3, -1, -1), // the last two: a broker before 4.2, and nothing read yet
				},
			}}}}
			return resp, nil, true
		})

		s := look(t, w.collector())

		check(t, "lags", lags(s, "sharing"), "6 0 6 ?:uncommitted")
		p := s.Of("sharing")[0]
		check(t, "position and what is finished beyond", []int64{p.Committed, p.Finished}, []int64{2, 2})
	})
}

func TestShareGroupThatCannotBeDescribedIsNotAnEmptyOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 5)
		w.share("sharing")
		w.produce("orders", 10)
		c := w.collector()
		look(t, c)
		for _, key := range []kmsg.Key{kmsg.ShareGroupDescribe, kmsg.DescribeShareGroupOffsets} {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Group: "sharing", Err: kerr.CoordinatorLoadInProgress, Count: -1})
		}

		s := look(t, c)

		g, _ := s.Group("sharing")
		check(t, "reason", g.Reason, tidemark.Unreachable)
		check(t, "members as last seen", len(g.Members), 1)
		check(t, "lags", lags(s, "sharing"), "?:unreachable ?:unreachable ?:unreachable ?:unreachable")
		check(t, "gaps", gaps(s), "group sharing: unreachable")
	})
}

func TestGroupOfATypeThatIsNotKnownHasNoMemberCount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 5)
		w.commit("billing", "orders", 1, 1, 1, 1)
		coordinator := w.cluster.CoordinatorFor("billing")
		w.cluster.ControlKey(kmsg.ListGroups.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if w.cluster.CurrentNode() != coordinator {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
			resp.Groups = []kmsg.ListGroupsResponseGroup{{Group: "billing", GroupState: "Stable", GroupType: "Swarm"}}
			return resp, nil, true
		})

		s := look(t, w.collector())

		g, _ := s.Group("billing")
		check(t, "type", g.Type, "swarm")
		check(t, "members", g.Unmet, tidemark.Unreachable)
		check(t, "commits", g.Reason, tidemark.Fine)
		check(t, "lags", lags(s, "billing"), "4 4 4 4")
		check(t, "complete", s.Total(g).Complete, true)
		check(t, "gaps", gaps(s), "group billing: unreachable")
	})
}

// streaming makes the cluster tell of a streams group, which kfake does not have.
func (w *world) streaming(group string, told kmsg.StreamsGroupDescribeResponseGroup) {
	coordinator := w.cluster.CoordinatorFor(group)
	control := func(key kmsg.Key, answer func(kmsg.Response)) {
		w.cluster.ControlKey(key.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if key != kmsg.ApiVersions && w.cluster.CurrentNode() != coordinator {
				return nil, nil, false
			}
			resp := req.ResponseKind()
			answer(resp)
			return resp, nil, true
		})
	}
	control(kmsg.ApiVersions, func(resp kmsg.Response) {
		versions := kversion.V4_0_0()
		for key := range int16(kmsg.StreamsGroupDescribe) + 1 {
			if highest, known := versions.LookupMaxKeyVersion(key); known || key == kmsg.StreamsGroupDescribe.Int16() {
				resp.(*kmsg.ApiVersionsResponse).ApiKeys = append(resp.(*kmsg.ApiVersionsResponse).ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: max(0, highest)})
			}
		}
	})
	control(kmsg.ListGroups, func(resp kmsg.Response) {
		resp.(*kmsg.ListGroupsResponse).Groups = []kmsg.ListGroupsResponseGroup{{Group: group, GroupState: "Stable", GroupType: "Streams"}}
	})
	control(kmsg.StreamsGroupDescribe, func(resp kmsg.Response) {
		told.Group, told.State = group, "Stable"
		resp.(*kmsg.StreamsGroupDescribeResponse).Groups = []kmsg.StreamsGroupDescribeResponseGroup{told}
	})
}

func TestMembersOfAStreamsGroupOwnTheSourcesOfTheirTasks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("app-repartition", 10)
		w.commit("app", "orders", 7, 7, 7, 7)
		member := func(id string, tasks ...kmsg.TaskIDs) kmsg.StreamsGroupDescribeResponseGroupMember {
			return kmsg.StreamsGroupDescribeResponseGroupMember{MemberID: id, Assignment: kmsg.StreamsAssignment{
				ActiveTasks:  tasks,
				StandbyTasks: []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{3}}},
			}}
		}
		w.streaming("app", kmsg.StreamsGroupDescribeResponseGroup{
			Topology: &kmsg.StreamsGroupDescribeResponseGroupTopology{Subtopologies: []kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology{
				{SubtopologyID: "0", SourceTopics: []string{"orders"}},
				{SubtopologyID: "1", RepartitionSourceTopics: []kmsg.TopicInfo{{Topic: "app-repartition"}}},
			}},
			Members: []kmsg.StreamsGroupDescribeResponseGroupMember{
				member("a", kmsg.TaskIDs{SubtopologyID: "0", Partitions: []int32{0, 1, 99}}),
				member("b", kmsg.TaskIDs{SubtopologyID: "0", Partitions: []int32{2, 3}}, kmsg.TaskIDs{SubtopologyID: "1", Partitions: []int32{0}}),
			},
		})

		s := look(t, w.collector())

		g, _ := s.Group("app")
		check(t, "type", g.Type, "streams")
		check(t, "members", len(g.Members), 2)
		check(t, "a owns", g.Members[0].Assigned, []tidemark.Assignment{{Topic: "orders", Partitions: []int32{0, 1}}})
		check(t, "b owns", g.Members[1].Assigned, []tidemark.Assignment{
			{Topic: "app-repartition", Partitions: []int32{0}}, {Topic: "orders", Partitions: []int32{2, 3}},
		})
		check(t, "lags", lags(s, "app"), "?:uncommitted ?:uncommitted ?:uncommitted ?:uncommitted 3 3 3 3")
		check(t, "gaps", gaps(s), "")
	})
}

func TestBrokerThatDoesNotKnowATypeOfGroupTellsAllElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("app", "orders", 7, 7, 7, 7)
		coordinator := w.cluster.CoordinatorFor("app")
		w.cluster.ControlKey(kmsg.ListGroups.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if w.cluster.CurrentNode() != coordinator {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
			resp.Groups = []kmsg.ListGroupsResponseGroup{{Group: "app", GroupState: "Stable", GroupType: "Streams"}}
			return resp, nil, true
		})

		s := look(t, w.collector())

		check(t, "up", up(s), map[int32]bool{0: true, 1: true, 2: true})
		g, _ := s.Group("app")
		check(t, "members", g.Unmet, tidemark.Unreachable)
		check(t, "lags", lags(s, "app"), "3 3 3 3")
		check(t, "gaps", gaps(s), fmt.Sprintf("answers of broker %d: unreachable", coordinator))
	})
}
