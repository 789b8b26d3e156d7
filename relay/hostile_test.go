package relay_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

// onTime says whether a browser has got n events of partition 0, none of them late.
func (b *browser) onTime(n int) {
	b.t.Helper()
	if got, want := b.got(0), upTo(n); !slices.Equal(got, want) {
		b.t.Errorf("the healthy browser got %d events, want %d", len(got), n)
	}
	for _, e := range b.kinds("domain_event") {
		if delay := e.at.Sub(time.UnixMilli(e.Timestamp)); delay > 20*time.Millisecond {
			b.t.Fatalf("event %d reached the healthy browser after %v", e.Offset, delay)
		}
	}
}

// TestClientThatTakesAByteASecondHarmsNobody: it is never quite stuck, and never
// done either.
func TestClientThatTakesAByteASecondHarmsNobody(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.RingBytes = 100_000 })
		trickle, healthy := r.connect(""), r.open("")
		done := make(chan struct{})
		go func() {
			defer close(done)
			var one [1]byte
			for _, err := trickle.answer.Body.Read(one[:]); err == nil; _, err = trickle.answer.Body.Read(one[:]) {
				time.Sleep(time.Second)
			}
		}()
		synctest.Wait()
		for range 600 {
			m.publish(0, 5)
			time.Sleep(100 * time.Millisecond)
		}
		healthy.onTime(3000)
		if got, want := r.metric(`crm_events_disconnects_total{reason="slow"}`), "1"; got != want {
			t.Errorf("%s slow clients were dropped, want %s", got, want)
		}
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d, want %d", got, want)
		}
		_ = trickle.answer.Body.Close()
		<-done
		healthy.close()
	})
}

// TestTenThousandConnectsOfOneAddressAreMetAtTheDoor counts who was sent away, and
// that those who were there before notice nothing.
func TestTenThousandConnectsOfOneAddressAreMetAtTheDoor(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.MaxClientsPerIP = 10 })
		healthy := r.open("")
		synctest.Wait()
		var in []*http.Response
		for i := range 10_000 {
			answer := r.request(http.MethodGet, "/crm-events", nil)
			if i < 9 {
				in = append(in, answer)
				continue
			}
			if text, err := io.ReadAll(answer.Body); err != nil || !bytes.Contains(text, []byte(`"overloaded"`)) {
				t.Fatalf("connect %d was answered by %s, %v", i, text, err)
			}
			_ = answer.Body.Close()
		}
		m.publish(0, 100)
		time.Sleep(time.Second)
		healthy.onTime(100)
		for series, want := range map[string]string{
			`crm_events_sse_clients`: "10", `crm_events_disconnects_total{reason="refused"}`: "9991",
		} {
			if got := r.metric(series); got != want {
				t.Errorf("%s is %s, want %s", series, got, want)
			}
		}
		for _, answer := range in {
			_ = answer.Body.Close()
		}
		healthy.close()
	})
}

// TestForgedIDsHarmTheirSenderOnly has ids that no replica wrote: far ahead, and of
// more partitions than there are.
func TestForgedIDsHarmTheirSenderOnly(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		healthy := r.open("")
		synctest.Wait()
		parts := strings.Split(healthy.lastID(), ".")
		ahead := r.open("v1." + parts[1] + ".zzzzzzzz.0-1y2p0ij32e8e7")
		wide := r.open("v1p." + parts[1] + "." + parts[2] + "." + strings.Repeat("AQEB", 5000)) // 15,000 times 1
		time.Sleep(time.Second)
		m.publish(0, 10)
		time.Sleep(time.Second)
		healthy.onTime(10)
		if got := ahead.got(0); len(got) > 0 {
			t.Errorf("who claims to have everything got %v", got)
		}
		if got, want := wide.got(0), between(1, 10); !slices.Equal(got, want) || len(wide.lastID()) > 1000 {
			t.Errorf("who claims 15,000 partitions got %v with ids of %d letters", got, len(wide.lastID()))
		}
		for _, b := range []*browser{healthy, ahead, wide} {
			b.close()
		}
	})
}

// opened is a service in real time, for the fuzzer.
func opened(f *testing.F, m *memory) *relay.Service {
	f.Helper()
	r := m.start(f, func(o *relay.Options) {
		o.FilterHeaders, o.MaxConnectRate, o.Find = []string{"region"}, 1e9, m.find
	})
	answer := r.request(http.MethodGet, "/crm-events", nil) // when that is answered, all is there
	_ = answer.Body.Close()
	return r.service
}

