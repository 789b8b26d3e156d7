package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
)

const (
	// groupsPerRequest and commitsPerRequest bound one OffsetFetch answer, of some
	// 22 bytes a commit, to about 2 MB.
	groupsPerRequest  = 100
	commitsPerRequest = 100_000
	// inFlight bounds what a broker is asked at the same time.
	inFlight = 8
	// maxPartition is more than any topic has. A broken answer shall not make us
	// allocate for a partition number that it made up.
	maxPartition = 1 << 20
)

// group is a consumer group and what was last seen of it.
type group struct {
	tidemark.Group        // Members are replaced, never changed: snapshots share them
	told           string // its name as the brokers write it
	listedAt       time.Time
	listedIn       *look
	unheard, unmet tidemark.Reason // why commits, or members, are not from this look
	failed         error           // why, if a broker said so
	refused        bool            // who was asked for commits said that somebody else has them
	hidden         bool            // it reads topics that we may not see: the commits we are told are not all
	rival          int32           // another broker that lists it in this look; -1: none
	rest           rest
	reads          []*reading
}

func (g *group) reading(topic string) *reading {
	i, found := slices.BinarySearchFunc(g.reads, topic, func(r *reading, t string) int { return cmp.Compare(r.topic, t) })
	if !found {
		g.reads = slices.Insert(g.reads, i, &reading{topic: topic})
	}
	return g.reads[i]
}

func (g *group) commits() int {
	n := 0
	for _, r := range g.reads {
		n += len(r.offsets)
	}
	return n
}

// readGroups reads everything about groups that one broker knows. The broker that
// lists a group is its coordinator, so nobody needs to be asked for that.
func (l *look) readGroups(ctx context.Context, b *broker) {
	if b.asked {
		return
	}
	b.asked = true
	mine := l.listGroups(ctx, b)
	l.describe(ctx, b, mine)
	l.readPositions(ctx, b, mine)
}

// readRefused reads the groups that another broker has listed and then refused.
func (l *look) readRefused(ctx context.Context, b *broker) {
	var mine []*group
	for _, g := range l.groups {
		if g.listedIn == l && g.rival == b.ID && g.refused {
			g.Coordinator, g.failed = b.ID, nil
			mine = append(mine, g)
		}
	}
	l.describe(ctx, b, mine)
	l.readPositions(ctx, b, mine)
}

func (l *look) listGroups(ctx context.Context, b *broker) []*group {
	resp, err := l.ask(ctx, b, kmsg.NewPtrListGroupsRequest())
	if err != nil {
		return nil
	}
	told := resp.(*kmsg.ListGroupsResponse)
	if err := kerr.ErrorForCode(told.ErrorCode); err != nil {
		l.gap(reasonOf(err), err, "groups of broker %d", b.ID)
	} else {
		b.listed = true
	}
	var mine []*group
	for i := range told.Groups {
		if g := l.claim(&told.Groups[i], b.ID); g != nil {
			mine = append(mine, g)
		}
	}
	slices.SortFunc(mine, func(a, b *group) int { return cmp.Compare(a.Name, b.Name) })
	return mine
}

// watches says whether a group is one to look at.
func (l *look) watches(group string) bool {
	return l.choose.groups.chooses(group) && (l.mine == nil || l.mine(group))
}

// claim makes a broker the one that tells about a group in this look. While a
// group moves, two brokers may list it: the first has it, and if it turns out not
// to be the coordinator, the other ([look.readRefused]).
func (l *look) claim(told *kmsg.ListGroupsResponseGroup, broker int32) *group {
	name := nameOf(told.Group)
	if !l.watches(name) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.groups[name]
	if g == nil || g.Type == foreign { // a group of the cluster goes before a reader from elsewhere
		g = &group{told: told.Group, rest: rest{turn: len(l.groups)}}
		g.Name = name
		l.groups[name] = g
	}
	if g.listedIn == l {
		g.rival = broker
		return nil
	}
	g.listedIn, g.listedAt = l, l.began
	g.failed, g.refused, g.hidden, g.rival = nil, false, false, -1
	kept := g.rests(l, broker, told.GroupState)
	g.Coordinator = broker
	g.Type = cmp.Or(strings.ToLower(told.GroupType), classic)
	g.Phase = told.GroupState
	g.unheard, g.unmet = tidemark.Unreachable, tidemark.Unreachable // until told
	if kept {
		g.unheard = tidemark.Fine
	}
	return g
}

