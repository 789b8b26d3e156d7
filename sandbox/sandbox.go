// Package sandbox is a whole world in one process: a Kafka, applications that
// write to it, consumer groups in three conditions, and tidemark watching them.
// The demo, the drills and the tests run in it.
//
// It hides the embedded broker, the traffic and the consumers' coming and going.
// All of it talks Kafka's protocol over loopback connections, as the real thing
// does. It never reaches beyond this machine, and what tidemark sees of it comes
// from the broker only: what is true, [World.Truth] says from the inside.
//
// May change until version 1.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/daemon"
	"github.com/aetherlink/tidemark/kafka"
)

// What is in the world.
const (
	Cluster    = "demo"
	Group      = "crm-events-sse" // the group that drills are about
	Topic      = "aetherlink.events"
	orders     = "orders"
	billing    = "orders-billing"
	audit      = "audit"
	archiver   = "audit-archiver"
	partitions = 3 // of each topic
)

// How much goes on in it, per second of the world.
const (
	eventRate   = 2.0   // events to Topic
	orderRate   = 180.0 // orders
	auditRate   = 0.5   // audit entries, which nobody reads
	workRate    = 2.7   // events that one crm-events works off: the reference deployment's capacity
	billingRate = 75.0  // orders that one of the three billers works off
)

// Options is what a world needs.
type Options struct {
	Listener net.Listener // for tidemark's port
	// Speed says how many times faster than the clock the world runs: rates are
	// multiplied, the `for` of rules and the windows of estimates divided. 0 is 1.
	Speed   float64
	Dir     string   // what was there is there again next time; empty: nothing is kept
	Network *Network // nil: this machine's loopback
	Version string
	Token   string // lets the bearer act on tidemark's pages
	Log     *slog.Logger
}

// Network is what the world's connections run over; a test in virtual time hands
// in one in memory.
type Network struct {
	Listen func(network, address string) (net.Listener, error) // port 0 is any free one
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// World is the sandbox. Close it when Run has returned.
type World struct {
	Options
	cluster   *kfake.Cluster
	publisher *kafka.Publisher
	crew      *crew
	scratch   string                    // for files that end with us
	written   map[string]*atomic.Uint64 // records so far, by topic
	view      atomic.Pointer[tidemark.View]
}

// Open starts the broker and fills the topics. Nothing moves before Run.
func Open(ctx context.Context, o Options) (w *World, err error) {
	o.Speed = cmp.Or(o.Speed, 1)
	w = &World{Options: o, written: map[string]*atomic.Uint64{Topic: {}, orders: {}, audit: {}}}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if w.scratch, err = os.MkdirTemp("", "tidemark-sandbox-"); err != nil {
		return nil, fmt.Errorf("make a directory for the sandbox: %w", err)
	}
	heartbeat := strconv.FormatInt(w.hurried(3*time.Second, 200*time.Millisecond).Milliseconds(), 10)
	options := []kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID("tidemark-sandbox"),
		kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": heartbeat}),
	}
	if o.Dir != "" {
		options = append(options, kfake.DataDir(filepath.Join(o.Dir, "kafka")))
	}
	if o.Network != nil {
		options = append(options, kfake.ListenFn(o.Network.Listen))
	}
	if w.cluster, err = kfake.NewCluster(options...); err != nil {
		return nil, fmt.Errorf("start the embedded Kafka: %w", err)
	}
	if w.publisher, err = kafka.OpenPublisher(w.kafka("crm-api")); err != nil {
		return nil, err
	}
	if w.crew, err = newCrew(ctx, w); err != nil {
		return nil, err
	}
	return w, w.fill(ctx)
}

// Close ends the broker.
func (w *World) Close() {
	if w.publisher != nil {
		w.publisher.Close()
	}
	if w.cluster != nil {
		w.cluster.Close()
	}
	if w.scratch != "" {
		_ = os.RemoveAll(w.scratch) // in the system's directory for what may be lost
	}
}

// Brokers returns where the embedded Kafka listens.
func (w *World) Brokers() []string { return w.cluster.ListenAddrs() }

// Run lets the world live until ctx ends: traffic, consumers, and tidemark.
func (w *World) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.watch(ctx) })
	g.Go(func() error { return w.crew.run(ctx) })
	for range partitions {
		g.Go(func() error { return w.bill(ctx) })
	}
	w.flow(ctx, g)
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// watch runs tidemark on this world.
func (w *World) watch(ctx context.Context) error {
	return daemon.Run(ctx, daemon.Options{
		Config: w.config(), Listener: w.Listener, Dial: w.dial(), Dir: w.Dir, Speed: w.Speed, Demo: true,
		Token: w.Token, Version: w.Version, Published: func(v *tidemark.View) { w.view.Store(v) }, Log: w.Log,
	})
}

// kafka returns how to reach the broker, for a client of that name.
func (w *World) kafka(client string) kafka.Options {
	return kafka.Options{Config: kafka.Config{Name: Cluster, Brokers: w.Brokers()}, Client: client, Dial: w.dial(), Log: w.Log}
}

// member returns how consumers join here: by Kafka's newer protocol, whose
// rebalances stop nobody and take only as long as the broker's heartbeats.
func (w *World) member(group, topic string) kafka.MemberOptions {
	return kafka.MemberOptions{Group: group, Topics: []string{topic}, Reset: kafka.Earliest, Protocol: "consumer"}
}

// dial returns how connections are opened; nil is the usual way.
func (w *World) dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	if w.Network == nil {
		return nil
	}
	return w.Network.Dial
}

// hurried returns how long something takes here that takes d in the world we
// play, but no less than least: machines do not get faster with it.
func (w *World) hurried(d, least time.Duration) time.Duration {
	return max(time.Duration(float64(d)/w.Speed), least)
}

// Truth returns what the broker itself knows of a group, by topic and partition.
// Offsets of partitions that were never committed are tidemark.Uncommitted.
func (w *World) Truth(group string) (rows []tidemark.Partition) {
	info := w.cluster.GroupInfo(group)
	if info == nil {
		return nil
	}
	for _, topic := range []string{Topic, audit, orders} {
		commits, reads := info.Commits[topic]
		if !reads {
			continue
		}
		for _, log := range w.cluster.PartitionInfos(topic) {
			row := tidemark.Partition{Group: group, Topic: topic, ID: log.Partition, LogStart: log.LogStartOffset, LogEnd: log.HighWatermark, Committed: tidemark.Uncommitted}
			if commit, there := commits[log.Partition]; there {
				row.Committed = commit.Offset
			}
			rows = append(rows, row)
		}
	}
	return rows
}
