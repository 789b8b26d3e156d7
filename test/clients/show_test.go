package clients

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
	"github.com/aetherlink/tidemark/test/race"
)

// The show: so many browsers, so many events.
const (
	showBrowsers = 200
	showEvents   = 100_000
)

// TestEveryBrowserGetsEveryEventWhateverHappens has three replicas of crm-events on
// three brokers of a real Kafka. While 100,000 events come, the topic grows from
// three partitions to six, every replica is restarted, one is killed, and so is a
// broker. Every browser has every event, in order per key, and none twice in one
// session; the group's lag is 0 at the end.
func TestEveryBrowserGetsEveryEventWhateverHappens(t *testing.T) {
	if os.Getenv("TIDEMARK_INTEGRATION") == "" {
		t.Skip("a show with a real Kafka; TIDEMARK_INTEGRATION=1 asks for it")
	}
	if race.On() {
		t.Skip("two hundred browsers are too many under the race detector; make show runs this without it")
	}
	k := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	k.Tool("TopicCommand", "--create", "--topic", topic, "--partitions", "3", "--replication-factor", "3", "--config", "min.insync.replicas=2")
	flags := []string{"--kafka.brokers=" + strings.Join(k.Bootstrap(), ","), "--drain=5s", "--clients.max-connects=1000"}
	replicas := make([]*service, 3)
	addresses := make([]string, 3)
	start := func(i int) {
		replicas[i] = launch(t, addresses[i], append(flags, "--dense="+strconv.FormatBool(i == 1))...)
	}
	for i := range replicas {
		addresses[i] = freeAddress(t)
		start(i)
	}
	c := openCrowd(t, addresses)
	p := c.produce(k.Bootstrap())

	p.await(15_000)
	k.Tool("TopicCommand", "--alter", "--topic", topic, "--partitions", "6")
	p.await(35_000)
	for i := range replicas { // a rolling restart
		replicas[i].stop()
		start(i)
	}
	p.await(60_000)
	k.Kill(2)
	p.await(75_000)
	replicas[0].kill()
	start(0)
	k.Restart(2)
	p.await(showEvents)
	c.awaitAll()
	c.check()
	await(t, "no lag", func() bool { return groupLag(t, k.Bootstrap()) == 0 })
}

// groupLag is the lag of the group; -1 if it is not completely known.
func groupLag(t *testing.T, brokers []string) int64 {
	t.Helper()
	collector, err := kafka.Open(kafka.Options{Config: kafka.Config{Name: "main", Brokers: brokers}})
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	snapshot, err := collector.Snapshot(t.Context())
	if err != nil {
		return -1
	}
	g, found := snapshot.Group(group)
	total := snapshot.Total(g)
	if !found || !total.Complete || total.Partitions != 6 {
		return -1
	}
	return total.Records
}

// crowd is the browsers.
type crowd struct {
	t         *testing.T
	addresses []string
	browsers  []*viewer
	reached   atomic.Int64 // how many have everything
	ended     sync.WaitGroup
	produced  atomic.Int64
}

// openCrowd connects the browsers, and returns when all are.
func openCrowd(t *testing.T, addresses []string) *crowd {
	t.Helper()
	c := &crowd{t: t, addresses: addresses}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); c.ended.Wait() })
	var connected sync.WaitGroup
	for range showBrowsers {
		v := &viewer{crowd: c, retry: time.Second, seen: make([]bool, showEvents), latest: map[string]int{}, connected: sync.OnceFunc(connected.Done)}
		connected.Add(1)
		c.browsers = append(c.browsers, v)
		c.ended.Go(func() { v.watch(ctx) })
	}
	connected.Wait()
	return c
}

// producer publishes the events.
type producer struct {
	t    *testing.T
	sent *atomic.Int64
}

