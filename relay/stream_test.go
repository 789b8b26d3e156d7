package relay_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

func TestEveryBrowserGetsEveryEventInOrder(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		a, b := m.start(t, nil), m.start(t, nil)
		browsers := []*browser{a.open(""), a.open(""), b.open("")}
		for range 100 {
			m.publish(0, 1)
			m.publish(1, 2)
			time.Sleep(7 * time.Millisecond)
		}
		m.publish(2, 500)
		time.Sleep(time.Second)
		for i, b := range browsers {
			for partition, n := range []int{100, 200, 500} {
				if got, want := b.got(partition), upTo(n); !slices.Equal(got, want) {
					t.Errorf("browser %d got %d events of partition %d, want %d in order", i, len(got), partition, n)
				}
			}
			b.close()
		}
	})
}

func TestFirstFrameIsConnectedAndPrimesTheClientWithACursor(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		m.publish(1, 59)
		r := m.start(t, nil)
		b := r.open("")
		time.Sleep(time.Second)
		first := b.all()[0]
		if got, want := []string{first.Kind, first.Topic, first.Resume}, []string{"connected", topic, "live"}; !slices.Equal(got, want) {
			t.Errorf("first frame says %q, want %q", got, want)
		}
		if got, want := first.id, ".1-1n"; !strings.HasSuffix(got, want) {
			t.Errorf("first id is %q, want it to end in %q: offset 59 of partition 1 in base 36", got, want)
		}
		if got, least, most := b.retry, 2*time.Second, 4*time.Second; got < least || got > most {
			t.Errorf("retry is %v, want 3s give or take 30%%", got)
		}
		b.close()
	})
}

// TestSlowClientIsToldWhatItMissedAndDelaysNobody holds one connection open
// without reading while the ring turns over several times.
func TestSlowClientIsToldWhatItMissedAndDelaysNobody(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.RingBytes = 100_000; o.WriteTimeout = time.Minute; o.Slow = relay.SlowSkips })
		slow, quick := r.connect(""), r.open("")
		synctest.Wait()
		for range 200 {
			m.publish(0, 20)
			time.Sleep(100 * time.Millisecond)
		}
		if got, want := quick.got(0), upTo(4000); !slices.Equal(got, want) {
			t.Errorf("the quick client got %d events, want 4000", len(got))
		}
		for _, e := range quick.kinds("domain_event") {
			if delay := e.at.Sub(time.UnixMilli(e.Timestamp)); delay > 20*time.Millisecond {
				t.Fatalf("event %d reached the quick client after %v", e.Offset, delay)
			}
		}
		if got, most := atoi(t, r.metric("crm_events_ring_bytes")), 100_000; got > most {
			t.Errorf("the ring holds %d bytes, want at most %d", got, most)
		}
		go slow.read()
		time.Sleep(time.Second)
		seen := int64(0)
		for _, e := range slow.all() {
			switch e.Kind {
			case "domain_event":
				if e.Offset != seen {
					t.Fatalf("event %d follows after %d without a gap frame", e.Offset, seen-1)
				}
				seen++
			case "gap":
				if e.From != seen || e.Reason != "overflow" {
					t.Fatalf("gap %+v after event %d", e, seen-1)
				}
				seen = e.To
			}
		}
		if got, want := seen, int64(4000); got != want || len(slow.kinds("gap")) == 0 {
			t.Errorf("the slow client came to %d with %d gaps, want %d and some", got, len(slow.kinds("gap")), want)
		}
		slow.close()
		quick.close()
	})
}

func TestClientThatReadsNothingIsDroppedAtItsDeadline(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		stuck := r.connect("")
		synctest.Wait()
		m.publish(0, 1000)
		time.Sleep(9 * time.Second)
		if got, want := r.metric("crm_events_sse_clients"), "1"; got != want {
			t.Errorf("%s clients after 9s, want %s", got, want)
		}
		time.Sleep(2 * time.Second)
		if got, want := r.metric("crm_events_sse_clients"), "0"; got != want {
			t.Errorf("%s clients after 11s, want %s", got, want)
		}
		if got, want := r.metric(`crm_events_disconnects_total{reason="slow"}`), "1"; got != want {
			t.Errorf("%s slow clients were dropped, want %s", got, want)
		}
		_ = stuck.answer.Body.Close()
	})
}

func TestIdleStreamHasAHeartbeatEvery15Seconds(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		b := m.start(t, nil).open("")
		time.Sleep(10 * time.Second)
		m.publish(0, 1) // puts the next one off
		time.Sleep(46 * time.Second)
		synctest.Wait()
		m.publish(0, 1) // the parser tells comments with the block that follows
		time.Sleep(time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		if got, want := b.comments, 3; got != want {
			t.Errorf("%d heartbeats in 46 idle seconds, want %d", got, want)
		}
	})
}

