package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/launchdarkly/eventsource"
	"github.com/tmaxmax/go-sse"
)

// checkClient takes a client through a cut of the network: it gets what came
// before, meanwhile and after, each event once and in order.
func checkClient(t *testing.T, b *bed, open func(t *testing.T, url string) *heard) {
	t.Helper()
	b.line.mend()
	first := b.published
	h := open(t, b.line.url("/crm-events"))
	await(t, "the client to be connected", func() bool { return h.count("connected live") == 1 })
	b.publish(5)
	await(t, "five events", func() bool { return h.count("event ") == 5 })
	b.line.cut()
	b.publish(5)
	b.line.mend()
	await(t, "the client to come back and go on exactly", func() bool { return h.count("connected exact") == 1 })
	b.publish(5)
	await(t, "fifteen events", func() bool { return h.count("event ") >= 15 })
	var want strings.Builder
	for i := range 15 {
		fmt.Fprintf(&want, "event 0 %d\n", first+i)
	}
	if got := h.events(); got != want.String() {
		t.Errorf("the client got\n%swant\n%s", got, want.String())
	}
}

func TestClientsOfNodeGoOnExactlyAfterACut(t *testing.T) {
	onBothTransports(t, func(t *testing.T, b *bed) {
		node, err := exec.LookPath("node")
		if err != nil {
			missing(t, "node is not here")
		}
		if _, err := os.Stat("node/node_modules"); err != nil {
			missing(t, "the packages of test/clients/node are not installed")
		}
		for _, kind := range []string{"builtin", "eventsource", "undici", "eventsource-parser"} {
			t.Run(kind, func(t *testing.T) {
				checkClient(t, b, func(t *testing.T, url string) *heard {
					return process(t, node, "--no-warnings", "--experimental-eventsource", "node/client.mjs", kind, url)
				})
			})
		}
	})
}

// hear notes a frame as the other clients say it.
func (h *heard) hear(data string) {
	var frame struct {
		Kind, Resume, Reason string
		Partition, Offset    int64
	}
	if err := json.Unmarshal([]byte(data), &frame); err != nil {
		h.add("not JSON: " + data)
		return
	}
	if frame.Kind == "domain_event" {
		h.add(fmt.Sprintf("event %d %d", frame.Partition, frame.Offset))
		return
	}
	h.add(frame.Kind + " " + frame.Resume + frame.Reason)
}

func TestLaunchDarklysClientGoesOnExactlyAfterACut(t *testing.T) {
	onBothTransports(t, func(t *testing.T, b *bed) {
		checkClient(t, b, func(t *testing.T, url string) *heard {
			stream, err := eventsource.SubscribeWithURL(url, eventsource.StreamOptionInitialRetry(100*time.Millisecond),
				eventsource.StreamOptionErrorHandler(func(error) eventsource.StreamErrorHandlerResult { return eventsource.StreamErrorHandlerResult{} }))
			if err != nil {
				t.Fatal(err)
			}
			h := new(heard)
			go func() {
				for event := range stream.Events {
					h.hear(event.Data())
				}
			}()
			t.Cleanup(stream.Close)
			return h
		})
	})
}

func TestGoSSEsClientGoesOnExactlyAfterACut(t *testing.T) {
	onBothTransports(t, func(t *testing.T, b *bed) {
		checkClient(t, b, func(t *testing.T, url string) *heard {
			ctx, cancel := context.WithCancel(t.Context())
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			h := new(heard)
			conn := (&sse.Client{HTTPClient: http.DefaultClient, Backoff: sse.Backoff{InitialInterval: 100 * time.Millisecond}}).NewConnection(q)
			conn.SubscribeToAll(func(event sse.Event) { h.hear(event.Data) })
			var reading sync.WaitGroup
			reading.Go(func() { _ = conn.Connect() }) // it ends with ctx
			t.Cleanup(func() { cancel(); reading.Wait() })
			return h
		})
	})
}

// TestCurlGetsTheBytesByEveryVersionOfHTTP reads the stream as it is on the wire.
func TestCurlGetsTheBytesByEveryVersionOfHTTP(t *testing.T) {
	onBothTransports(t, func(t *testing.T, b *bed) {
		curl, err := exec.LookPath("curl")
		if err != nil {
			missing(t, "curl is not here")
		}
		b.publish(3)
		for name, flags := range map[string][]string{
			"HTTP/1.0": {"--http1.0"}, "HTTP/1.1": {"--http1.1"}, "HTTP/2": {"--http2-prior-knowledge"}, "compressed": {"--compressed"},
		} {
			t.Run(name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := exec.CommandContext(ctx, curl, append(flags, "-sNi", "-H", "Accept: text/event-stream", b.line.url("/crm-events?last_event_id=earliest"))...)
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				var text strings.Builder
				for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), `"offset":2`); {
					text.WriteString(lines.Text() + "\n")
				}
				cancel()
				_ = cmd.Wait() // it was killed
				for _, want := range []string{" 200", "ontent-", "text/event-stream; charset=utf-8", "retry: ", "id: v1.", `data: {"kind":"connected"`, `"value":{"Seq":0,"Text":"ä\u2028 xxx`} {
					if !strings.Contains(text.String(), want) {
						t.Errorf("curl got no %q in\n%s", want, text.String())
					}
				}
			})
		}
	})
}
