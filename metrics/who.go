package metrics

import (
	"iter"
	"slices"

	"github.com/aetherlink/tidemark"
)

// whoRows say who reads and how old that is. What changes with each restart of a
// consumer stands in series of its own to join on, so that no series of a lag ends
// because a consumer began anew.
func whoRows() []row {
	return []row{
		gauge("tidemark_group_info", "", "What kind of group it is and how it shares its partitions out; always 1.",
			each(infos, always), group, "type", "phase", "assignor"),
		gauge("tidemark_group_idle_members", "members", "Members that own no partition.",
			each(groups, (*reader).idle), group),
		gauge("tidemark_group_ghost_partitions", "partitions", "Partitions with a commit on topics of which no member owns any, while the group has members: nobody reads them any more.",
			each(groups, (*reader).ghosts), group),
		gauge("tidemark_group_age_seconds", "seconds", "How old the commits of the group are that are known, also when the latest look did not see them.",
			each(everyGroup, (*reader).age), group),
		gauge("tidemark_group_last_commit_age_seconds", "seconds", "How long ago a look first found the group's commits where they are; absent while none has moved since the cluster is watched.",
			each(groups, (*reader).commitAge), group),
		gauge("tidemark_partition_owner_info", "", "Who owns the partition; always 1. For groups of a pipeline and groups that are behind.",
			each(owned, always), group, topic, partition, "member", "client", "host"),
		gauge("tidemark_partition_open_transaction_seconds", "seconds", "For how long an open transaction has held back those who read committed records only.",
			each(openTransactions, itself), topic, partition),
		gauge("tidemark_group_lag_read_committed_records", "records", "Records before the open transactions that hold the group back; absent unless one does, or the lag is not known whole.",
			each(heldReaders, itself), group),
	}
}

func infos(now moment) iter.Seq2[*tidemark.Series, *reader] {
	return func(yield func(*tidemark.Series, *reader) bool) {
		for series, g := range groups(now) {
			series.More = [3]tidemark.Label{{Name: "type", Value: g.Type}, {Name: "phase", Value: g.Phase}, {Name: "assignor", Value: g.Assignor}}
			if !g.unmet() && !yield(series, g) {
				return
			}
		}
	}
}

// idle is not known while partitions change hands.
func (g *reader) idle() (float64, bool) {
	n := 0
	for i := range g.Members {
		if !slices.ContainsFunc(g.Members[i].Assigned, func(a tidemark.Assignment) bool { return len(a.Partitions) > 0 }) {
			n++
		}
	}
	return float64(n), !g.unmet() && !g.Rebalancing()
}

// ghosts of a group without members are not known: whoever comes next may read them.
func (g *reader) ghosts() (float64, bool) {
	if g.unmet() || g.Rebalancing() || len(g.Members) == 0 {
		return 0, false
	}
	n := 0
	for _, r := range g.topics {
		if slices.ContainsFunc(g.Members, func(m tidemark.Member) bool { return reads(m, r.topic) }) {
			continue
		}
		for i := range r.partitions {
			if _, has := committed(&r.partitions[i]); has {
				n++
			}
		}
	}
	return float64(n), true
}

func reads(m tidemark.Member, topic string) bool {
	return slices.ContainsFunc(m.Assigned, func(a tidemark.Assignment) bool { return a.Topic == topic && len(a.Partitions) > 0 })
}

func (g *reader) age() (float64, bool) {
	return g.at.Sub(g.At).Seconds(), !g.At.IsZero()
}

func (g *reader) commitAge() (float64, bool) {
	return g.at.Sub(g.Moved).Seconds(), !g.Moved.IsZero() && !g.Reason.Blinds()
}

// owned yields the partitions that have an owner.
func owned(now moment) iter.Seq2[*tidemark.Series, *tidemark.Member] {
	return func(yield func(*tidemark.Series, *tidemark.Member) bool) {
		for series, g := range groups(now) {
			if g.shown != PerPartition || g.unmet() || !g.watched && !g.behind() {
				continue
			}
			for m, at := range g.assignments() {
				series.Topic, series.Partition = at.topic, tidemark.OrdinalOf(at.id)
				series.More = [3]tidemark.Label{{Name: "member", Value: m.ID}, {Name: "client", Value: m.Client}, {Name: "host", Value: m.Host}}
				if !yield(series, m) {
					return
				}
			}
		}
	}
}

// assignments are who owns what, member by member.
func (g *reader) assignments() iter.Seq2[*tidemark.Member, place] {
	return func(yield func(*tidemark.Member, place) bool) {
		for i := range g.Members {
			for _, a := range g.Members[i].Assigned {
				for _, id := range a.Partitions {
					if !yield(&g.Members[i], place{a.Topic, id}) {
						return
					}
				}
			}
		}
	}
}

// held are the topics on which a transaction is open, by name.
func held(topics []tidemark.Topic) map[string]*tidemark.Topic {
	var found map[string]*tidemark.Topic
	for i := range topics {
		if slices.ContainsFunc(topics[i].Partitions, func(l tidemark.Log) bool { return !l.Held.IsZero() }) {
			if found == nil {
				found = map[string]*tidemark.Topic{}
			}
			found[topics[i].Name] = &topics[i]
		}
	}
	return found
}

// openTransactions yields for how long transactions have been open, of the logs
// that the latest look saw.
func openTransactions(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for series, l := range clusters(now) {
			for i := 0; i < len(l.Snapshot.Topics) && len(l.held) > 0; i++ {
				t := &l.Snapshot.Topics[i]
				series.Topic = t.Name
				for _, log := range t.Partitions {
					series.Partition = tidemark.OrdinalOf(log.ID)
					if !log.Held.IsZero() && !log.Reason.Blinds() && !yield(series, l.at.Sub(log.Held).Seconds()) {
						return
					}
				}
			}
		}
	}
}

// heldReaders yields the groups that an open transaction holds back, and what is left before it.
func heldReaders(now moment) iter.Seq2[*tidemark.Series, float64] {
	return func(yield func(*tidemark.Series, float64) bool) {
		for series, l := range clusters(now) {
			if len(l.held) == 0 {
				continue
			}
			for i := range l.groups {
				series.Group = l.groups[i].Name
				records, is := l.groups[i].readCommitted(l.held)
				if is && !yield(series, records) {
					return
				}
			}
		}
	}
}

// readCommitted is the group's lag without what lies behind an open transaction.
func (g *reader) readCommitted(held map[string]*tidemark.Topic) (records float64, is bool) {
	for _, r := range g.topics {
		t := held[r.topic]
		for i := range r.partitions {
			p := r.partitions[i]
			if log := logOf(t, p.ID); log != nil && !log.Held.IsZero() && p.LogEnd > log.Stable {
				p.LogEnd, is = max(log.Stable, p.Committed, p.LogStart), true
			}
			lag, _ := p.Lag()
			records += float64(lag)
		}
	}
	return records, is && g.total.Complete
}

func logOf(t *tidemark.Topic, id int32) *tidemark.Log {
	if t == nil {
		return nil
	}
	for i := range t.Partitions {
		if t.Partitions[i].ID == id {
			return &t.Partitions[i]
		}
	}
	return nil
}