// TestNoContentBreaksTheStream has one record of every kind that ended the
// original's stream, and then a plain one.
func TestNoContentBreaksTheStream(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		b := r.open("")
		synctest.Wait()
		values := []string{
			"no json", `"` + "\xff" + `"`, "", `{"n":1e400,"n":2}`, "{\r\n \"a\": \"data: x\"\n}", `"é 😀 \u2028"`, "null", `{"last":true}`,
		}
		for _, v := range values {
			m.append(0, []byte("k\xff\x00"), []byte(v))
		}
		m.appendTombstone(0)
		time.Sleep(time.Second)
		events := b.kinds("domain_event")
		if got, want := len(events), len(values)+1; got != want {
			t.Fatalf("got %d events, want %d", got, want)
		}
		want := []string{"null", "null", "null", values[3], `{"a":"data: x"}`, values[5], "null", values[7], "null"}
		for i, e := range events {
			if got := string(e.Value); got != want[i] {
				t.Errorf("value %d is %s, want %s", i, got, want[i])
			}
			if got, want := e.Undecodable, i < 3; got != want {
				t.Errorf("value %d: undecodable is %v, want %v", i, got, want)
			}
			if e.Undecodable && !bytes.Equal(e.Raw, []byte(values[i])) {
				t.Errorf("raw value %d is %q, want %q", i, e.Raw, values[i])
			}
		}
		if e := events[0]; !e.KeyBase64 || *e.Key != "a/8A" {
			t.Errorf("binary key is %q (base64 %v), want a/8A as base64", *e.Key, e.KeyBase64)
		}
		if e := events[8]; e.Key != nil {
			t.Errorf("no key reads as %q, want null", *e.Key)
		}
		if got, want := r.metric("crm_events_undecodable_total"), "3"; got != want {
			t.Errorf("%s undecodable, want %s", got, want)
		}
		b.close()
	})
}

func TestClientsGaugeFallsWhenTheStreamEnds(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		a, b := r.open(""), r.open("")
		time.Sleep(time.Second)
		if got, want := r.metric("crm_events_sse_clients"), "2"; got != want {
			t.Errorf("%s clients, want %s", got, want)
		}
		a.close()
		r.noticeDepartures()
		if got, want := r.metric("crm_events_sse_clients"), "1"; got != want {
			t.Errorf("%s clients after one left, want %s", got, want)
		}
		b.close()
	})
}

func TestShutdownSaysByeAndTheNextReplicaGoesOnExactly(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		a, b := m.start(t, nil), m.start(t, nil)
		tab := a.open("")
		synctest.Wait()
		m.publish(0, 100)
		m.publish(1, 50)
		synctest.Wait()
		began := time.Now()
		a.end()
		<-tab.stopped
		if got, most := time.Since(began), time.Second; got > most {
			t.Errorf("shutdown took %v, want at most %v", got, most)
		}
		last := tab.all()[len(tab.all())-1]
		if got, want := last.Kind, "bye"; got != want {
			t.Errorf("the last frame is %q, want %q", got, want)
		}
		if tab.retry == 0 {
			t.Error("bye came without a retry")
		}
		m.publish(1, 50)
		again := b.open(tab.lastID())
		time.Sleep(time.Second)
		if got, want := append(tab.got(1), again.got(1)...), upTo(100); !slices.Equal(got, want) {
			t.Errorf("got %v over two replicas, want 0 to 99", got)
		}
		if got := again.got(0); len(got) > 0 {
			t.Errorf("events %v of partition 0 were repeated", got)
		}
		again.close()
	})
}

func TestWhatTheParserReadsIsWhatWasWritten(t *testing.T) {
	text := "retry: 3000\n\nid: v1.a.b.0-1\ndata: {\"kind\":\"connected\"}\n\n: hb\n\nid: v1.a.b.0-2\ndata: {\"a\":\"data: id: x\"}\n\n"
	var got []parsed
	if err := parse(strings.NewReader(text), func(p parsed) { got = append(got, p) }); err != nil {
		t.Fatal(err)
	}
	want := []parsed{
		{retry: 3 * time.Second},
		{retry: 3 * time.Second, id: "v1.a.b.0-1", data: `{"kind":"connected"}`},
		{retry: 3 * time.Second, id: "v1.a.b.0-1", comments: 1},
		{retry: 3 * time.Second, id: "v1.a.b.0-2", comments: 1, data: `{"a":"data: id: x"}`},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStreamBeforeKafkaAnswersIsAskedToComeBack(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.Source = away{m} })
		b := r.open("")
		<-b.stopped
		if got := b.all(); len(got) != 1 || got[0].Kind != "overloaded" || got[0].Reason != "starting" {
			t.Errorf("got %+v, want one frame overloaded, because starting", got)
		}
		if b.retry < 5*time.Second {
			t.Errorf("retry is %v, want at least 5s", b.retry)
		}
		answer := r.request(http.MethodGet, "/readyz", nil)
		if got, want := answer.StatusCode, http.StatusServiceUnavailable; got != want {
			t.Errorf("/readyz answers %d, want %d", got, want)
		}
		_ = answer.Body.Close()
	})
}

// away is a cluster that does not answer.
type away struct{ *memory }

func (away) Look(context.Context) (tidemark.Topic, error) {
	return tidemark.Topic{}, context.DeadlineExceeded
}
