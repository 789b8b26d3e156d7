// Package mirror says how far MirrorMaker 2 has read a cluster, as if it were one of
// that cluster's groups: it commits nothing there, but keeps its positions in a topic
// of the cluster that it writes to.
//
// It hides that topic: its records, which are Connect's and may be anybody's, and
// when it has been read to its end. Positions that are half read are not told. It
// never writes anything, and needs Read on that one topic.
//
// May change until version 1.
package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

const (
	// readEvery is from one reading of the topic to the next. MirrorMaker writes its
	// positions once a minute, unless offset.flush.interval.ms says otherwise.
	readEvery = 15 * time.Second
	// readWithin is how long one reading may take before it is told to have failed;
	// what has been read by then stays read.
	readWithin = 30 * time.Second
)

// Config says which flow of MirrorMaker 2 to watch. Only From and To are needed
// where connect-mirror-maker runs with its own defaults.
type Config struct {
	From      string `yaml:"from"`      // the cluster that it reads, as we call it
	To        string `yaml:"to"`        // the cluster that it writes to, as we call it
	Alias     string `yaml:"alias"`     // what MirrorMaker calls From; empty: the same
	Topic     string `yaml:"topic"`     // where its positions are, in To; empty: mm2-offsets.<alias>.internal
	Connector string `yaml:"connector"` // its name in Connect; empty: MirrorSourceConnector
}

// Validate says what is wrong and what to write instead.
func (c Config) Validate() error {
	if c.From == "" || c.To == "" {
		return errors.New("mirror: from and to are needed; set them to the names of two clusters")
	}
	return nil
}

// Options is a [Config] and how to reach the cluster that it calls To.
type Options struct {
	Config
	Kafka kafka.Options
}

// Mirror is one flow. It may be used by several goroutines at once.
type Mirror struct {
	flow  flow
	topic string
	opts  []kgo.Opt
	log   *slog.Logger

	mu   sync.Mutex
	told kafka.Foreign
}

// Open returns a mirror, which knows nothing until it runs.
func Open(o Options) (*Mirror, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	opts, err := o.Kafka.ClientOptions()
	if err != nil {
		return nil, err
	}
	log := o.Kafka.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := flow{connector: cmp.Or(o.Connector, "MirrorSourceConnector"), cluster: cmp.Or(o.Alias, o.From)}
	m := &Mirror{
		flow: f, topic: cmp.Or(o.Topic, "mm2-offsets."+f.cluster+".internal"),
		opts: opts, log: log.With("cluster", o.Kafka.Name),
	}
	m.told.Group = f.connector + "-" + o.To
	return m, nil
}

// Foreign returns what is known now. The group is called after the connector and the
// cluster that it writes to, as in "MirrorSourceConnector-backup". At is when the
// topic was last read to its end, zero if it never was: then there are no positions.
func (m *Mirror) Foreign() kafka.Foreign {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told
}

// Run reads the topic again and again until ctx ends. A topic or a cluster that is
// not there is waited for: what is known ages meanwhile.
func (m *Mirror) Run(ctx context.Context) error {
	lost := false
	for {
		told, err := m.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if told || !lost {
			m.log.Warn("positions of a mirror cannot be read", "topic", m.topic, "err", err)
		}
		lost = true
		if wait(ctx) != nil {
			return nil
		}
	}
}

// follow reads from the start of the topic and then on, until something is wrong: a
// topic that was made anew, or cut, is begun anew as well.
func (m *Mirror) follow(ctx context.Context) (told bool, err error) {
	client, err := kgo.NewClient(append(m.opts,
		kgo.ConsumeTopics(m.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// Connect may write in transactions: an aborted one has told nothing, and the
		// marks of the others are records that the end of the log counts.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
	)...)
	if err != nil {
		return false, err
	}
	defer client.Close()
	r := &reader{client: client, flow: m.flow, topic: m.topic, next: map[int32]int64{}, positions: map[place]int64{}}
	for {
		began := time.Now()
		if err := r.readToEnd(ctx); err != nil {
			return told, err
		}
		m.tell(began, r.told())
		told = true
		if err := wait(ctx); err != nil {
			return told, err
		}
	}
}

func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(readEvery):
		return nil
	}
}

func (m *Mirror) tell(at time.Time, positions []tidemark.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told.At, m.told.Positions = at, positions
}

// reader knows what the topic said up to where it has been read.
type reader struct {
	client    *kgo.Client
	flow      flow
	topic     string
	next      map[int32]int64 // by partition of the topic: where reading goes on
	positions map[place]int64 // where the mirror reads on
}

// place is a partition of the cluster that is mirrored.
type place struct {
	topic     string
	partition int32
}

// readToEnd reads as far as the topic went when it began.
func (r *reader) readToEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	ends, err := r.ends(ctx)
	for err == nil && !r.passed(ends) {
		fetches := r.client.PollFetches(ctx)
		err = fetches.Err()
		fetches.EachRecord(r.take)
	}
	return err
}

// ends returns the end of each partition that holds anything.
func (r *reader) ends(ctx context.Context) (map[int32]int64, error) {
	admin := kadm.NewClient(r.client)
	starts, err := admin.ListStartOffsets(ctx, r.topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return nil, err
	}
	listed, err := admin.ListCommittedOffsets(ctx, r.topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for id, end := range listed[r.topic] {
		if r.next[id] > end.Offset {
			return nil, fmt.Errorf("partition %d ends at %d and was read up to %d: it is another one, or was cut", id, end.Offset, r.next[id])
		}
		if starts[r.topic][id].Offset < end.Offset {
			ends[id] = end.Offset
		}
	}
	return ends, nil
}

func (r *reader) passed(ends map[int32]int64) bool {
	for partition, end := range ends {
		if r.next[partition] < end {
			return false
		}
	}
	return true
}

func (r *reader) take(record *kgo.Record) {
	r.next[record.Partition] = record.Offset + 1
	if record.Attrs.IsControl() {
		return
	}
	at, is := r.flow.key(record.Key)
	if !is {
		return
	}
	if next, known := nextOf(record.Value); known {
		r.positions[at] = next
	} else {
		delete(r.positions, at)
	}
}

func (r *reader) told() []tidemark.Position {
	all := make([]tidemark.Position, 0, len(r.positions))
	for at, next := range r.positions {
		all = append(all, tidemark.Position{Topic: at.topic, Partition: at.partition, Next: next})
	}
	slices.SortFunc(all, func(a, b tidemark.Position) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}
