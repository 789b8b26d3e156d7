package relay

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aetherlink/tidemark"
)

// pieceSize is how many records are encoded before clients are woken: few enough
// that a client can follow while a large batch is being encoded.
const pieceSize = 128

// relay is the data plane: it reads the whole topic into the ring.
func (s *Service) relay(ctx context.Context) {
	reader, at, end := s.begin(ctx)
	if reader == nil {
		return
	}
	defer reader.Close()
	warm := sync.OnceFunc(func() { close(s.begun) })
	// What is not read by then is a lot, or is not events: nobody shall wait for it.
	enough := time.AfterFunc(patience, warm)
	defer enough.Stop()
	for ctx.Err() == nil {
		if at.next.reaches(end) {
			warm()
		}
		records, err := reader.Next(ctx)
		began := time.Now()
		for piece := range slices.Chunk(records, pieceSize) {
			s.encode(piece, &at)
		}
		s.metrics.relayBusy.Add(time.Since(began).Seconds())
		s.settle(ctx, "reading the topic", err)
	}
}

// begin finds out where the log ends and opens a reader there, or a little before.
// It tries until ctx ends; then there is no reader.
func (s *Service) begin(ctx context.Context) (reader Reader, at cursor, end vector) {
	for ctx.Err() == nil {
		topic, err := s.look(ctx)
		at = cursor{epoch: epochOf(topic.Name, topic.ID), at: time.Now().UnixMilli()}
		for _, log := range topic.Partitions {
			at.next.set(log.ID, log.End)
		}
		end = at.clone().next
		if err == nil && s.o.Find != nil {
			at.next, err = s.find(ctx, time.Now().Add(-s.o.WarmUp))
		}
		if err == nil {
			reader, err = s.o.Source.ReadFrom(ctx, at.next.positions(s.o.Topic))
		}
		s.settle(ctx, "reading the topic", err)
		if err == nil {
			s.ring.begin(at)
			return reader, at, end
		}
	}
	return nil, cursor{}, nil
}

// look asks what the topic holds, and takes no half answer: an end that is not
// known would be read as a partition that begins at 0.
func (s *Service) look(ctx context.Context) (tidemark.Topic, error) {
	topic, err := s.o.Source.Look(ctx)
	if err != nil {
		return tidemark.Topic{}, err
	}
	for _, log := range topic.Partitions {
		if log.Start < 0 || log.End < 0 {
			return tidemark.Topic{}, fmt.Errorf("look at topic %s: the offsets of partition %d are not known", s.o.Topic, log.ID)
		}
	}
	return topic, nil
}

// encode puts records into the ring. An offset that is lower than one before says
// that the log was cut or made anew: from then on ids are of a new epoch, so that
// no client takes new records for those it knows.
func (s *Service) encode(records []tidemark.Record, at *cursor) {
	frames := make([]*frame, 0, len(records))
	for i := range records {
		r := &records[i]
		if known := at.next.at(r.Partition); r.Offset < known {
			s.ring.add(frames)
			frames = frames[:0]
			s.restart(r, known, at)
		}
		at.advance(r.Partition, r.Offset, r.Timestamp.UnixMilli())
		f, decodable := s.o.newFrame(r, *at)
		if !decodable {
			s.metrics.undecodable.Inc()
		}
		f.appended = time.Now()
		frames = append(frames, f)
	}
	s.ring.add(frames)
}

func (s *Service) restart(r *tidemark.Record, known int64, at *cursor) {
	at.epoch = epochOf(at.epoch, r.Partition, known, r.Offset)
	at.next.set(r.Partition, r.Offset)
	s.metrics.gaps.WithLabelValues(recreated).Inc()
	s.o.Log.Warn("the log begins anew", "topic", r.Topic, "partition", r.Partition, "known", known, "offset", r.Offset)
	text := appendID(nil, *at)
	f := &frame{partition: r.Partition, offset: -1, appended: time.Now(), id: len(text)}
	f.text = appendControl(text, nil, missing{r.Partition, known, r.Offset}.gap(recreated))
	s.ring.restart(f, *at)
}

// positions names every partition of the vector.
func (v vector) positions(topic string) []tidemark.Position {
	list := make([]tidemark.Position, len(v))
	for partition, next := range v {
		list[partition] = tidemark.Position{Topic: topic, Partition: int32(partition), Next: next}
	}
	return list
}
