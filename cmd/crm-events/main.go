// Command crm-events brings the events of a Kafka topic to browsers, and works on
// them as a member of a consumer group: the service that Tidemark watches in its
// reference deployment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/relay"
)

// version is set by the linker: -X main.version=1.2.3.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait for the streams to end
	err := command().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// listenAndServe opens the addresses, and serves there until ctx ends.
func listenAndServe(ctx context.Context, s settings) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ports, err := openPorts(ctx, s)
	if err != nil {
		return err
	}
	log.Info("crm-events listens", "address", ports.public.Addr(), "topic", s.relay.Topic, "group", s.relay.Group)
	return serve(ctx, s, ports, cluster(s.kafka, log))
}

// serve runs until ctx ends. Then the streams end first, the server is closed when
// the last commit is made, and the member leaves the group at last: health and
// metrics answer throughout.
func serve(ctx context.Context, s settings, ports ports, cluster kafka.Options) (err error) {
	defer ports.close()
	member, err := kafka.OpenMember(cluster, kafka.MemberOptions{
		Group: s.relay.Group, Topics: []string{s.relay.Topic}, Reset: kafka.Reset(s.reset), InstanceID: s.instance,
		MaxRecords: s.records(),
		MaxBytes:   atOnce(s.relay.WorkRate),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave(member)) }()
	source := topic{cluster, s.relay.Topic}
	o := relay.Options{Config: s.relay, Source: source, Find: source.find, Member: member, Version: version, Log: cluster.Log}
	if err := s.guard(ctx, &o); err != nil {
		return err
	}
	closeSink, err := s.openSink(ctx, &o)
	if err != nil {
		return err
	}
	defer closeSink()
	service, err := relay.New(o)
	if err != nil {
		return err
	}
	parts, ctx := errgroup.WithContext(ctx)
	ports.serve(parts, service, func() error { return service.Run(ctx) })
	return parts.Wait()
}

// leave leaves the group, so that the others get our partitions at once.
func leave(member *kafka.Member) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return member.Close(ctx)
}

// atOnce is how much to read of one partition before the next has its turn: some
// seconds of slowed down work, at 220 bytes an event. A full megabyte would be half
// an hour of it, while the other partitions look stuck.
func atOnce(workRate float64) int32 {
	const seconds, bytes = 5, 220
	return int32(math.Ceil(workRate * seconds * bytes))
}
