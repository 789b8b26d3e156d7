//go:build linux

package integration

import (
	"crypto/rand"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestNumbersAreThoseOfKafkasOwnTools runs against one broker, or against those of
// TIDEMARK_TEST_BROKERS: its names are its own.
func TestNumbersAreThoseOfKafkasOwnTools(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{})
	client := newClient(t, cluster.Bootstrap())
	run := rand.Text()[:8]
	named := func(name string) string { return name + "-" + run }
	orders, payments := named("orders"), named("payments")
	fill(t, client, orders, 1, 100, 50, 7, 0)
	fill(t, client, payments, 1, 20, 20, 20)

	t.Run("GroupsReadAsTheirOwnToolSays", func(t *testing.T) {
		classic, modern, empty := named("classic"), named("modern"), named("empty")
		commit(t, client, classic, orders, 40, 50, -1, 0)
		commit(t, client, modern, orders, 0, 1, -1, -1)
		commit(t, client, empty, payments, 20, 5, -1)
		for range 2 {
			join(t, cluster.Bootstrap(), classic, orders, kgo.Balancers(kgo.CooperativeStickyBalancer()))
			join(t, cluster.Bootstrap(), modern, orders, kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer())
		}
		var rows []kafkatest.Row
		await(t, "two members in each group", func() bool {
			rows = cluster.Groups()
			return len(owners(rows, classic)) == 2 && len(owners(rows, modern)) == 2
		})
		snapshot := look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()}))
		for group, want := range map[string]kind{
			classic: {"classic", "Stable", "cooperative-sticky"},
			modern:  {"consumer", "Stable", "range"},
			empty:   {"classic", "Empty", ""},
		} {
			compareNumbers(t, snapshot, group, rows)
			compareMembers(t, snapshot, group, rows)
			if g, _ := snapshot.Group(group); (kind{g.Type, g.Phase, g.Assignor}) != want {
				t.Errorf("group %s is %+v, want %+v", group, g, want)
			}
		}
		if len(snapshot.Gaps) > 0 {
			t.Errorf("gaps = %v, want none", snapshot.Gaps)
		}
	})

	t.Run("RecordsThatRetentionDeletedAreLostAndNotLag", func(t *testing.T) {
		short, late := named("short"), named("late")
		fill(t, client, short, 1, 30)
		commit(t, client, late, short, 10)
		var upTo kadm.Offsets
		upTo.AddOffset(short, 0, 25, -1)
		if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), upTo); err != nil {
			t.Fatal(err)
		}
		p := partition(t, look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()})), late, short, 0)
		if lag, known := p.Lag(); lag != 5 || !known || p.Lost() != 15 {
			t.Errorf("lag = %d (known: %v), lost %d; want 5, lost 15", lag, known, p.Lost())
		}
	})

	t.Run("ACommitBeyondTheEndIsNoLag", func(t *testing.T) {
		ahead := named("ahead")
		commit(t, client, ahead, payments, 999)
		snapshot := look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()}))
		p := partition(t, snapshot, ahead, payments, 0)
		if lag, known := p.Lag(); known {
			t.Errorf("lag = %d, want not known", lag)
		}
		if p.Reason != tidemark.Truncated && p.Reason != tidemark.Recreated {
			t.Errorf("reason = %q, want %q", p.Reason, tidemark.Truncated)
		}
		if group, _ := snapshot.Group(ahead); snapshot.Total(group).Complete {
			t.Error("the group's total is complete, want not")
		}
	})

	for _, protocol := range []string{"classic", "consumer"} {
		t.Run("RecordsAreTailedWholeAndWorkedOnceInGroupsOfType_"+protocol, func(t *testing.T) {
			testRecords(t, cluster, client, protocol, named("events-"+protocol))
		})
	}
}

// kind is how a group is led.
type kind struct{ protocol, phase, assignor string }

// compareNumbers holds a group's partitions to the oracle's rows. The tool counts
// from the commit, also through what retention has deleted; and of a group
// without members it shows committed partitions only.
func compareNumbers(t *testing.T, s *tidemark.Snapshot, group string, rows []kafkatest.Row) {
	t.Helper()
	told := map[string]bool{}
	for _, row := range rows {
		if row.Group != group {
			continue
		}
		told[place(row.Topic, row.Partition)] = true
		p := partition(t, s, group, row.Topic, row.Partition)
		committed := tidemark.Uncommitted
		if row.Committed.Known {
			committed = row.Committed.N
		}
		if p.Committed != committed || p.LogEnd != row.End.N {
			t.Errorf("%s %s: committed %d, end %d; want %d, %d", group, place(row.Topic, row.Partition), p.Committed, p.LogEnd, committed, row.End.N)
		}
		if lag, known := p.Lag(); row.Lag.Known && (!known || lag+p.Lost() != row.Lag.N) {
			t.Errorf("%s %s: lag %d (known: %v), lost %d; want %d together", group, place(row.Topic, row.Partition), lag, known, p.Lost(), row.Lag.N)
		} else if !row.Lag.Known && known && p.LogEnd != p.LogStart {
			t.Errorf("%s %s: lag %d, want not known", group, place(row.Topic, row.Partition), lag)
		}
	}
	if len(told) == 0 {
		t.Errorf("the tool says nothing about group %s", group)
	}
	for _, p := range s.Of(group) {
		if !told[place(p.Topic, p.ID)] && p.Committed != tidemark.Uncommitted {
			t.Errorf("%s %s: committed %d, but the tool does not know it", group, place(p.Topic, p.ID), p.Committed)
		}
	}
}

func compareMembers(t *testing.T, s *tidemark.Snapshot, group string, rows []kafkatest.Row) {
	t.Helper()
	g, found := s.Group(group)
	if !found {
		t.Errorf("group %s is not in the snapshot", group)
		return
	}
	got := map[string][]string{}
	for _, m := range g.Members {
		for _, assigned := range m.Assigned {
			for _, id := range assigned.Partitions {
				got[m.ID] = append(got[m.ID], place(assigned.Topic, id))
			}
		}
		slices.Sort(got[m.ID])
	}
	if want := owners(rows, group); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("members of %s = %v, want %v", group, got, want)
	}
}

// owners returns what each member of a group owns.
func owners(rows []kafkatest.Row, group string) map[string][]string {
	owned := map[string][]string{}
	for _, row := range rows {
		if row.Group == group && row.Member != "" {
			owned[row.Member] = append(owned[row.Member], place(row.Topic, row.Partition))
		}
	}
	for _, places := range owned {
		slices.Sort(places)
	}
	return owned
}

func place(topic string, id int32) string { return topic + "/" + strconv.Itoa(int(id)) }
