package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// quiet is how long a log may give nothing to a reader that is not yet where the
// log ended.
const quiet = 5 * time.Second

// readBack gives the records since a time, up to where the topic ends now: all of
// them, or an error.
func (t topic) readBack(ctx context.Context, since time.Time, each func(tidemark.Record)) error {
	begin, err := t.find(ctx, since)
	if errors.Is(err, errNoTopic) {
		return nil
	}
	if err != nil {
		return err
	}
	now, err := t.Look(ctx)
	if err != nil {
		return err
	}
	unread, err := pieces(begin, now)
	if err != nil || len(unread) == 0 {
		return err
	}
	tail, err := kafka.OpenTail(t.cluster, kafka.TailOptions{Topic: t.name, From: begin, Reset: kafka.Earliest})
	if err != nil {
		return err
	}
	defer tail.Close()
	for len(unread) > 0 {
		within, cancel := context.WithTimeout(ctx, quiet)
		records, err := tail.Next(within)
		cancel()
		if err != nil {
			return fmt.Errorf("read topic %s back: %d partitions are not read to where they end, perhaps since a transaction is open: %w", t.name, len(unread), err)
		}
		for _, r := range records {
			each(r)
			if end, is := unread[r.Partition]; is && r.Offset+1 >= end {
				delete(unread, r.Partition)
			}
		}
	}
	return nil
}

// pieces says up to where each partition that has something is to be read.
func pieces(begin []tidemark.Position, now tidemark.Topic) (map[int32]int64, error) {
	from := map[int32]int64{}
	for _, p := range begin {
		from[p.Partition] = p.Next
	}
	unread := map[int32]int64{}
	for _, log := range now.Partitions {
		if log.End == tidemark.Unseen || log.Reason != tidemark.Fine {
			return nil, fmt.Errorf("read topic %s back: where partition %d ends is not known: %s", now.Name, log.ID, log.Reason)
		}
		if max(from[log.ID], log.Start) < log.End {
			unread[log.ID] = log.End
		}
	}
	return unread, nil
}
