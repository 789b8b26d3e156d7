package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/signin"
)

// guarded runs a test in a world with access lists, in which tidemark has some rights.
func guarded(t *testing.T, rights []kfake.ACL, test func(t *testing.T, w *world, c *kafka.Collector)) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		root, err := kgo.NewClient(
			kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.VirtualNetwork.DialContext), kgo.DisableClientMetrics(),
			kgo.MaxVersions(w.versions()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.SASL(plain.Auth{User: "root", Pass: "secret"}.AsMechanism()),
		)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(root.Close)
		w.client = root
		w.topic("orders", 10)
		w.topic("secret", 10)
		for _, g := range []string{"billing", "mailing"} {
			w.commit(g, "orders", 7, 7, 7, 7)
			w.commit(g, "secret", 7, 7, 7, 7)
		}
		test(t, w, w.collector(func(o *kafka.Options) {
			o.SASL = signin.SASL{Mechanism: "plain", Username: "tidemark", Password: "secret"}
		}))
	}, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "secret"), kfake.User("PLAIN", "tidemark", "secret", rights...))
}

func may(operation kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) kfake.ACL {
	return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
}

func commands(t *testing.T, c *kafka.Collector) string {
	var out []string
	for _, g := range c.Missing(t.Context()) {
		_, what, _ := strings.Cut(g.Command("kafka:9092", "tidemark"), "--operation ")
		out = append(out, what)
	}
	return strings.Join(out, "; ")
}

func TestAllRightsLackNothing(t *testing.T) {
	guarded(t, []kfake.ACL{
		may(kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeCluster, "kafka-cluster"),
		may(kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, "*"),
		may(kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, "*"),
		may(kmsg.ACLOperationDescribeConfigs, kmsg.ACLResourceTypeTopic, "*"),
	}, func(t *testing.T, _ *world, c *kafka.Collector) {
		s := look(t, c)
		check(t, "lags", lags(s, "billing"), "3 3 3 3 3 3 3 3")
		check(t, "retention", s.Topics[0].Retention, 7*24*time.Hour)
		check(t, "missing", commands(t, c), "")
		check(t, "gaps", gaps(s), "")
	})
}

func TestSomeRightsGiveSomeValuesAndTheCommandsForTheRest(t *testing.T) {
	guarded(t, []kfake.ACL{
		may(kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, "billing"),
		may(kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, "orders"),
	}, func(t *testing.T, w *world, c *kafka.Collector) {
		s := look(t, c)
		check(t, "groups", len(s.Groups), 1)
		check(t, "lags", lags(s, "billing"), "3 3 3 3 ?:denied ?:denied ?:denied ?:denied")
		check(t, "missing", commands(t, c), "Describe --cluster; Describe --topic 'secret'; DescribeConfigs --topic 'orders'")
	})
}

func TestWhatIsDeniedComesWithTheCommandThatGrantsIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("it's", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		w.commit("mailing", "it's", 7, 7, 7, 7)
		w.cluster.Fault(
			kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "billing", Err: kerr.GroupAuthorizationFailed, Count: -1},
			kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "it's", Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1},
		)
		c := w.collector()
		s := look(t, c)
		check(t, "missing", commands(t, c), `Describe --group 'billing'; Describe --topic 'it'\''s'`)
		check(t, "lags", lags(s, "mailing"), "3 ?:denied 3 3")
		for _, gap := range s.Gaps {
			if !strings.Contains(gap.Err.Error(), "tidemark doctor kafka") {
				t.Errorf("gap does not say what to do: %v", gap.Err)
			}
		}
	})
}
