package web_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark/web"
)

// pipes is a listener whose connections stay in memory, so that their time can be virtual.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9308} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.dialed <- theirs
	return ours, nil
}

// reader is one browser tab.
type reader struct {
	*bufio.Scanner
	t *testing.T
}

// message is one event of a stream; a comment has no name and its text as data.
type message struct{ name, id, data string }

// next blocks until a whole event or comment has come; ok is false at the end.
func (r reader) next() (m message, ok bool) {
	r.t.Helper()
	for r.Scan() {
		name, value, _ := strings.Cut(r.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			m.name = value
		case "id":
			m.id = value
		case "data", "retry":
			m.data = value
		case "":
			if r.Text() != "" {
				m.data = value
			} else if m != (message{}) {
				return m, true
			}
		}
	}
	return m, false
}

func (r reader) want(name string) message {
	r.t.Helper()
	m, ok := r.next()
	if !ok || m.name != name {
		r.t.Fatalf("the stream says %+v, want an event %q", m, name)
	}
	return m
}

// follow serves s in memory and reads its stream. The returned function ends the
// contexts of all requests, as a server does that shuts down.
func follow(t *testing.T, s *web.Server) (tab reader, end func()) {
	t.Helper()
	body, end := ask(t, s, "")
	scanner := bufio.NewScanner(body)
	scanner.Buffer(nil, 1<<20)
	tab = reader{scanner, t}
	if m, _ := tab.next(); m.data != "3000" {
		t.Fatalf("the stream opens with %+v, want the time to wait before a new attempt", m)
	}
	return tab, end
}

// ask opens a stream in the encoding that the reader says to take.
func ask(t *testing.T, s *web.Server, encoding string) (body io.Reader, end func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	wires := &pipes{dialed: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: s.Handler(), BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() { _ = server.Serve(wires) }()
	transport := &http.Transport{DialContext: wires.dial, DisableCompression: true}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://tidemark/api/tidemark/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", encoding)
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		response.Body.Close()
		server.Close()
		transport.CloseIdleConnections()
	})
	return response.Body, end
}

// The pieces of a squeezed stream are made apart; its checksum says whether they
// are one stream when they have come together.
func TestSqueezedStreamIsOneWholeAndSaysTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, web.Options{})
		s.Publish(world(noon, 600))
		body, end := ask(t, s, "gzip")
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(z)
		scanner.Buffer(nil, 1<<20)
		tab := reader{scanner, t}
		tab.next()
		tab.want("snapshot")
		s.Publish(world(noon.Add(15*time.Second), 780))
		if got, want := object(t, []byte(tab.want("patch").data), "groups", 0, "lag", "records"), any(780.0); got != want {
			t.Errorf("lag = %v, want %v", got, want)
		}
		tab.want("") // a heartbeat
		end()
		tab.want("bye")
		if _, more := tab.next(); more || tab.Err() != nil {
			t.Errorf("the stream ends with %v, want its whole", tab.Err())
		}
	})
}

func TestStreamTellsAllThenOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, web.Options{})
		s.Publish(world(noon, 600))
		tab, end := follow(t, s)
		all := tab.want("snapshot")
		if got, want := len(object(t, []byte(all.data), "groups").([]any)), 2; got != want {
			t.Errorf("the snapshot has %d groups, want %d", got, want)
		}
		s.Publish(world(noon.Add(15*time.Second), 780))
		change := tab.want("patch")
		if got, want := len(object(t, []byte(change.data), "groups").([]any)), 1; got != want {
			t.Errorf("the patch has %d groups, want %d", got, want)
		}
		if got, want := object(t, []byte(change.data), "groups", 0, "lag", "records"), any(780.0); got != want {
			t.Errorf("lag = %v, want %v", got, want)
		}
		if got, want := change.id, "2"; got != want {
			t.Errorf("id = %s, want %s", got, want)
		}
		less := world(noon.Add(30*time.Second), 780)
		less.Observations[0].Snapshot.Groups = less.Observations[0].Snapshot.Groups[1:]
		s.Publish(less)
		gone := tab.want("patch")
		if got, want := object(t, []byte(gone.data), "gone", 0, "group"), any("audit"); got != want {
			t.Errorf("gone = %v, want %v", got, want)
		}
		end()
		tab.want("bye")
		if m, ok := tab.next(); ok {
			t.Errorf("after the farewell comes %+v", m)
		}
	})
}

func TestQuietStreamShowsThatItLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, web.Options{})
		s.Publish(world(noon, 600))
		tab, _ := follow(t, s)
		tab.want("snapshot")
		began := time.Now()
		m := tab.want("")
		if got, want := time.Since(began), 15*time.Second; got != want || m.data == "" {
			t.Errorf("%q after %v, want a comment after %v", m.data, got, want)
		}
	})
}

func TestStreamIsSentToOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, web.Options{})
		tab, _ := follow(t, s)
		tab.want("snapshot")
		began := time.Now()
		for i := range 50 {
			s.Publish(world(noon.Add(time.Duration(i)*time.Second), int64(i)))
		}
		m := tab.want("patch")
		if got, want := time.Since(began), time.Second; got != want {
			t.Errorf("the patch came after %v, want %v", got, want)
		}
		if got, want := m.id, "50"; got != want {
			t.Errorf("id = %s, want the latest, %s", got, want)
		}
	})
}

func TestSlowReaderSkipsToTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, web.Options{})
		s.Publish(world(noon, 600))
		tab, _ := follow(t, s)
		for i := range 5 { // the tab reads nothing for these 5 seconds
			time.Sleep(time.Second)
			s.Publish(world(noon.Add(time.Duration(i)*time.Second), int64(i)))
		}
		tab.want("snapshot")
		var patch struct{ Sequence uint64 }
		for patch.Sequence < 6 {
			m := tab.want("patch")
			before := patch.Sequence
			if err := json.Unmarshal([]byte(m.data), &patch); err != nil || patch.Sequence <= before {
				t.Fatalf("sequence %d after %d: %v", patch.Sequence, before, err)
			}
		}
	})
}

func TestTooManyStreamsAreRefusedAndNotQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, web.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 500 {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/tidemark/v1/stream", nil)
			go s.Handler().ServeHTTP(httptest.NewRecorder(), r)
		}
		synctest.Wait()
		if got, want := get(t, s, "/api/tidemark/v1/stream").Code, http.StatusServiceUnavailable; got != want {
			t.Errorf("status = %d, want %d", got, want)
		}
		if got, want := get(t, s, "/api/tidemark/v1/view").Code, http.StatusOK; got != want {
			t.Errorf("status of another call = %d, want %d", got, want)
		}
	})
}

func TestReaderThatTakesNothingIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, web.Options{})
		s.Publish(world(noon, 600))
		tab, _ := follow(t, s)
		time.Sleep(time.Minute)
		for {
			if _, ok := tab.next(); !ok {
				break
			}
		}
	})
}
