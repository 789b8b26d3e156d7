package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// inTrouble runs a test in the world in which reliability.md, section 1, measured
// the leading exporters: 12 partitions with 1,000 records each, 20 groups at 400.
// The lag of a group is 7,200. The collector has looked once.
func inTrouble(t *testing.T, test func(t *testing.T, w *world, c *kafka.Collector)) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		if err := w.cluster.CreateTopic("orders", 12, nil); err != nil {
			t.Fatal(err)
		}
		var records []*kgo.Record
		for i := range 12_000 {
			records = append(records, &kgo.Record{Topic: "orders", Partition: int32(i % 12), Value: []byte("x")})
		}
		if err := w.client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			w.commit(groupNo(i), "orders", at400()...)
		}
		c := w.collector()
		check(t, "S0, no fault", tally(look(t, c), groupNo(0)), "12 fresh; total 7200")
		time.Sleep(15 * time.Second)
		test(t, w, c)
	})
}

func groupNo(i int) string { return fmt.Sprintf("group-%02d", i) }

func at400() []int64 {
	offsets := make([]int64, 12)
	for i := range offsets {
		offsets[i] = 400
	}
	return offsets
}

// tally writes what is told of a group as "9 fresh, 3 denied; 5400 of an unknown total".
func tally(s *tidemark.Snapshot, group string) string {
	count := map[string]int{}
	for _, p := range s.Of(group) {
		if lag, known := p.Lag(); known && lag == 600 {
			count["fresh"]++
		} else {
			count[p.Reason.String()]++
		}
	}
	var out []string
	for _, word := range []string{"fresh", "unreachable", "denied", "truncated", ""} {
		if n := count[word]; n > 0 {
			out = append(out, fmt.Sprint(n, " ", word))
		}
	}
	g, _ := s.Group(group)
	total := s.Total(g)
	if total.Complete {
		return fmt.Sprintf("%s; total %d", strings.Join(out, ", "), total.Records)
	}
	return fmt.Sprintf("%s; %d of an unknown total", strings.Join(out, ", "), total.Records)
}

func TestBrokerBehindAFirewallCostsItsThirdAndNoTime(t *testing.T) { // S1 and S2
	inTrouble(t, func(t *testing.T, w *world, c *kafka.Collector) {
		for p := range int32(12) {
			if err := w.cluster.MoveTopicPartition("orders", p, p%3); err != nil {
				t.Fatal(err)
			}
		}
		look(t, c)
		w.net.swallow(2, true)
		began := time.Now()
		s := look(t, c)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		for i := range 20 {
			if w.cluster.CoordinatorFor(groupNo(i)) != 2 {
				check(t, "S1", tally(s, groupNo(i)), "8 fresh, 4 unreachable; 4800 of an unknown total")
			} else {
				check(t, "S1, its coordinator hangs", tally(s, groupNo(i)), "12 unreachable; 0 of an unknown total")
			}
		}
		w.net.swallow(2, false)
		time.Sleep(15 * time.Second)
		s = look(t, c)
		for i := range 20 {
			check(t, "S2, the first look after", tally(s, groupNo(i)), "12 fresh; total 7200")
		}
	})
}

func TestSomePartitionsWithoutALeaderLeaveNoTotal(t *testing.T) { // S3
	inTrouble(t, func(t *testing.T, w *world, c *kafka.Collector) {
		w.cluster.Fault(kfake.Fault{Keys: ends, Topic: "orders", Partitions: []int32{1, 5, 9}, Err: kerr.LeaderNotAvailable, Count: -1})
		check(t, "S3", tally(look(t, c), groupNo(7)), "9 fresh, 3 unreachable; 5400 of an unknown total")
	})
}