// readPositions reads how far the groups are, but for those at rest. Share groups
// keep that elsewhere.
func (l *look) readPositions(ctx context.Context, b *broker, groups []*group) {
	var committing, sharing []*group
	for _, g := range groups {
		switch {
		case g.unheard == tidemark.Fine:
		case g.Type == share:
			sharing = append(sharing, g)
		default:
			committing = append(committing, g)
		}
	}
	l.readCommits(ctx, b, committing)
	l.readShares(ctx, b, sharing)
}

// readCommits fetches the commits of many groups per request. A broker before
// Kafka 3.0 answers for the first one only, and the answer's version says so:
// then each group is asked for alone.
func (l *look) readCommits(ctx context.Context, b *broker, groups []*group) {
	for len(groups) > 0 && l.inTime(ctx) {
		batch := groups[:batchSize(groups)]
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group, req.Topics = batch[0].told, nil // all
		for _, g := range batch {
			one := kmsg.NewOffsetFetchRequestGroup()
			one.Group, one.Topics = g.told, nil
			req.Groups = append(req.Groups, one)
		}
		resp, err := l.ask(ctx, b, commitsRequest{req})
		if err != nil {
			return
		}
		told := resp.(*commitsAnswer)
		if told.Version < 8 {
			l.hearOld(batch[0], &told.OffsetFetchResponse)
			l.readCommitsOneByOne(ctx, b, groups[1:])
			return
		}
		for i := range told.told {
			if g := named(batch, i, told.told[i].name); g != nil {
				l.hearCommits(g, &told.told[i])
			}
		}
		groups = groups[len(batch):]
	}
}

// readCommitsOneByOne begins with the groups whose commits are the oldest, so that
// a deadline that is too short for all does not always cost the same ones.
func (l *look) readCommitsOneByOne(ctx context.Context, b *broker, groups []*group) {
	slices.SortStableFunc(groups, func(a, b *group) int { return a.At.Compare(b.At) })
	var asking errgroup.Group
	asking.SetLimit(inFlight)
	for _, g := range groups {
		asking.Go(func() error {
			if !l.inTime(ctx) {
				return nil
			}
			req := kmsg.NewPtrOffsetFetchRequest()
			req.Group, req.Topics = g.told, nil
			resp, err := l.ask(ctx, b, req)
			if err == nil {
				l.hearOld(g, resp.(*kmsg.OffsetFetchResponse))
			}
			return err
		})
	}
	_ = asking.Wait() // ask has noted it
}

// inTime keeps a third of a broker's deadline for its logs. The groups that are
// not asked for by then are unreachable in this look; the broker is not.
func (l *look) inTime(ctx context.Context) bool {
	end, _ := ctx.Deadline()
	return time.Until(end) > l.deadline/3
}

func batchSize(groups []*group) int {
	n, commits := 0, 0
	for n < len(groups) && n < groupsPerRequest && commits < commitsPerRequest {
		commits += groups[n].commits()
		n++
	}
	return n
}

// named finds the group that an answer is about: the one at the same place in the
// question, as a rule.
func named(groups []*group, i int, told []byte) *group {
	if i < len(groups) && groups[i].told == string(told) {
		return groups[i]
	}
	return find(groups, string(told))
}

// hearCommits takes up a coordinator's answer about one group. On an error the
// commits stay as last seen, and the group says why.
func (l *look) hearCommits(g *group, told *groupCommits) {
	before, changed := g.At, false
	if !l.heard(g, told.code) {
		return
	}
	for name, commits := range told.each() {
		if r := l.readingOf(g, name); r != nil && r.hear(commits.each(), commits.n) {
			changed = true
		}
	}
	l.settle(g, before, changed)
}

