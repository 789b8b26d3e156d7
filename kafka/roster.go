package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// The types of groups, in the brokers' words.
const (
	classic  = "classic"
	consumer = "consumer"
	share    = "share"
	streams  = "streams"
)

// roster is what a coordinator told about who is in one group.
type roster struct {
	told            string // the group's name
	code            int16
	phase, assignor string
	members         []tidemark.Member
}

// describe asks who is in the groups, by their type. An empty group needs no
// question; of a type that we do not know, the members are not known either.
func (l *look) describe(ctx context.Context, b *broker, groups []*group) {
	types := []string{classic, consumer, share, streams}
	byType := map[string][]*group{}
	for _, g := range groups {
		if g.Phase == "Empty" || g.Phase == "Dead" {
			g.disband()
			continue
		}
		byType[g.Type] = append(byType[g.Type], g)
		if !slices.Contains(types, g.Type) {
			g.failed = fmt.Errorf("members: there is no question for groups of type %q", g.Type)
		}
	}
	for _, kind := range types {
		for part := range slices.Chunk(byType[kind], groupsPerRequest) {
			for _, r := range l.rosters(ctx, b, kind, part) {
				if g := find(part, r.told); g != nil && l.described(g, r.code) {
					g.join(r, l)
				}
			}
		}
	}
}

func (l *look) rosters(ctx context.Context, b *broker, kind string, groups []*group) []roster {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.told
	}
	switch kind {
	case classic:
		return l.askClassic(ctx, b, names)
	case consumer:
		return l.askConsumer(ctx, b, names)
	case share:
		return l.askShare(ctx, b, names)
	}
	return l.askStreams(ctx, b, names)
}

// disband takes up that nobody is in the group.
func (g *group) disband() {
	g.Members, g.Assignor, g.unmet = nil, "", tidemark.Fine
	for _, r := range g.reads {
		r.owned = false
	}
}

func (l *look) askClassic(ctx context.Context, b *broker, names []string) (told []roster) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = names
	resp, err := l.ask(ctx, b, req)
	if err != nil {
		return nil
	}
	for _, g := range resp.(*kmsg.DescribeGroupsResponse).Groups {
		r := roster{told: g.Group, code: g.ErrorCode, phase: g.State, assignor: g.Protocol}
		for _, m := range g.Members {
			r.members = append(r.members, member(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost, classicAssignment(g.ProtocolType, m.MemberAssignment)))
		}
		told = append(told, r)
	}
	return told
}

func (l *look) askConsumer(ctx context.Context, b *broker, names []string) (told []roster) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = names
	resp, err := l.ask(ctx, b, req)
	if err != nil {
		return nil
	}
	for _, g := range resp.(*kmsg.ConsumerGroupDescribeResponse).Groups {
		r := roster{told: g.Group, code: g.ErrorCode, phase: g.State, assignor: g.AssignorName}
		for _, m := range g.Members {
			var owns []tidemark.Assignment
			for _, t := range m.Assignment.TopicPartitions {
				owns = l.assign(owns, t.Topic, t.TopicID, t.Partitions)
			}
			r.members = append(r.members, member(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost, owns))
		}
		told = append(told, r)
	}
	return told
}

func (l *look) askShare(ctx context.Context, b *broker, names []string) (told []roster) {
	req := kmsg.NewPtrShareGroupDescribeRequest()
	req.GroupIDs = names
	resp, err := l.ask(ctx, b, req)
	if err != nil {
		return nil
	}
	for _, g := range resp.(*kmsg.ShareGroupDescribeResponse).Groups {
		r := roster{told: g.GroupID, code: g.ErrorCode, phase: g.GroupState, assignor: g.Assignor}
		for _, m := range g.Members {
			var owns []tidemark.Assignment
			for _, t := range m.Assignment.TopicPartitions {
				owns = l.assign(owns, t.Topic, t.TopicID, t.Partitions)
			}
			r.members = append(r.members, member(m.MemberID, nil, m.ClientID, m.ClientHost, owns))
		}
		told = append(told, r)
	}
	return told
}

// askStreams turns tasks into partitions: a task of a subtopology reads one
// partition of each of its source topics.
func (l *look) askStreams(ctx context.Context, b *broker, names []string) (told []roster) {
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = names
	resp, err := l.ask(ctx, b, req)
	if err != nil {
		return nil
	}
	for _, g := range resp.(*kmsg.StreamsGroupDescribeResponse).Groups {
		r := roster{told: g.Group, code: g.ErrorCode, phase: g.State}
		if g.AssignorName != nil {
			r.assignor = *g.AssignorName
		}
		reads := sources(g.Topology)
		for _, m := range g.Members {
			var owns []tidemark.Assignment
			for _, task := range m.Assignment.ActiveTasks {
				for _, topic := range reads[task.SubtopologyID] {
					owns = l.assign(owns, topic, [16]byte{}, l.existing(topic, task.Partitions))
				}
			}
			r.members = append(r.members, member(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost, owns))
		}
		told = append(told, r)
	}
	return told
}

