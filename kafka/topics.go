package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// cluster is what is remembered of brokers and topics from look to look.
type cluster struct {
	at         time.Time // when all of it was told
	configured time.Time // when configurations were asked for
	stale      bool      // something since then contradicts it
	brokers    []tidemark.Broker
	left       []tidemark.Broker    // were members not long ago
	topics     map[string]*topic    // by name, of those that the filter chooses
	sorted     []*topic             // the same, by name
	absent     map[string]time.Time // topics that groups have commits on, and when they did not exist
}

// topic is a topic and what was last seen of its log.
type topic struct {
	name, told string // told: as the brokers write it
	id         [16]byte
	logs       []partitionLog // by partition id
	denied     bool           // we may not see it: logs are as last seen
	failed     error          // why some of logs were not seen, if a broker said so
	keeps      keeps
}

// partitionLog is a log with what this look learnt about it.
type partitionLog struct {
	tidemark.Log
	start, end tidemark.Reason // why Start or End is not from this look
	stable     tidemark.Reason // Unreachable: to be asked for
	heldAt     int64           // where Held began
	before     struct {        // the end as told last before this look; at is zero while there is none
		end int64
		at  time.Time
	}
}

func (p *partitionLog) reason() tidemark.Reason {
	if p.end != tidemark.Fine {
		return p.end
	}
	return p.start
}

// refresh asks one broker for the whole cluster's metadata, once per look. If
// nobody answers, the former stays.
func (l *look) refresh(ctx context.Context) {
	if l.refreshed {
		return
	}
	l.refreshed = true
	req := kmsg.NewMetadataRequest()
	req.Topics = nil // all
	told, err := l.askAnyone(ctx, req)
	if err == nil && len(told.Brokers) == 0 {
		err = errors.New("metadata names no brokers; the cluster may be starting")
	}
	if err != nil {
		l.refreshFailed = err
		l.cluster.stale = true
		l.gap(tidemark.Unreachable, err, "brokers and topics")
		return
	}
	l.meetMembers(brokersOf(told))
	former := l.cluster.topics
	l.cluster.topics = make(map[string]*topic, len(told.Topics))
	l.cluster.absent = map[string]time.Time{}
	l.cluster.at, l.cluster.stale = time.Now(), false
	for i := range told.Topics {
		l.learn(&told.Topics[i], former)
	}
	l.explainVanished(ctx, former)
	l.sortTopics()
	l.meetBrokers()
}

// explainVanished asks by name for the topics that are no longer told: a topic
// that was deleted is gone, one that was denied to us is not.
func (l *look) explainVanished(ctx context.Context, former map[string]*topic) {
	var vanished []string
	for name, t := range former {
		if l.cluster.topics[name] == nil {
			vanished = append(vanished, t.told)
		}
	}
	l.askByName(ctx, vanished, former)
}

// resolve asks by name for topics that groups read and the metadata lacks.
func (l *look) resolve(ctx context.Context, told []string) {
	l.askByName(ctx, told, l.cluster.topics)
	l.sortTopics()
}

func (l *look) askByName(ctx context.Context, told []string, former map[string]*topic) {
	if len(told) == 0 {
		return
	}
	req := kmsg.NewMetadataRequest()
	for _, name := range told {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(name)
		req.Topics = append(req.Topics, t)
	}
	resp, err := l.askAnyone(ctx, req)
	if err != nil {
		l.cluster.stale = true
		l.gap(tidemark.Unreachable, err, "%d topics", len(told))
		return
	}
	for i := range resp.Topics {
		l.learn(&resp.Topics[i], former)
	}
}