// readingOf returns what a group reads of a topic, if we look at that topic.
func (l *look) readingOf(g *group, told []byte) *reading {
	if t := l.cluster.topics[string(told)]; t != nil { // as good as always, and then without a copy
		return g.reading(t.name)
	}
	if name := nameOf(string(told)); l.choose.topics.chooses(name) {
		return g.reading(name)
	}
	return nil
}

// hearOld is [look.hearCommits] for the answer of an old broker.
func (l *look) hearOld(g *group, told *kmsg.OffsetFetchResponse) {
	before, changed := g.At, false
	if !l.heard(g, told.ErrorCode) {
		return
	}
	for i := range told.Topics {
		t := &told.Topics[i]
		if r := l.readingOf(g, []byte(t.Topic)); r != nil {
			changed = r.hear(func(yield func(commit) bool) {
				for _, p := range t.Partitions {
					if !yield(commit{p.Offset, p.Partition, p.LeaderEpoch, p.ErrorCode}) {
						return
					}
				}
			}, len(t.Partitions)) || changed
		}
	}
	l.settle(g, before, changed)
}

// settle ends the taking up of a group's positions: some that it had before are
// gone. A group of which anything has changed is not at rest.
func (l *look) settle(g *group, heard time.Time, changed bool) {
	g.moves(heard)
	n := len(g.reads)
	g.reads = slices.DeleteFunc(g.reads, func(r *reading) bool { return !l.stillReads(r) })
	if changed || len(g.reads) < n {
		g.rest.since = l.began
	}
}

// heard says whether a coordinator has told a group's positions; they follow.
func (l *look) heard(g *group, code int16) bool {
	if err := kerr.ErrorForCode(code); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		g.unheard, g.failed = reasonOf(err), fmt.Errorf("commits: %w", err)
		if errors.Is(err, kerr.NotCoordinator) {
			g.refused = true
			l.moved.Store(true)
		}
		return false
	}
	g.unheard, g.At = tidemark.Fine, time.Now()
	for _, r := range g.reads {
		r.committed = false
	}
	return true
}

// stillReads says whether a group still reads a topic. Commits on a topic that
// was denied to us are no longer told; they stay as last seen.
func (l *look) stillReads(r *reading) bool {
	t := l.cluster.topics[r.topic]
	if r.committed || t != nil && t.denied {
		return true
	}
	r.clear() // owned only: what was committed before has expired
	return r.owned
}

// forgetGroups drops the groups that are no longer ours, and those that are gone: nobody lists them, everybody was
// asked, and their coordinator was among those. While somebody does not answer, a
// group may be with that one; and when a coordinator dies without a successor,
// nobody lists its groups, but they are as alive as their commits.
func (l *look) forgetGroups() {
	everybody := !slices.ContainsFunc(l.brokers, func(b *broker) bool { return !b.listed })
	for name, g := range l.groups {
		switch {
		case g.listedIn == l:
		case g.Type == foreign || !l.watches(name):
			delete(l.groups, name)
		case everybody && l.broker(g.Coordinator) != nil:
			delete(l.groups, name)
		case l.began.Sub(g.listedAt) > keepUnseen:
			delete(l.groups, name)
			l.gap(tidemark.Unreachable, fmt.Errorf("no broker has listed it since %s", g.listedAt.Format(time.TimeOnly)), "group %s", name)
		default:
			g.unheard, g.unmet = tidemark.Unreachable, tidemark.Unreachable
		}
	}
}

func (l *look) anyVanished() bool {
	for _, g := range l.groups {
		if g.listedIn != l {
			return true
		}
	}
	return false
}

// unknownTopics are those that groups read and that the metadata does not have,
// or has with fewer partitions, and those that we might be allowed to see by now.
func (l *look) unknownTopics() []string {
	unknown := map[string]bool{}
	for _, g := range l.groups {
		for _, r := range g.reads {
			t := l.cluster.topics[r.topic]
			switch {
			case t == nil && !l.absent(r), t != nil && t.denied && !l.refreshed, t != nil && !t.denied && len(r.offsets) > len(t.logs):
				unknown[r.topic] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(unknown))
}

// absent says whether a topic is known not to exist. A commit that came later says
// that it does by now.
func (l *look) absent(r *reading) bool {
	since, found := l.cluster.absent[r.topic]
	return found && !r.moved.After(since)
}