// historyOf asks a service for one event.
func historyOf(t *testing.T, s *relay.Service, query, id string) *httptest.ResponseRecorder {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/crm-events/history", nil)
	q.URL.RawQuery = query
	q.Header.Set("Last-Event-ID", id)
	answer := recorder{httptest.NewRecorder()}
	s.Handler().ServeHTTP(answer, q)
	return answer.ResponseRecorder
}

// recorder is an answer that has deadlines, as a connection has.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetWriteDeadline(time.Time) error { return nil }

// FuzzLastEventID: whatever id comes, the answer is 400 with a reason, or lines of
// JSON that end in a bookmark whose id is good in its turn.
func FuzzLastEventID(f *testing.F) {
	m := newMemory(3)
	m.publish(0, 5)
	m.publish(2, 5)
	s := opened(f, m)
	for _, seed := range []string{"", "earliest", "latest", "v1.k3f9qa.lzt8k2b7.0-2t_1-1n_2-4", "v1p.a.b.AQID", `[{"topic":"aetherlink.events","partition":0,"offset":3}]`, "v1..."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		answer := historyOf(t, s, "limit=3", id)
		if answer.Code == http.StatusBadRequest && answer.Body.Len() > 0 {
			return
		}
		lines := strings.Split(strings.TrimSpace(answer.Body.String()), "\n")
		var last line
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Kind != "bookmark" || answer.Code != http.StatusOK {
			t.Fatalf("id %q: %d %s", id, answer.Code, answer.Body)
		}
		if again := historyOf(t, s, "limit=3", last.ID); again.Code != http.StatusOK {
			t.Errorf("id %q led to the bookmark %q, which is answered by %d", id, last.ID, again.Code)
		}
	})
}

// FuzzFilter: whatever is asked for, nothing else comes.
func FuzzFilter(f *testing.F) {
	m := newMemory(1)
	m.publishAs("JobCreated", "t1", "job-1", 2)
	m.publishAs("JobDone", "t2", "job-2", 2)
	s := opened(f, m)
	for _, seed := range []string{"", "type=JobDone", "key=job-1&tenant=t1", "header=region:eu", "since=1&until=2", "type=%00&typed=1", "%zz&;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		answer := historyOf(t, s, query, "")
		asked, _ := url.ParseQuery(query)
		for text := range strings.Lines(answer.Body.String()) {
			var event struct{ Kind, Key string }
			if answer.Code != http.StatusOK || json.Unmarshal([]byte(text), &event) != nil || event.Kind != "domain_event" {
				continue
			}
			if keys := asked["key"]; len(keys) > 0 && !slices.Contains(keys, event.Key) {
				t.Errorf("%q was answered by an event of %s", query, event.Key)
			}
		}
		if answer.Code >= 500 && answer.Code != http.StatusServiceUnavailable {
			t.Errorf("%q was answered by %d", query, answer.Code)
		}
	})
}

// FuzzFrame: whatever a record holds, it is one frame of JSON, and a value that is
// JSON comes through byte by byte.
func FuzzFrame(f *testing.F) {
	m := newMemory(1)
	m.publish(0, 1)
	s := opened(f, m)
	f.Add([]byte("key"), []byte(`{"a":1.0,"a":1e400}`), "Type")
	f.Add([]byte{0xff}, []byte("{\r\n\"a\": 1}"), "a\nid: 7\n\n")
	f.Add([]byte("\n\ndata: x"), []byte("\n\nevent: checkpoint\n\n"), "checkpoint")
	f.Fuzz(func(t *testing.T, key, value []byte, kind string) {
		m.change(func() { m.logs[0].records = nil })
		m.append(0, key, value)
		m.change(func() { m.logs[0].records[0].Headers = []tidemark.Header{{Key: "type", Value: []byte(kind)}} })
		text := historyOf(t, s, "", "earliest").Body.String()
		if strings.Count(text, "\n") != 2 && len(value) > 0 {
			t.Fatalf("%q became %q", value, text)
		}
		first, _, _ := strings.Cut(text, "\n")
		var e event
		if err := json.Unmarshal([]byte(first), &e); err != nil || !utf8.ValidString(first) || strings.Contains(first, "\r") {
			t.Fatalf("%q became %q: %v", value, first, err)
		}
		if valid := json.Valid(value) && utf8.Valid(value); valid == e.Undecodable {
			t.Errorf("%q is JSON: %v, and was told to be undecodable: %v", value, valid, e.Undecodable)
		} else if !valid && !bytes.Equal(e.Raw, value) {
			t.Errorf("%q became %q", value, e.Raw)
		} else if valid && !bytes.ContainsAny(value, "\r\n") && !strings.Contains(first, `"value":`+string(value)+"}") {
			t.Errorf("%s became %s", value, first)
		}
	})
}