// askAnyone asks a broker, another one if there is no answer within a third of the
// deadline, then a third one, and takes the first answer. The client goes round
// the brokers it knows and then the configured ones, so addresses that are no
// longer right heal by themselves.
func (l *look) askAnyone(ctx context.Context, req kmsg.MetadataRequest) (*kmsg.MetadataResponse, error) {
	type answer struct {
		told *kmsg.MetadataResponse
		err  error
	}
	const tries = 3
	answers := make(chan answer, tries)
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithTimeout(ctx, l.deadline)
	defer cancel()
	patience := time.NewTicker(l.deadline / tries)
	defer patience.Stop()

	var errs []error
	for begun, failed := 0, 0; failed < tries; {
		if begun < tries {
			begun++
			asking.Go(func() {
				own := req // the client writes the version into it
				told, err := own.RequestWith(ctx, l.client)
				answers <- answer{told, err}
			})
		}
		select {
		case a := <-answers:
			if a.err == nil {
				return a.told, nil
			}
			failed++
			errs = append(errs, a.err)
		case <-patience.C:
		}
	}
	return nil, fmt.Errorf("ask for metadata: %w", errors.Join(distinct(errs)...))
}

// distinct leaves each message in once.
func distinct(errs []error) []error {
	said := map[string]bool{}
	return slices.DeleteFunc(errs, func(err error) bool {
		again := said[err.Error()]
		said[err.Error()] = true
		return again
	})
}

func brokersOf(told *kmsg.MetadataResponse) []tidemark.Broker {
	brokers := make([]tidemark.Broker, len(told.Brokers))
	for i, b := range told.Brokers {
		brokers[i] = tidemark.Broker{ID: b.NodeID, Address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))}
	}
	slices.SortFunc(brokers, byID)
	return brokers
}

func byID(a, b tidemark.Broker) int { return cmp.Compare(a.ID, b.ID) }

// meetMembers takes up who belongs to the cluster, and keeps who did until recently.
func (l *look) meetMembers(members []tidemark.Broker) {
	is := func(b tidemark.Broker) bool {
		return slices.ContainsFunc(members, func(m tidemark.Broker) bool { return m.ID == b.ID })
	}
	for _, b := range l.cluster.brokers {
		b.Left = l.began
		l.cluster.left = append(l.cluster.left, b)
	}
	l.cluster.left = slices.DeleteFunc(l.cluster.left, func(b tidemark.Broker) bool {
		return is(b) || l.began.Sub(b.Left) > keepUnseen
	})
	l.cluster.brokers = members
}

// learn takes up what a broker told about one topic. What was seen of its log
// before stays, unless it is another topic of the same name.
func (l *look) learn(told *kmsg.MetadataResponseTopic, former map[string]*topic) {
	if told.Topic == nil {
		return
	}
	name := nameOf(*told.Topic)
	if !l.choose.topics.chooses(name) {
		return
	}
	was := former[name]
	switch err := kerr.ErrorForCode(told.ErrorCode); {
	case err == nil:
		l.cluster.topics[name] = topicOf(name, told, was)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException):
		if t := l.cluster.topics[name]; t != nil && t.denied {
			delete(l.cluster.topics, name)
		}
		l.cluster.absent[name] = time.Now()
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		t := &topic{name: name, told: *told.Topic}
		if was != nil {
			*t = *was
		}
		t.denied = true
		t.forget(false)
		l.cluster.topics[name] = t
	default:
		l.cluster.stale = true
		if was != nil {
			l.cluster.topics[name] = was
		}
		l.gap(tidemark.Unreachable, err, "topic %s", name)
	}
}

func topicOf(name string, told *kmsg.MetadataResponseTopic, was *topic) *topic {
	t := &topic{name: name, told: *told.Topic, id: told.TopicID, logs: make([]partitionLog, len(told.Partitions))}
	if was != nil {
		t.keeps = was.keeps
	}
	for i := range t.logs {
		log := partitionLog{start: tidemark.Unreachable, end: tidemark.Unreachable}
		log.Start, log.End = tidemark.Unseen, tidemark.Unseen
		if was != nil && was.id == t.id && i < len(was.logs) {
			log = was.logs[i]
		}
		log.ID, log.Leader, log.PreferredLeader = int32(i), -1, -1
		t.logs[i] = log
	}
	for i := range told.Partitions {
		p := &told.Partitions[i]
		if p.Partition < 0 || int(p.Partition) >= len(t.logs) {
			continue
		}
		log := &t.logs[p.Partition]
		log.Leader, log.LeaderEpoch, log.Replicas, log.InSync = p.Leader, p.LeaderEpoch, len(p.Replicas), len(p.ISR)
		if errors.Is(kerr.ErrorForCode(p.ErrorCode), kerr.LeaderNotAvailable) {
			log.Leader = -1
		}
		if len(p.Replicas) > 0 {
			log.PreferredLeader = p.Replicas[0]
		}
	}
	return t
}

