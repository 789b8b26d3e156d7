package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

const (
	// findPartitions is how often a tail looks for partitions that were added.
	findPartitions = 10 * time.Second
	// recordsPerRead is how many records one Next returns at most, unless said
	// otherwise: as many as a Java consumer's poll.
	recordsPerRead = 500
)

// Reset says where reading begins without a position.
type Reset string

// The words for Reset. The zero value is Earliest.
const (
	Earliest Reset = "earliest"
	Latest   Reset = "latest"
)

func (r Reset) offset() (kgo.Offset, error) {
	switch r {
	case "", Earliest:
		return kgo.NewOffset().AtStart(), nil
	case Latest:
		return kgo.NewOffset().AtEnd(), nil
	}
	return kgo.Offset{}, fmt.Errorf("reset is %q; set it to earliest or latest", r)
}

// TailOptions says what a [Tail] reads.
type TailOptions struct {
	Topic string
	// From is where to begin. A partition that is not in it begins as Reset says;
	// a position that the log no longer has begins at the log's start.
	From  []tidemark.Position
	Reset Reset
}

// Tail reads all partitions of a topic without a group, so that any number of
// processes may each read everything. Partitions that are added later are found
// within ten seconds and read from their start.
type Tail struct {
	client  *kgo.Client
	log     *slog.Logger
	topic   string
	begin   map[int32]kgo.Offset // where the partitions that are there first begin
	others  kgo.Offset
	reading map[int32]bool
	foundAt time.Time
	lost    bool // the topic could not be found last time
}

// OpenTail returns a tail. Neither the cluster nor the topic need be there yet.
func OpenTail(o Options, read TailOptions) (*Tail, error) {
	opts, err := o.ClientOptions()
	if err != nil {
		return nil, err
	}
	if read.Topic == "" {
		return nil, fmt.Errorf("cluster %q: tail: there is no topic; name one", o.Name)
	}
	others, err := read.Reset.offset()
	if err != nil {
		return nil, fmt.Errorf("tail of topic %s: %w", read.Topic, err)
	}
	client, err := kgo.NewClient(append(append(opts, settled()...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		return nil, fmt.Errorf("cluster %q: tail of topic %s: %w", o.Name, read.Topic, err)
	}
	t := &Tail{client: client, log: o.logger(), topic: read.Topic, begin: map[int32]kgo.Offset{}, others: others, reading: map[int32]bool{}}
	for _, p := range read.From {
		if p.Topic == read.Topic {
			t.begin[p.Partition] = kgo.NewOffset().At(p.Next)
		}
	}
	return t, nil
}

// Next waits for records and returns them, those of a partition in order. It
// returns an error when ctx ends, or when reading cannot go on as it is. It is not
// safe for concurrent use.
func (t *Tail) Next(ctx context.Context) ([]tidemark.Record, error) {
	for {
		if err := t.find(ctx); err != nil {
			return nil, err
		}
		poll, cancel := context.WithDeadline(ctx, t.foundAt.Add(findPartitions))
		fetches := t.client.PollRecords(poll, recordsPerRead)
		cancel()
		records, err := recordsOf(ctx, fetches, t.log)
		if err != nil {
			return nil, fmt.Errorf("read topic %s: %w", t.topic, err)
		}
		if len(records) > 0 {
			return records, nil
		}
	}
}

// Close ends all connections.
func (t *Tail) Close() { t.client.Close() }

// find begins to read the partitions that are not being read yet. A cluster that
// cannot be asked is asked again later.
func (t *Tail) find(ctx context.Context) error {
	if time.Since(t.foundAt) < findPartitions {
		return nil
	}
	t.foundAt = time.Now()
	told, err := t.partitions(ctx)
	switch {
	case err == nil:
		t.lost = false
	case ctx.Err() != nil, errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("find partitions of topic %s: %w", t.topic, explain(err))
	default:
		t.lose(err)
		return nil
	}
	add := map[int32]kgo.Offset{}
	for _, p := range told {
		if t.reading[p.Partition] {
			continue
		}
		t.reading[p.Partition] = true
		if from, named := t.begin[p.Partition]; named {
			add[p.Partition] = from
		} else {
			add[p.Partition] = t.others
		}
	}
	t.others = kgo.NewOffset().AtStart()
	if len(add) > 0 {
		t.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{t.topic: add})
	}
	return nil
}

// lose says once that the topic cannot be found. One that does not exist will be
// new when it does: then nothing in it is old.
func (t *Tail) lose(err error) {
	if !t.lost {
		t.log.Warn("topic cannot be found", "topic", t.topic, "err", explain(err))
	}
	t.lost = true
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.others = kgo.NewOffset().AtStart()
	}
}

func (t *Tail) partitions(ctx context.Context) ([]kmsg.MetadataResponseTopicPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, findPartitions/2) // records wait meanwhile
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	about := kmsg.NewMetadataRequestTopic()
	about.Topic = new(t.topic)
	req.Topics = append(req.Topics, about)
	resp, err := req.RequestWith(ctx, t.client)
	if err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 {
		return nil, kerr.UnknownTopicOrPartition
	}
	return resp.Topics[0].Partitions, kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// settled is how our readers read: no record of a transaction that is open or was
// aborted, and the markers too, or nobody could tell that a log which ends in one
// has been read to its end.
func settled() []kgo.Opt {
	return []kgo.Opt{kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()}
}

// recordsOf takes the records out of what the client fetched. Errors that the
// client gets over by itself are logged; the others are returned.
func recordsOf(ctx context.Context, fetches kgo.Fetches, log *slog.Logger) ([]tidemark.Record, error) {
	var failed error
	fetches.EachError(func(topic string, partition int32, err error) {
		var loss *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled): // the poll's, not ctx's
		case errors.As(err, &loss):
			log.Warn("log was cut; reading goes on elsewhere", "topic", topic, "partition", partition, "err", err)
		case failed == nil:
			failed = explain(err)
		}
	})
	records := make([]tidemark.Record, 0, fetches.NumRecords())
	fetches.EachRecord(func(r *kgo.Record) { records = append(records, recordOf(r)) })
	switch {
	case len(records) > 0:
		return records, nil // an error comes again with the next read, records do not
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, failed
}

func recordOf(r *kgo.Record) tidemark.Record {
	out := tidemark.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Control: r.Attrs.IsControl()}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, tidemark.Header(h))
	}
	return out
}
