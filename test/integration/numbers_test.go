//go:build linux

package integration

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestOneBroker shares one broker, because each costs seconds to start.
func TestOneBroker(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{SASL: true, TLS: true})
	client := newClient(t, cluster.Bootstrap())
	fill(t, client, "orders", 1, 100, 50, 7, 0)
	fill(t, client, "payments", 1, 20, 20, 20)

	t.Run("GroupsReadAsTheirOwnToolSays", func(t *testing.T) {
		commit(t, client, "classic", "orders", 40, 50, -1, 0)
		commit(t, client, "modern", "orders", 0, 1, -1, -1)
		commit(t, client, "empty", "payments", 20, 5, -1)
		for range 2 {
			join(t, cluster.Bootstrap(), "classic", "orders", kgo.Balancers(kgo.CooperativeStickyBalancer()))
			join(t, cluster.Bootstrap(), "modern", "orders", kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer())
		}
		var rows []kafkatest.Row
		await(t, "two members in each group", func() bool {
			rows = cluster.Groups()
			return len(owners(rows, "classic")) == 2 && len(owners(rows, "modern")) == 2
		})
		snapshot := look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()}))
		for _, group := range []string{"classic", "modern", "empty"} {
			compareNumbers(t, snapshot, group, rows)
			compareMembers(t, snapshot, group, rows)
		}
		compareKinds(t, snapshot)
		if len(snapshot.Gaps) > 0 {
			t.Errorf("gaps = %v, want none", snapshot.Gaps)
		}
	})

	t.Run("RecordsThatRetentionDeletedAreLostAndNotLag", func(t *testing.T) {
		fill(t, client, "short", 1, 30)
		commit(t, client, "late", "short", 10)
		var upTo kadm.Offsets
		upTo.AddOffset("short", 0, 25, -1)
		if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), upTo); err != nil {
			t.Fatal(err)
		}
		p := partition(t, look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()})), "late", "short", 0)
		if lag, known := p.Lag(); lag != 5 || !known || p.Lost() != 15 {
			t.Errorf("lag = %d (known: %v), lost %d; want 5, lost 15", lag, known, p.Lost())
		}
	})

	t.Run("ACommitBeyondTheEndIsNoLag", func(t *testing.T) {
		commit(t, client, "ahead", "payments", 999)
		snapshot := look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()}))
		p := partition(t, snapshot, "ahead", "payments", 0)
		if lag, known := p.Lag(); known {
			t.Errorf("lag = %d, want not known", lag)
		}
		if p.Reason != tidemark.Truncated && p.Reason != tidemark.Recreated {
			t.Errorf("reason = %q, want %q", p.Reason, tidemark.Truncated)
		}
		if group, _ := snapshot.Group("ahead"); snapshot.Total(group).Complete {
			t.Error("the group's total is complete, want not")
		}
	})

	for _, protocol := range []string{"classic", "consumer"} {
		t.Run("RecordsAreTailedWholeAndWorkedOnceInGroupsOfType_"+protocol, func(t *testing.T) {
			testRecords(t, cluster, client, protocol)
		})
	}

	t.Run("EverySignInSeesTheSame", func(t *testing.T) {
		want := totals(look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()})))
		for name, c := range signIns(t, cluster) {
			if got := totals(look(t, open(t, c))); !maps.Equal(got, want) {
				t.Errorf("%s: totals = %v, want %v", name, got, want)
			}
		}
	})

	t.Run("AWrongPasswordIsAnErrorAndNotAnEmptyCluster", func(t *testing.T) {
		c := kafka.Config{Brokers: cluster.SASLBootstrap(), SASL: password(t, "scram-sha-512", "guess")}
		if snapshot, err := open(t, c).Snapshot(t.Context()); err == nil {
			t.Errorf("snapshot = %+v, want an error", snapshot)
		}
	})

	t.Run("AnUnknownAuthorityIsAnErrorAndNotAnEmptyCluster", func(t *testing.T) {
		c := kafka.Config{Brokers: cluster.TLSBootstrap(), TLS: kafka.TLS{Enabled: true}}
		if snapshot, err := open(t, c).Snapshot(t.Context()); err == nil {
			t.Errorf("snapshot = %+v, want an error", snapshot)
		}
	})
}

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

func compareKinds(t *testing.T, s *tidemark.Snapshot) {
	t.Helper()
	for name, want := range map[string]struct{ kind, phase, assignor string }{
		"classic": {"classic", "Stable", "cooperative-sticky"},
		"modern":  {"consumer", "Stable", "range"},
		"empty":   {"classic", "Empty", ""},
	} {
		if g, _ := s.Group(name); g.Type != want.kind || g.Phase != want.phase || g.Assignor != want.assignor {
			t.Errorf("group %s: type %q, phase %q, assignor %q; want %+v", name, g.Type, g.Phase, g.Assignor, want)
		}
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

func totals(s *tidemark.Snapshot) map[string]tidemark.Total {
	all := map[string]tidemark.Total{}
	for _, g := range s.Groups {
		all[g.Name] = s.Total(g)
	}
	return all
}

func signIns(t *testing.T, cluster *kafkatest.Cluster) map[string]kafka.Config {
	t.Helper()
	cert, key := cluster.ClientCert()
	all := map[string]kafka.Config{
		"TLS":        {Brokers: cluster.TLSBootstrap(), TLS: kafka.TLS{Enabled: true, CA: cluster.CA()}},
		"mutual TLS": {Brokers: cluster.TLSBootstrap(), TLS: kafka.TLS{Enabled: true, CA: cluster.CA(), Cert: cert, Key: key}},
	}
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		all[mechanism] = kafka.Config{Brokers: cluster.SASLBootstrap(), SASL: password(t, mechanism, kafkatest.Password)}
	}
	return all
}

func password(t *testing.T, mechanism, secret string) kafka.SASL {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return kafka.SASL{Mechanism: mechanism, Username: kafkatest.User, PasswordFile: file}
}
