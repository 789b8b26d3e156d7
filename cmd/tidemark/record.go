package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/record"
)

// recording is one call of `record`.
type recording struct {
	kafkaFlags
	file            string
	interval, lasts time.Duration
	looks, unseen   int
}

func recordCommand() *cobra.Command {
	var r recording
	c := &cobra.Command{
		Use:   "record --out FILE",
		Short: "Keep what is seen of a cluster in a file, to look at it later",
		Long: "Looks at the cluster until Ctrl-C and keeps every look, whole, in one small file\n" +
			"(docs/recording.md): names of groups, topics, clients and hosts; no records, no keys,\nno credentials.",
		Example: "  tidemark record --out night.rec\n  tidemark record --out night.rec --kafka.server=kafka:9092 --for 8h",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return r.run(c) },
	}
	f := c.Flags()
	f.StringVar(&r.file, "out", "", "file to write, which must not exist yet")
	f.DurationVar(&r.interval, "interval", usualInterval, "between two looks")
	f.DurationVar(&r.lasts, "for", 0, "how long to record (default: until Ctrl-C)")
	r.bind(f)
	return c
}

func (r *recording) run(c *cobra.Command) error {
	switch {
	case r.file == "":
		return exit{exitUsage, errors.New("name the file to write: tidemark record --out night.rec")}
	case r.interval <= 0:
		return exit{exitUsage, fmt.Errorf("--interval=%s: it must be longer than nothing", r.interval)}
	}
	settings, collector, err := r.collector(c.Flags())
	if err != nil {
		return err
	}
	defer collector.Close()
	first, err := collector.Snapshot(c.Context())
	if err != nil {
		return err
	}
	file, err := os.OpenFile(r.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("begin the recording: %w", err)
	}
	fmt.Fprintf(c.ErrOrStderr(), "recording %s to %s every %s; Ctrl-C ends it\n", settings.Brokers[0], r.file, r.interval)
	err = errors.Join(r.keep(c, collector, file, first), file.Close())
	fmt.Fprintf(c.ErrOrStderr(), "%d looks recorded, %d saw nothing\n", r.looks, r.unseen)
	return err
}

// keep writes look after look until somebody ends it or the time is over. A look that
// saw nothing is a gap in the recording: what went wrong may be what is being recorded.
func (r *recording) keep(c *cobra.Command, collector *kafka.Collector, file *os.File, first *tidemark.Snapshot) error {
	ctx := c.Context()
	if r.lasts > 0 {
		shorter, stop := context.WithTimeout(ctx, r.lasts)
		defer stop()
		ctx = shorter
	}
	w, err := record.NewWriter(file)
	if err != nil {
		return err
	}
	for next := first; ; {
		if err := w.Write(next); err != nil {
			return err
		}
		r.looks++
		if next = r.next(ctx, c, collector); next == nil {
			return w.Close()
		}
	}
}

// next waits for the next look that sees something; nil: the recording is over.
func (r *recording) next(ctx context.Context, c *cobra.Command, collector *kafka.Collector) *tidemark.Snapshot {
	for wait(ctx, r.interval) == nil {
		seen, err := collector.Snapshot(ctx)
		if err == nil {
			return seen
		}
		if ctx.Err() == nil {
			r.unseen++
			fmt.Fprintf(c.ErrOrStderr(), "%s: %v\n", time.Now().Format(time.TimeOnly), err)
		}
	}
	return nil
}