// produce publishes events of 1,000 keys, whose sequence is their value.
func (c *crowd) produce(brokers []string) producer {
	publisher, err := kafka.OpenPublisher(kafka.Options{Config: kafka.Config{Name: "main", Brokers: brokers}})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	sending.Go(func() {
		const batch = 250
		pace := time.NewTicker(time.Second / 6) // 1,500 a second
		defer pace.Stop()
		for from := 0; from < showEvents && ctx.Err() == nil; from += batch {
			<-pace.C
			records := make([]tidemark.Record, batch)
			for i := range records {
				n := from + i
				records[i] = tidemark.Record{Topic: topic, Partition: -1, Key: fmt.Appendf(nil, "job-%d", n%1000), Value: []byte(strconv.Itoa(n))}
			}
			if err := publisher.Publish(ctx, records...); err != nil {
				c.t.Errorf("publish: %v", err)
				return
			}
			c.produced.Store(int64(from + batch))
		}
	})
	c.t.Cleanup(func() { cancel(); sending.Wait(); publisher.Close() })
	return producer{c.t, &c.produced}
}

func (p producer) await(n int64) {
	p.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(3 * time.Minute); p.sent.Load() < n; <-again.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("%d events after three minutes, want %d", p.sent.Load(), n)
		}
	}
}

func (c *crowd) awaitAll() {
	c.t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(time.Minute); c.reached.Load() < showBrowsers && time.Now().Before(deadline); {
		<-again.C
	}
}

// check says what is wrong with what the browsers have seen.
func (c *crowd) check() {
	c.t.Helper()
	sessions := 0
	for i, v := range c.browsers {
		v.mu.Lock()
		sessions += v.sessions
		if v.distinct != showEvents || v.repeats > 0 || v.disorder > 0 || v.gaps > 0 {
			c.t.Errorf("browser %d has %d of %d events, %d repeated within a session, %d out of order, and was told of %d gaps",
				i, v.distinct, showEvents, v.repeats, v.disorder, v.gaps)
		}
		v.mu.Unlock()
	}
	c.t.Logf("%d browsers in %d sessions got %d deliveries", showBrowsers, sessions, showBrowsers*showEvents)
}

// viewer is one browser. Its session is its EventSource, over all reconnects: it
// ends with the test.
type viewer struct {
	crowd     *crowd
	connected func()

	mu                                          sync.Mutex
	seen                                        []bool
	latest                                      map[string]int // sequence per key and partition
	id                                          string
	retry                                       time.Duration
	sessions, distinct, repeats, disorder, gaps int
}

// watch reads the stream of any replica, again and again.
func (v *viewer) watch(ctx context.Context) {
	for ctx.Err() == nil {
		v.session(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(v.retry):
		}
	}
}

func (v *viewer) session(ctx context.Context) {
	to := v.crowd.addresses[rand.IntN(len(v.crowd.addresses))]
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+to+"/crm-events", nil)
	if err != nil {
		return
	}
	q.Header.Set("Accept", "text/event-stream")
	if v.id != "" {
		q.Header.Set("Last-Event-ID", v.id)
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return // that replica is away
	}
	defer answer.Body.Close()
	v.sessions++
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				v.retry = time.Duration(ms) * time.Millisecond
			}
		case "data":
			if lines.Scan() { // the end of the frame
				v.hear(value)
				v.id = id
			}
		}
	}
}

// hear reads a frame. Twenty million of them are more than a JSON reader takes in
// the time.
func (v *viewer) hear(data string) {
	kind := between(data, `"kind":"`, `"`)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch kind {
	case "connected":
		v.connected()
	case "gap":
		v.gaps++
	case "domain_event":
		n, err := strconv.Atoi(between(data, `"value":`, "}"))
		if err != nil {
			v.crowd.t.Errorf("%s: %v", data, err)
			return
		}
		// A key has a partition, until there are more of them: then another.
		v.count(between(data, `"partition":`, ",")+between(data, `"key":"`, `"`), n)
	}
}

func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

func (v *viewer) count(key string, n int) {
	if v.seen[n] {
		v.repeats++
		return
	}
	v.seen[n] = true
	if latest, known := v.latest[key]; known && n < latest {
		v.disorder++
	}
	v.latest[key] = n
	if v.distinct++; v.distinct == showEvents {
		v.crowd.reached.Add(1)
	}
}
