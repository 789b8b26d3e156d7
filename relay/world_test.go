package relay_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

const topic = "aetherlink.events"

// memory is a topic in memory, for any number of readers and one group.
type memory struct {
	mu         sync.Mutex
	id         byte
	logs       []log
	committed  []int64
	commits    []tidemark.Position // all that were ever made
	members    []*member
	generation int
	changed    chan struct{}
}

type log struct {
	start   int64
	records []tidemark.Record
}

func newMemory(partitions int) *memory {
	return &memory{
		id: 1, logs: make([]log, partitions), committed: make([]int64, partitions), changed: make(chan struct{}),
	}
}

func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.changed)
	m.changed = make(chan struct{})
}

// publish appends records whose values are their offsets, as {"n":offset}.
func (m *memory) publish(partition, n int) {
	for range n {
		m.append(partition, []byte("key"), nil)
	}
}

func (m *memory) append(partition int, key, value []byte) {
	m.change(func() {
		l := &m.logs[partition]
		offset := l.start + int64(len(l.records))
		if value == nil {
			value = fmt.Appendf(nil, `{"n":%d}`, offset)
		}
		l.records = append(l.records, tidemark.Record{
			Topic: topic, Partition: int32(partition), Offset: offset, Timestamp: time.Now(), Key: key, Value: value,
		})
	})
}

// appendMarker appends what ends a transaction.
func (m *memory) appendMarker(partition int) {
	m.append(partition, nil, []byte{})
	m.change(func() { m.logs[partition].records[len(m.logs[partition].records)-1].Control = true })
}

// find says where the log stood at a time, as Kafka does: at the first record that
// is not older.
func (m *memory) find(_ context.Context, when time.Time) (at []tidemark.Position, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, l := range m.logs {
		n := slices.IndexFunc(l.records, func(r tidemark.Record) bool { return !r.Timestamp.Before(when) })
		if n < 0 {
			n = len(l.records)
		}
		at = append(at, tidemark.Position{Topic: topic, Partition: int32(i), Next: l.start + int64(n)})
	}
	return at, nil
}

// appendTombstone appends a record without a value.
func (m *memory) appendTombstone(partition int) {
	m.append(partition, nil, []byte{})
	m.change(func() { m.logs[partition].records[len(m.logs[partition].records)-1].Value = nil })
}

func (m *memory) Look(context.Context) (tidemark.Topic, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := tidemark.Topic{Name: topic, ID: [16]byte{m.id}}
	for i, l := range m.logs {
		t.Partitions = append(t.Partitions, tidemark.Log{ID: int32(i), Start: l.start, End: l.start + int64(len(l.records))})
	}
	return t, nil
}

func (m *memory) ReadFrom(_ context.Context, at []tidemark.Position) (relay.Reader, error) {
	r := &reader{m: m, next: map[int]int64{}}
	for _, p := range at {
		r.next[int(p.Partition)] = p.Next
	}
	return r, nil
}

type reader struct {
	m    *memory
	next map[int]int64
}

func (r *reader) Close() {}

func (r *reader) Next(ctx context.Context) ([]tidemark.Record, error) {
	return r.m.wait(ctx, func() (records []tidemark.Record) {
		for i, l := range r.m.logs {
			records = append(records, l.from(r.next[i])...)
			r.next[i] = max(r.next[i], l.start+int64(len(l.records)))
		}
		return records
	})
}

func (l log) from(offset int64) []tidemark.Record {
	return slices.Clone(l.records[min(max(0, offset-l.start), int64(len(l.records))):])
}

