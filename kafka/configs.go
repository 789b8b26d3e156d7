package kafka

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// keeps is what a topic's configuration says of how long records stay.
type keeps struct {
	retention time.Duration // 0: for ever, or not told
	compacted bool
	denied    bool // we may not know
}

const (
	// keepConfigs is how long configurations are believed: people change them rarely.
	keepConfigs = 5 * time.Minute
	// topicsPerRequest bounds an answer, of some 100 bytes a topic, to 100 KB.
	topicsPerRequest = 1000
)

// readConfigs asks now and then how long topics keep their records. It takes the
// right to describe configurations, which is asked for nowhere else: without it, or
// without an answer, nothing is known and nothing is missing.
func (l *look) readConfigs(ctx context.Context) {
	if l.began.Sub(l.cluster.configured) < keepConfigs {
		return
	}
	i := slices.IndexFunc(l.brokers, func(b *broker) bool { return b.failed == nil && b.spent < l.deadline })
	if i < 0 {
		return
	}
	l.cluster.configured = l.began
	ctx, cancel := context.WithTimeout(ctx, l.deadline-l.brokers[i].spent)
	defer cancel()
	for part := range slices.Chunk(l.cluster.sorted, topicsPerRequest) {
		req := kmsg.NewPtrDescribeConfigsRequest()
		for _, t := range part {
			about := kmsg.NewDescribeConfigsRequestResource()
			about.ResourceType, about.ResourceName = kmsg.ConfigResourceTypeTopic, t.told
			about.ConfigNames = []string{"cleanup.policy", "retention.ms"}
			req.Resources = append(req.Resources, about)
		}
		resp, err := l.client.Broker(int(l.brokers[i].ID)).RetriableRequest(ctx, req)
		if err != nil {
			return
		}
		for _, told := range resp.(*kmsg.DescribeConfigsResponse).Resources {
			t := l.cluster.topics[nameOf(told.ResourceName)]
			switch err := kerr.ErrorForCode(told.ErrorCode); {
			case t == nil:
			case err == nil:
				t.keeps = keepsOf(told.Configs)
			default:
				t.keeps.denied = reasonOf(err) == tidemark.Denied
			}
		}
	}
}

// keepsOf reads what a broker told. A topic that is only compacted loses no record
// to age.
func keepsOf(told []kmsg.DescribeConfigsResponseResourceConfig) keeps {
	var k keeps
	deletes := true
	for _, c := range told {
		switch {
		case c.Value == nil:
		case c.Name == "cleanup.policy":
			k.compacted, deletes = strings.Contains(*c.Value, "compact"), strings.Contains(*c.Value, "delete")
		case c.Name == "retention.ms":
			ms, err := strconv.ParseInt(*c.Value, 10, 64)
			if err == nil && ms > 0 && ms < int64(maxRetention/time.Millisecond) {
				k.retention = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if !deletes {
		k.retention = 0
	}
	return k
}

// maxRetention is longer than anybody waits: what is beyond counts as for ever.
const maxRetention = 100 * 365 * 24 * time.Hour
