package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
)

// Publisher writes records.
type Publisher struct{ client *kgo.Client }

// OpenPublisher returns a publisher. The cluster need not be up yet.
func OpenPublisher(o Options) (*Publisher, error) {
	opts, err := o.ClientOptions()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts,
		kgo.RecordPartitioner(placement{kgo.StickyKeyPartitioner(nil)}),
		kgo.ProducerLinger(0),
		// Whoever publishes decides by its context when to give up, also while
		// a broker has the record and does not answer.
		kgo.AllowIdempotentProduceCancellation(),
	)...)
	if err != nil {
		return nil, fmt.Errorf("cluster %q: publisher: %w", o.Name, err)
	}
	return &Publisher{client: client}, nil
}

// Publish writes records and waits until all replicas in sync have them, or ctx
// ends. On an error some of the records may have been written. A record goes to its
// Partition; with Partition -1 its key decides as it does for Java clients, and
// without a key any partition will do. A zero Timestamp is now; Offset is ignored.
func (p *Publisher) Publish(ctx context.Context, records ...tidemark.Record) error {
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		out[i] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			out[i].Headers = append(out[i].Headers, kgo.RecordHeader(h))
		}
	}
	for _, result := range p.client.ProduceSync(ctx, out...) {
		if result.Err != nil {
			return fmt.Errorf("publish to topic %s: %w", result.Record.Topic, explain(result.Err))
		}
	}
	return nil
}

// Close ends all connections. What Publish still waits for fails.
func (p *Publisher) Close() { p.client.Close() }

// placement sends a record to its own partition, if it names one.
type placement struct{ others kgo.Partitioner }

// ForTopic is kgo's way to ask for a topic's partitioner.
func (p placement) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPlacement{p.others.ForTopic(topic)}
}

type topicPlacement struct{ kgo.TopicPartitioner }

// RequiresConsistency says whether only the one partition will do.
func (p topicPlacement) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.TopicPartitioner.RequiresConsistency(r)
}

// Partition chooses among n partitions.
func (p topicPlacement) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

// OnNewBatch lets records without a key move on to another partition.
func (p topicPlacement) OnNewBatch() {
	if sticky, is := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); is {
		sticky.OnNewBatch()
	}
}