func TestCommitsOfACoordinatorThatIsLoadingKeepTheirAge(t *testing.T) { // S4
	inTrouble(t, func(t *testing.T, w *world, c *kafka.Collector) {
		w.cluster.Fault(kfake.Fault{Keys: commits, Group: groupNo(3), Err: kerr.CoordinatorLoadInProgress, Count: -1})
		began := time.Now()
		s := look(t, c)
		check(t, "S4", tally(s, groupNo(3)), "12 unreachable; 0 of an unknown total")
		check(t, "S4, another group", tally(s, groupNo(4)), "12 fresh; total 7200")
		g, _ := s.Group(groupNo(3))
		check(t, "S4, last value", s.Of(groupNo(3))[0].Committed, 400)
		check(t, "S4, its age", began.Sub(g.At).Round(time.Second), 15*time.Second)
	})
}

func TestSomePartitionsDeniedLeaveNoTotal(t *testing.T) { // S5
	inTrouble(t, func(t *testing.T, w *world, c *kafka.Collector) {
		w.cluster.Fault(kfake.Fault{Keys: ends, Topic: "orders", Partitions: []int32{1, 5, 9}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		check(t, "S5", tally(look(t, c), groupNo(7)), "9 fresh, 3 denied; 5400 of an unknown total")
	})
}

func TestCommitsBeyondTheEndAreNeitherNegativeNorHealthy(t *testing.T) { // S7
	inTrouble(t, func(t *testing.T, w *world, c *kafka.Collector) {
		w.commit(groupNo(7), "orders", 5000, 5000, 5000, 5000, 5000, 5000)
		check(t, "S7", tally(look(t, c), groupNo(7)), "6 fresh, 6 truncated; 3600 of an unknown total")
	})
}

func TestRefusedConnectionsAreAnErrorAtOnce(t *testing.T) { // S9
	inTrouble(t, func(t *testing.T, w *world, _ *kafka.Collector) {
		c := w.collector(func(o *kafka.Options) {
			o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
		})
		began := time.Now()
		_, err := c.Snapshot(t.Context())
		if took := time.Since(began); err == nil || took > 4*time.Second {
			t.Errorf("S9: %v after %v", err, took)
		}
	})
}

func TestPartitionWhoseCommitCannotBeToldIsNotKnown(t *testing.T) {
	inTrouble(t, func(t *testing.T, w *world, c *kafka.Collector) {
		coordinator := w.cluster.CoordinatorFor(groupNo(7))
		w.cluster.ControlKey(kmsg.OffsetFetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if w.cluster.CurrentNode() != coordinator {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
			topic := kmsg.OffsetFetchResponseGroupTopic{Topic: "orders"}
			for id := range int32(12) {
				p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				p.Partition, p.Offset = id, 400
				if id == 5 {
					p.Offset, p.ErrorCode = -1, kerr.UnstableOffsetCommit.Code
				}
				topic.Partitions = append(topic.Partitions, p)
			}
			resp.Groups = []kmsg.OffsetFetchResponseGroup{{Group: groupNo(7), Topics: []kmsg.OffsetFetchResponseGroupTopic{topic}}}
			return resp, nil, true
		})
		s := look(t, c)
		check(t, "commit", s.Of(groupNo(7))[5].Committed, tidemark.Unseen)
		check(t, "the others", tally(s, groupNo(7)), "11 fresh, 1 unreachable; 6600 of an unknown total")
	})
}

func TestDuringARebalanceTheLastAssignmentStays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.join("billing", "orders")
		c := w.collector()
		check(t, "owned, never committed", lags(look(t, c), "billing"), "?:uncommitted ?:uncommitted ?:uncommitted ?:uncommitted")
		w.cluster.ControlKey(kmsg.DescribeGroups.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
			resp.Groups = []kmsg.DescribeGroupsResponseGroup{{
				Group: "billing", State: "PreparingRebalance", ProtocolType: "consumer",
				Members: []kmsg.DescribeGroupsResponseGroupMember{{MemberID: "a"}},
			}}
			return resp, nil, true
		})
		s := look(t, c)
		g, _ := s.Group("billing")
		check(t, "rebalancing", g.Rebalancing(), true)
		check(t, "still read", lags(s, "billing"), "?:uncommitted ?:uncommitted ?:uncommitted ?:uncommitted")
	})
}
