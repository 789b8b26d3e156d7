package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// Grant is a right that would show us more: an operation on something.
type Grant struct {
	Operation string // Describe or DescribeConfigs
	Resource  string // cluster, group or topic
	Name      string // of the group or topic; * is all of them, empty for the cluster
	Shows     string // what it would show, as half a sentence
}

// Command is what an administrator may type to grant it, with Kafka's own tool:
//
//	kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal 'User:tidemark' --operation Describe --group 'billing'
func (g Grant) Command(bootstrap, principal string) string {
	command := fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --add --allow-principal %s --operation %s --%s",
		bootstrap, quoted("User:"+principal), g.Operation, g.Resource)
	if g.Name != "" {
		command += " " + quoted(g.Name)
	}
	return command
}

// quoted is text as a shell takes it for one word.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Missing returns the rights that the latest look lacked, the widest first. Most of them
// Kafka does not tell by itself: without the right to describe the cluster it
// lists fewer groups, and without that to describe a topic it leaves out commits
// there, both without a word. It asks one broker one question; without an answer,
// only what the look has shown is returned. Like [Collector.Snapshot], it is not
// safe for concurrent use.
func (c *Collector) Missing(ctx context.Context) []Grant {
	var missing []Grant
	if c.fewGroups(ctx) {
		missing = append(missing, Grant{"Describe", "cluster", "", "all groups; now those are listed that may be described one by one"})
	}
	for _, g := range c.sortedGroups() {
		switch {
		case g.hidden:
			missing = append(missing, Grant{"Describe", "topic", "*", fmt.Sprintf("the members of group %s, which read topics that may not be described", g.Name)})
		case g.unheard == tidemark.Denied, g.unmet == tidemark.Denied:
			missing = append(missing, Grant{"Describe", "group", g.Name, "its members and commits"})
		}
	}
	for _, t := range c.cluster.sorted {
		switch {
		case t.denied, slices.ContainsFunc(t.logs, func(l partitionLog) bool { return l.reason() == tidemark.Denied }):
			missing = append(missing, Grant{"Describe", "topic", t.name, "its log, and commits there"})
		case t.keeps.denied:
			missing = append(missing, Grant{"DescribeConfigs", "topic", t.name, "how long it keeps records, and whether it is compacted"})
		}
	}
	slices.SortStableFunc(missing, func(a, b Grant) int { return a.width() - b.width() })
	return missing
}

// width orders grants by how much they show, the most first.
func (g Grant) width() int {
	return slices.Index([]string{"cluster", "group", "topic"}, g.Resource) + slices.Index([]string{"Describe", "DescribeConfigs"}, g.Operation)*3
}

// fewGroups says whether brokers list only some groups to us, as far as one tells.
func (c *Collector) fewGroups(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, c.deadline)
	defer cancel()
	req := kmsg.NewDescribeClusterRequest()
	req.IncludeClusterAuthorizedOperations = true
	told, err := req.RequestWith(ctx, c.client)
	if err != nil || kerr.ErrorForCode(told.ErrorCode) != nil || told.ClusterAuthorizedOperations < 0 {
		return false
	}
	return told.ClusterAuthorizedOperations&(1<<kmsg.ACLOperationDescribe) == 0
}
