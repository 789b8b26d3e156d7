package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/relay"
)

// crew is the replicas of crm-events. One goroutine starts and stops them, asked
// over a channel, so that two wishes never cross.
type crew struct {
	world     *World
	first     string // address of the first replica
	file      string // where the scraper finds the others that should run
	wishes    chan wish
	running   atomic.Int32
	wanted    int      // how many shall run unless all are stopped
	addresses []string // of the replicas that ever ran: each comes back where it was
	replicas  []*replica

	mu     sync.Mutex
	frozen map[int32]bool
}

type wish struct {
	drill.Action
	done chan error
}

// replica is one running crm-events.
type replica struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// newCrew makes a crew whose first replica has an address already: it is in
// tidemark's configuration.
func newCrew(ctx context.Context, w *World) (*crew, error) {
	c := &crew{world: w, file: filepath.Join(w.scratch, "replicas.json"), wishes: make(chan wish), wanted: 1, frozen: map[int32]bool{}}
	listener, err := c.listen(ctx, 0)
	if err != nil {
		return nil, err
	}
	c.first = c.addresses[0]
	return c, listener.Close()
}

// ask hands a wish to the goroutine that runs the crew.
func (c *crew) ask(ctx context.Context, a drill.Action) error {
	w := wish{Action: a, done: make(chan error, 1)}
	select {
	case c.wishes <- w:
		return <-w.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run keeps the replicas until ctx ends; then it waits for all to leave.
func (c *crew) run(ctx context.Context) error {
	defer c.shrink(0)
	if err := c.grow(ctx, c.wanted); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-c.wishes:
			w.done <- c.carryOut(ctx, w.Action)
		}
	}
}

func (c *crew) carryOut(ctx context.Context, a drill.Action) error {
	if a.Verb == drill.Stop {
		c.shrink(0)
		return nil
	}
	if a.Verb == drill.Scale {
		c.wanted = a.Count
		c.shrink(c.wanted)
	}
	return c.grow(ctx, c.wanted)
}

// shrink stops replicas until n are left, and waits until they have left the group.
func (c *crew) shrink(n int) {
	leaving := c.replicas[min(n, len(c.replicas)):]
	for _, r := range leaving {
		r.stop()
	}
	for _, r := range leaving {
		<-r.ended
	}
	c.replicas = c.replicas[:len(c.replicas)-len(leaving)]
	c.running.Store(int32(len(c.replicas)))
}

// grow starts replicas until n run, and tells the scraper which there should be
// beside the first. Stopped ones stay on that list: that they do not answer is
// what the alert is about.
func (c *crew) grow(ctx context.Context, n int) error {
	for len(c.replicas) < n {
		r, err := c.start(ctx, len(c.replicas))
		if err != nil {
			return err
		}
		c.replicas = append(c.replicas, r)
	}
	c.running.Store(int32(len(c.replicas)))
	return c.tell(c.addresses[min(1, n):n])
}

// tell writes the file of scrape targets; renamed, so that nobody reads half of it.
func (c *crew) tell(addresses []string) error {
	text, err := json.Marshal([]map[string]any{{"targets": addresses}})
	if err != nil {
		return fmt.Errorf("encode the scrape targets: %w", err)
	}
	draft := c.file + ".new"
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return fmt.Errorf("write the scrape targets: %w", err)
	}
	if err := os.Rename(draft, c.file); err != nil {
		return fmt.Errorf("replace the scrape targets: %w", err)
	}
	return nil
}

// start opens replica number i and lets it run.
func (c *crew) start(ctx context.Context, i int) (*replica, error) {
	listener, err := c.listen(ctx, i)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	r := &replica{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		if err := c.world.serve(running, listener); err != nil {
			c.world.Log.Error("a replica of crm-events ended", "replica", i+1, "err", err)
		}
	}()
	return r, nil
}

// listen opens the port of replica number i: where it was before, or any.
func (c *crew) listen(ctx context.Context, i int) (net.Listener, error) {
	address := "127.0.0.1:0"
	if i < len(c.addresses) {
		address = c.addresses[i]
	}
	listener, err := c.world.listen(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("listen for replica %d of crm-events: %w", i+1, err)
	}
	if i == len(c.addresses) {
		c.addresses = append(c.addresses, listener.Addr().String())
	}
	return listener, nil
}

func (w *World) listen(ctx context.Context, address string) (net.Listener, error) {
	if w.Network != nil {
		return w.Network.Listen("tcp", address)
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", address)
}

// freeze lets nobody work on a partition, or lets them again.
func (c *crew) freeze(partition int32, frozen bool) error {
	if partition < 0 || partition >= partitions {
		return fmt.Errorf("topic %s has no partition %d", Topic, partition)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen[partition] = frozen
	return nil
}

func (c *crew) isFrozen(partition int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen[partition]
}

// serve is one replica of crm-events, from joining its group to leaving it.
func (w *World) serve(ctx context.Context, listener net.Listener) error {
	defer listener.Close()
	member, err := kafka.OpenMember(w.kafka("crm-events"), w.member(Group, Topic))
	if err != nil {
		return err
	}
	defer leave(ctx, member)
	service, err := relay.New(relay.Options{
		Config: relay.Config{Topic: Topic, Group: Group, CommitInterval: w.hurried(time.Second, 100*time.Millisecond)},
		Source: source{w}, Member: &even{Member: member, frozen: w.crew.isFrozen},
		Work:    (&pace{perSecond: workRate * w.Speed}).wait,
		Version: w.Version, Log: w.Log,
	})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: service.Handler(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = service.Run(ctx)
	_ = server.Close() // its streams have ended
	if problem := <-served; !errors.Is(problem, http.ErrServerClosed) {
		err = errors.Join(err, problem)
	}
	return err
}

// leave ends a membership even when ctx has ended, so that the group need not
// wait for the session to time out.
func leave(ctx context.Context, member *kafka.Member) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	member.Close(bounded)
}

// source is the topic as the data plane of crm-events reads it.
type source struct{ w *World }

// Look asks the broker from the inside.
func (s source) Look(context.Context) (tidemark.Topic, error) {
	topic := tidemark.Topic{Name: Topic, ID: s.w.cluster.TopicInfo(Topic).TopicID}
	for _, log := range s.w.cluster.PartitionInfos(Topic) {
		topic.Partitions = append(topic.Partitions, tidemark.Log{ID: log.Partition, Leader: log.Leader, Start: log.LogStartOffset, End: log.HighWatermark, At: time.Now()})
	}
	return topic, nil
}

// ReadFrom opens a reader of all partitions.
func (s source) ReadFrom(_ context.Context, from []tidemark.Position) (relay.Reader, error) {
	return kafka.OpenTail(s.w.kafka("crm-events"), kafka.TailOptions{Topic: Topic, From: from, Reset: "earliest"})
}