// wait calls look, under the lock, until it finds records.
func (m *memory) wait(ctx context.Context, look func() []tidemark.Record) ([]tidemark.Record, error) {
	for {
		m.mu.Lock()
		records, changed := look(), m.changed
		m.mu.Unlock()
		if len(records) > 0 {
			return records, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// member is a member of the one group of the memory. Partitions are dealt out in turn.
type member struct {
	m          *memory
	generation int
	next       map[int]int64
}

func (m *memory) join() *member {
	who := &member{m: m}
	m.change(func() { m.members = append(m.members, who); m.generation++ })
	return who
}

func (m *memory) leave(who *member) {
	m.change(func() {
		m.members = slices.DeleteFunc(m.members, func(x *member) bool { return x == who })
		m.generation++
	})
}

func (w *member) owns(partition int) bool {
	return len(w.m.members) > 0 && w.m.members[partition%len(w.m.members)] == w
}

func (w *member) Next(ctx context.Context) ([]tidemark.Record, error) {
	return w.m.wait(ctx, func() (records []tidemark.Record) {
		if w.generation != w.m.generation {
			w.generation, w.next = w.m.generation, map[int]int64{}
		}
		for i, l := range w.m.logs {
			if !w.owns(i) {
				continue
			}
			if _, is := w.next[i]; !is {
				w.next[i] = w.m.committed[i]
			}
			records = append(records, l.from(w.next[i])...)
			w.next[i] = l.start + int64(len(l.records))
		}
		return records
	})
}

func (w *member) Commit(_ context.Context, at []tidemark.Position) error {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	for _, p := range at {
		if !w.owns(int(p.Partition)) {
			return errors.New("not mine")
		}
		w.m.committed[p.Partition] = p.Next
		w.m.commits = append(w.m.commits, p)
	}
	return nil
}

func (w *member) Owned() (owned []tidemark.Position) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	for i := range w.m.logs {
		if w.owns(i) {
			owned = append(owned, tidemark.Position{Topic: topic, Partition: int32(i), Next: tidemark.Unseen})
		}
	}
	return owned
}

func (m *memory) lag() (lag int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, l := range m.logs {
		lag += l.start + int64(len(l.records)) - m.committed[i]
	}
	return lag
}

// bothTransports runs a test twice in virtual time, with streams served by net/http
// and by the dense transport: what one does the other does too.
func bothTransports(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, transport := range []string{"nethttp", "dense"} {
		t.Run(transport, func(t *testing.T) { synctest.Test(t, test) })
	}
}

// replica is a running crm-events with an HTTP server in memory.
type replica struct {
	t       testing.TB
	service *relay.Service
	member  *member
	dials   chan net.Conn
	client  *http.Client
	stop    context.CancelFunc
	done    chan error
}

func (m *memory) start(t testing.TB, change func(*relay.Options)) *replica {
	t.Helper()
	r := &replica{t: t, member: m.join(), dials: make(chan net.Conn), done: make(chan error, 1)}
	o := relay.Options{Source: m, Member: r.member}
	o.Topic, o.Group, o.Dense = topic, "crm-events-sse", strings.HasSuffix(t.Name(), "/dense")
	if change != nil {
		change(&o)
	}
	service, err := relay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.service = service
	server := &http.Server{Handler: service.Handler()}
	go func() { _ = server.Serve(r) }()
	r.client = &http.Client{Transport: &http.Transport{DialContext: r.dial, DisableKeepAlives: true}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = cancel
	go func() {
		err := service.Run(ctx)
		m.leave(r.member)
		_ = server.Close()
		r.done <- err
	}()
	t.Cleanup(func() { r.end() })
	return r
}

// end shuts the replica down and waits for it.
func (r *replica) end() {
	r.t.Helper()
	r.stop()
	if err, first := <-r.done; first {
		if err != nil {
			r.t.Errorf("run ended with %v", err)
		}
		close(r.done)
	}
	r.client.CloseIdleConnections()
}

func (r *replica) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case r.dials <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr make the replica a net.Listener.
func (r *replica) Accept() (net.Conn, error) {
	conn, open := <-r.dials
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (r *replica) Close() error   { close(r.dials); return nil }
func (r *replica) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

func (r *replica) request(method, path string, header map[string]string) *http.Response {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), method, "http://memory"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Accept", "text/event-stream")
	for name, value := range header {
		q.Header.Set(name, value)
	}
	answer, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

// metric reads one series of /metrics; what is not there reads as NaN does: never equal.
func (r *replica) metric(series string) string {
	r.t.Helper()
	answer := r.request(http.MethodGet, "/metrics", nil)
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, is := strings.CutPrefix(lines.Text(), series+" "); is {
			return value
		}
	}
	return "absent"
}

// noticeDepartures waits until the service knows who has left: at once, or on the
// dense transport when a heartbeat cannot be written.
func (r *replica) noticeDepartures() {
	time.Sleep(16 * time.Second)
	synctest.Wait()
}

// browser is an EventSource: it keeps what it got and the latest id.
type browser struct {
	t       testing.TB
	answer  *http.Response
	stopped chan struct{}

	mu       sync.Mutex
	events   []event
	id       string
	retry    time.Duration
	comments int
}

// event is the data of one frame.
type event struct {
	Kind, Topic, Resume, Reason string
	Partition                   int
	Offset, From, To, Timestamp int64
	Key                         *string
	KeyBase64                   bool `json:"key_base64"`
	Value                       json.RawMessage
	Raw                         []byte
	Undecodable, Oversized      bool
	Bytes                       int
	id, name                    string
	at                          time.Time
}

// open connects and reads in the background.
func (r *replica) open(lastID string) *browser {
	r.t.Helper()
	b := r.connect(lastID)
	go b.read()
	return b
}

// connect connects and does not read.
func (r *replica) connect(lastID string) *browser { return r.connectTo("/crm-events", lastID) }

func (r *replica) connectTo(path, lastID string) *browser {
	r.t.Helper()
	header := map[string]string{}
	if lastID != "" {
		header["Last-Event-ID"] = lastID
	}
	b := &browser{t: r.t, id: lastID, stopped: make(chan struct{}), answer: r.request(http.MethodGet, path, header)}
	if got, want := b.answer.StatusCode, http.StatusOK; got != want {
		r.t.Fatalf("the stream answered %d, want %d", got, want)
	}
	return b
}

// read parses frames until the stream ends, as the HTML standard says
// ("server-sent events", interpreting an event stream).
func (b *browser) read() {
	defer close(b.stopped)
	_ = parse(b.answer.Body, func(f parsed) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.id = f.id
		b.retry = f.retry
		b.comments = f.comments
		if f.data == "" {
			return
		}
		e := event{id: f.id, name: f.name, at: time.Now()}
		if err := json.Unmarshal([]byte(f.data), &e); err != nil {
			b.t.Errorf("frame %q is no JSON: %v", f.data, err)
		}
		b.events = append(b.events, e)
	})
}

// close leaves, as a closed tab does.
func (b *browser) close() {
	_ = b.answer.Body.Close()
	<-b.stopped
}

func (b *browser) lastID() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.id
}

func (b *browser) all() []event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events)
}

// got lists the domain events of one partition by offset, in the order of arrival.
func (b *browser) got(partition int) []int64 {
	offsets := []int64{}
	for _, e := range b.all() {
		if e.Kind == "domain_event" && e.Partition == partition {
			offsets = append(offsets, e.Offset)
		}
	}
	return offsets
}

func (b *browser) kinds(kind string) (events []event) {
	for _, e := range b.all() {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}

// parsed is what the parser knows when a blank line ends a block.
type parsed struct {
	id, name, data string
	retry          time.Duration
	comments       int
}

// parse calls on at the end of each block; id, retry and comments carry over.
func parse(text io.Reader, on func(parsed)) error {
	var f parsed
	var data []string
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			f.data = strings.Join(data, "\n")
			on(f)
			data, f.name = nil, ""
		case field == "":
			f.comments++
		case field == "id":
			f.id = value
		case field == "event":
			f.name = value
		case field == "data":
			data = append(data, value)
		case field == "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				f.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return lines.Err()
}

func upTo(n int) []int64 { return between(0, n) }

func between(from, to int) []int64 {
	offsets := []int64{}
	for i := from; i < to; i++ {
		offsets = append(offsets, int64(i))
	}
	return offsets
}