// sources are the topics that each subtopology reads.
func sources(t *kmsg.StreamsGroupDescribeResponseGroupTopology) map[string][]string {
	reads := map[string][]string{}
	if t == nil {
		return reads
	}
	for _, sub := range t.Subtopologies {
		topics := slices.Clone(sub.SourceTopics)
		for _, repartition := range sub.RepartitionSourceTopics {
			topics = append(topics, repartition.Topic)
		}
		reads[sub.SubtopologyID] = topics
	}
	return reads
}

// existing leaves out the partitions that a topic does not have: of the sources of
// a subtopology, one may have fewer than another.
func (l *look) existing(told string, partitions []int32) []int32 {
	t := l.cluster.topics[nameOf(told)]
	if t == nil {
		return partitions
	}
	return slices.DeleteFunc(slices.Clone(partitions), func(id int32) bool { return int(id) >= len(t.logs) })
}

// assign adds what a member owns of a topic.
func (l *look) assign(to []tidemark.Assignment, topic string, id [16]byte, partitions []int32) []tidemark.Assignment {
	name, known := l.topicName(topic, id)
	if !known || len(partitions) == 0 {
		return to
	}
	return append(to, tidemark.Assignment{Topic: name, Partitions: partitions})
}

// topicName helps out where a broker tells a topic's id and not its name. A topic
// that is newer than the metadata has it read again.
func (l *look) topicName(told string, id [16]byte) (name string, known bool) {
	if told != "" {
		return nameOf(told), true
	}
	i := slices.IndexFunc(l.cluster.sorted, func(t *topic) bool { return t.id == id })
	if i < 0 {
		l.moved.Store(true)
		return "", false
	}
	return l.cluster.sorted[i].name, true
}

// described says whether a group was described. If not, its members are as last seen.
func (l *look) described(g *group, code int16) bool {
	err := kerr.ErrorForCode(code)
	switch {
	case err == nil:
		return true
	case errors.Is(err, kerr.GroupIDNotFound): // it has gone since it was listed
		g.disband()
	default:
		if elsewhere(err) {
			l.moved.Store(true)
		}
		// The commits on such topics are left out of what we are told, without a word.
		g.hidden = errors.Is(err, kerr.TopicAuthorizationFailed)
		g.unmet, g.failed = reasonOf(err), fmt.Errorf("members: %w", err)
	}
	return false
}

func member(id string, instance *string, client, host string, assigned []tidemark.Assignment) tidemark.Member {
	m := tidemark.Member{ID: nameOf(id), Client: nameOf(client), Host: nameOf(host), Assigned: assigned}
	if instance != nil {
		m.InstanceID = nameOf(*instance)
	}
	slices.SortFunc(m.Assigned, func(a, b tidemark.Assignment) int { return cmp.Compare(a.Topic, b.Topic) })
	return m
}

// classicAssignment reads what a group's leader has assigned. Only groups of
// consumers have assignments that we can read; Kafka Connect has its own.
func classicAssignment(protocolType string, told []byte) []tidemark.Assignment {
	var a kmsg.ConsumerMemberAssignment
	if protocolType != "consumer" || len(told) == 0 || a.ReadFrom(told) != nil {
		return nil
	}
	assigned := make([]tidemark.Assignment, 0, len(a.Topics))
	for _, t := range a.Topics {
		assigned = append(assigned, tidemark.Assignment{Topic: nameOf(t.Topic), Partitions: t.Partitions})
	}
	return assigned
}

// join takes up who is in a group. During a rebalance the brokers tell of no
// assignment: what was owned before stays known as something the group reads.
func (g *group) join(r roster, l *look) {
	slices.SortFunc(r.members, func(a, b tidemark.Member) int { return cmp.Compare(a.ID, b.ID) })
	g.Phase, g.Assignor, g.Members, g.unmet = cmp.Or(r.phase, g.Phase), r.assignor, r.members, tidemark.Fine
	if !g.Rebalancing() {
		for _, r := range g.reads {
			r.owned = false
		}
	}
	for _, m := range r.members {
		for _, a := range m.Assigned {
			if !l.choose.topics.chooses(a.Topic) {
				continue
			}
			r := g.reading(a.Topic)
			r.owned = true
			for _, id := range a.Partitions {
				r.partition(id)
			}
		}
	}
}

func find(groups []*group, told string) *group {
	i := slices.IndexFunc(groups, func(g *group) bool { return g.told == told })
	if i < 0 {
		return nil
	}
	return groups[i]
}
