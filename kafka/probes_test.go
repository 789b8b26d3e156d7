package kafka_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// TestCommits asks the questions that other monitors answer with -1, with a
// negative lag, with 0, or with a sum that leaves something out without a sign.
func TestCommits(t *testing.T) {
	for _, probe := range []struct {
		is      string
		records int
		commits []int64
		change  func(w *world)
		want    string
	}{
		{"p-plain: committed in the middle", 10, []int64{7, 7, 7, 7}, nil, "3 3 3 3"},
		{"all read", 10, []int64{10, 10, 10, 10}, nil, "0 0 0 0"},
		{"p-partial: no commit on two", 10, []int64{7, 7}, nil, "3 3 ?:uncommitted ?:uncommitted"},
		{"p-minus: a stored commit of -1", 10, []int64{-1, 7}, nil, "?:uncommitted 3 ?:uncommitted ?:uncommitted"},
		{"p-ahead: committed beyond the end", 10, []int64{1000, 7}, nil, "?:truncated 3 ?:uncommitted ?:uncommitted"},
		{"p-zero: an empty topic", 0, []int64{0, 0, 0, 0}, nil, "0 0 0 0"},
		{"an empty topic, no commit on two", 0, []int64{0, 0}, nil, "0 0 0:uncommitted 0:uncommitted"},
		{
			"p-expired: retention was faster", 10, []int64{3, 3, 9, 10}, func(w *world) {
				for p := range int32(4) {
					if err := w.cluster.DeleteRecords("probe", p, 8); err != nil {
						w.t.Fatal(err)
					}
				}
			}, "2:overtaken_by_retention 2:overtaken_by_retention 1 0",
		},
		{
			"p-leader: one end offset not available", 10, []int64{7, 7, 7, 7}, func(w *world) {
				w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "probe", Partitions: []int32{0}, Err: kerr.LeaderNotAvailable, Count: -1})
			}, "?:unreachable 3 3 3",
		},
		{
			"one end offset denied", 10, []int64{7, 7, 7, 7}, func(w *world) {
				w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "probe", Partitions: []int32{2}, Err: kerr.TopicAuthorizationFailed, Count: -1})
			}, "3 3 ?:denied 3",
		},
	} {
		t.Run(probe.is, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.topic("probe", probe.records)
				w.commit("probe", "probe", probe.commits...)
				if probe.change != nil {
					probe.change(w)
				}
				check(t, "lags", lags(look(t, w.collector()), "probe"), probe.want)
			})
		})
	}
}

func TestGroupThatCannotBeFetchedKeepsItsLastCommits(t *testing.T) {
	for _, fault := range []struct {
		err  *kerr.Error
		want string
	}{
		{kerr.GroupAuthorizationFailed, "?:denied ?:denied ?:denied ?:denied"},
		{kerr.CoordinatorLoadInProgress, "?:unreachable ?:unreachable ?:unreachable ?:unreachable"},
		{kerr.NotCoordinator, "?:unreachable ?:unreachable ?:unreachable ?:unreachable"},
	} {
		t.Run(fault.err.Message, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.topic("orders", 10)
				w.commit("billing", "orders", 7, 7, 7, 7)
				w.commit("mailing", "orders", 9, 9, 9, 9)
				c := w.collector()
				look(t, c)
				broken := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "billing", Err: fault.err, Count: -1})

				s := look(t, c)

				check(t, "billing", lags(s, "billing"), fault.want)
				check(t, "mailing", lags(s, "mailing"), "1 1 1 1")
				check(t, "kept", s.Of("billing")[0].Committed, 7)
				if gaps(s) == "" {
					t.Error("there is no gap")
				}

				broken.Remove()
				check(t, "afterwards", lags(look(t, c), "billing"), "3 3 3 3")
			})
		})
	}
}

func TestGroupNeverHeardIsNotAGroupThatNeverCommitted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.join("billing", "orders")
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "billing", Err: kerr.CoordinatorLoadInProgress, Count: -1})

		s := look(t, w.collector())

		check(t, "lags", lags(s, "billing"), "?:unreachable ?:unreachable ?:unreachable ?:unreachable")
		check(t, "commit", s.Of("billing")[0].Committed, tidemark.Unseen)
	})
}

func TestLiveMembersAreSeen(t *testing.T) {
	for kind, opts := range map[string][]kgo.Opt{"classic": nil, "consumer": {kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())}} {
		t.Run(kind, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.topic("orders", 10)
				w.join("billing", "orders", opts...)

				s := look(t, w.collector())

				g, _ := s.Group("billing")
				check(t, "type", g.Type, kind)
				check(t, "phase", g.Phase, "Stable")
				check(t, "members", len(g.Members), 1)
				check(t, "assigned", g.Members[0].Assigned, []tidemark.Assignment{{Topic: "orders", Partitions: []int32{0, 1, 2, 3}}})
				check(t, "lags of a group that never committed", lags(s, "billing"), "?:uncommitted ?:uncommitted ?:uncommitted ?:uncommitted")
				check(t, "complete", s.Total(g).Complete, false)
			})
		})
	}
}

func TestNamesAreTakenAsTheyCome(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		long := strings.Repeat("x", 10_000)
		names := []string{`odd"\`, "new\nline", "a\xff", "a\xfe", "<script>", long + "a", long + "b"}
		for _, name := range names {
			w.commit(name, "orders", 7, 7, 7, 7)
		}

		s := look(t, w.collector())

		check(t, "groups", len(s.Groups), 7)
		for _, g := range s.Groups {
			if !utf8.ValidString(g.Name) || len(g.Name) > 1100 {
				t.Errorf("name %.100q of %d bytes", g.Name, len(g.Name))
			}
			check(t, g.Name, lags(s, g.Name), "3 3 3 3")
		}
	})
}

func TestFilteredGroupsAndTopicsAreNotRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("other", 10)
		for _, g := range []string{"pre-billing", "billing", "mailing"} {
			w.commit(g, "orders", 7, 7, 7, 7)
			w.commit(g, "other", 7, 7, 7, 7)
		}
		asked := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "mailing", Observe: true, Count: -1})

		s := look(t, w.collector(func(o *kafka.Options) {
			o.Groups = kafka.Filter{Include: []string{"billing"}}
			o.Topics = kafka.Filter{Exclude: []string{"^oth"}}
		}))

		check(t, "groups", len(s.Groups), 2)
		check(t, "topics", len(s.Topics), 1)
		check(t, "lags", lags(s, "pre-billing"), "3 3 3 3")
		check(t, "asked for mailing", asked.Hits(), 0)
	})
}

func TestOldBrokersAreAskedGroupByGroup(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		groups := []string{"a", "b", "c", "d", "e", "f"}
		for i, g := range groups {
			w.commit(g, "orders", int64(i), int64(i), int64(i), int64(i))
		}

		s := look(t, w.collector())

		for i, g := range groups {
			check(t, g, s.Of(g)[0].Committed, i)
		}
		check(t, "lags", lags(s, "f"), "5 5 5 5")
		check(t, "requests", requests(nil, s)["OffsetFetch"], 6)
	}, kfake.MaxVersions(kversion.V2_4_0()))
}