func (l *look) sortTopics() {
	l.cluster.sorted = l.cluster.sorted[:0]
	for _, t := range l.cluster.topics {
		l.cluster.sorted = append(l.cluster.sorted, t)
	}
	slices.SortFunc(l.cluster.sorted, func(a, b *topic) int { return cmp.Compare(a.name, b.name) })
}

// readLogs asks every leader where its logs begin and end. If somebody else leads
// by now, the metadata is asked for once more and the new leaders too.
func (l *look) readLogs(ctx context.Context) {
	for _, t := range l.cluster.sorted {
		t.forget(l.refreshed)
		l.cluster.stale = l.cluster.stale || errors.Is(t.failed, kerr.LeaderNotAvailable) // one may be elected any moment
	}
	l.moved.Store(false)
	l.each(ctx, l.readLogsOf)
	switch {
	case !l.moved.Load() && !l.anyDown():
	case l.refreshed:
		l.cluster.stale = true // for the next look
	default:
		l.refresh(ctx)
		l.resolve(ctx, l.unknownTopics())
		l.each(ctx, l.readLogsOf)
	}
}

// forget marks every log as not seen: unseen until told. Where readers of committed
// records stop is asked in each look of topics that held some in the last one, and
// now and then of all.
func (t *topic) forget(all bool) {
	t.failed = nil
	all = all || slices.ContainsFunc(t.logs, func(p partitionLog) bool { return !p.Held.IsZero() })
	unseen := tidemark.Unreachable
	if t.denied {
		unseen, t.failed = tidemark.Denied, kerr.TopicAuthorizationFailed
	}
	for i := range t.logs {
		t.logs[i].start, t.logs[i].end, t.logs[i].stable = unseen, unseen, tidemark.Fine
		t.logs[i].Stable = tidemark.Unseen
		if all {
			t.logs[i].stable = unseen
		}
		if t.logs[i].Leader < 0 && !t.denied {
			t.failed = kerr.LeaderNotAvailable
		}
	}
}

// question is what a leader is asked about a log.
type question uint8

const (
	begin  question = iota // the first offset kept
	stable                 // where readers of committed records stop
	end                    // the high watermark
)

// readLogsOf asks for the ends last: what is read earlier is never beyond them.
func (l *look) readLogsOf(ctx context.Context, b *broker) {
	var asking sync.WaitGroup
	for _, q := range []question{begin, stable} {
		asking.Go(func() { l.readEnds(ctx, b, q) })
	}
	asking.Wait()
	if b.failed == nil {
		l.readEnds(ctx, b, end)
	}
}

func (l *look) readEnds(ctx context.Context, b *broker, q question) {
	req := l.ends(b.ID, q)
	if len(req.Topics) == 0 {
		return
	}
	resp, err := l.ask(ctx, b, req)
	if err != nil {
		return
	}
	now := time.Now()
	for i := range resp.(*kmsg.ListOffsetsResponse).Topics {
		l.hear(&resp.(*kmsg.ListOffsetsResponse).Topics[i], b.ID, q, now)
	}
}

// ends asks a leader about all its logs that this look has not seen yet.
func (l *look) ends(leader int32, q question) *kmsg.ListOffsetsRequest {
	req := l.listOffsets()
	timestamp := int64(-1) // the latest
	switch q {
	case begin:
		timestamp = -2
	case stable:
		req.IsolationLevel = 1 // read committed
	case end:
	}
	for _, t := range l.cluster.sorted {
		about := kmsg.NewListOffsetsRequestTopic()
		for i := range t.logs {
			if log := &t.logs[i]; log.Leader == leader && *log.about(q) == tidemark.Unreachable {
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp = log.ID, timestamp
				about.Partitions = append(about.Partitions, p)
			}
		}
		if len(about.Partitions) > 0 {
			about.Topic = t.told
			req.Topics = append(req.Topics, about)
		}
	}
	return req
}

func (l *look) listOffsets() *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.TimeoutMillis = int32(l.deadline.Milliseconds())
	return req
}

func (p *partitionLog) about(q question) *tidemark.Reason {
	switch q {
	case begin:
		return &p.start
	case stable:
		return &p.stable
	case end:
	}
	return &p.end
}

// ends takes up where the log ends.
func (p *partitionLog) ends(at int64, now time.Time) {
	p.before.end, p.before.at = p.End, p.At
	if at < p.End || p.End < 0 { // it was cut, or is seen for the first time
		p.before.at = time.Time{}
	}
	p.End, p.At = at, now
}

// endAt is where the log ended at a moment between the last two times it was told,
// as if records had come evenly, rounded up. If that is not beyond a commit of that
// moment, records came in a burst, or nothing was left: then it is the end told
// last, so that what is left is never nothing by arithmetic alone.
func (p *partitionLog) endAt(when time.Time, commit int64) int64 {
	if p.before.end == p.End || p.before.at.IsZero() || !when.After(p.before.at) || !when.Before(p.At) {
		return p.End
	}
	part := float64(when.Sub(p.before.at)) / float64(p.At.Sub(p.before.at))
	end := p.before.end + int64(math.Ceil(part*float64(p.End-p.before.end)))
	if end <= commit || end > p.End {
		return p.End
	}
	return end
}

// hold notes since when readers of committed records are held where they are. A
// transaction that ends between two looks moves them on.
func (p *partitionLog) hold(now time.Time) {
	switch {
	case p.Stable < 0 || p.Stable >= p.End: // nobody asked, or nobody is held
		p.Held = time.Time{}
	case p.Held.IsZero() || p.heldAt != p.Stable:
		p.Held, p.heldAt = now, p.Stable
	}
}

func (l *look) hear(told *kmsg.ListOffsetsResponseTopic, leader int32, q question, now time.Time) {
	t := l.cluster.topics[nameOf(told.Topic)]
	if t == nil {
		return
	}
	var failed error
	for i := range told.Partitions {
		p := &told.Partitions[i]
		if p.Partition < 0 || int(p.Partition) >= len(t.logs) || t.logs[p.Partition].Leader != leader {
			continue
		}
		log := &t.logs[p.Partition]
		err := kerr.ErrorForCode(p.ErrorCode)
		if err == nil && p.Offset < 0 {
			err = kerr.OffsetNotAvailable
		}
		*log.about(q) = reasonOf(err)
		switch {
		case err != nil:
			failed = err
		case q == begin:
			log.Start = p.Offset
		case q == stable:
			log.Stable = p.Offset
		default:
			log.ends(p.Offset, now)
			log.hold(now)
		}
	}
	if failed != nil {
		l.mu.Lock()
		t.failed = failed
		l.mu.Unlock()
		if elsewhere(failed) {
			l.moved.Store(true)
		}
	}
}

// reasonOf is what an error answer means for the values it stands in place of.
func reasonOf(err error) tidemark.Reason {
	switch {
	case err == nil:
		return tidemark.Fine
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return tidemark.Denied
	}
	return tidemark.Unreachable
}

// elsewhere says whether an error means that another broker may know better.
func elsewhere(err error) bool {
	for _, e := range []error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.FencedLeaderEpoch,
		kerr.UnknownLeaderEpoch, kerr.ReplicaNotAvailable, kerr.KafkaStorageError, kerr.NotCoordinator,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
