package relay_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark/relay"
)

func TestMalformedIDIsRefusedWithAReason(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, nil)
		f := func(query, id string) {
			t.Helper()
			answer := r.request(http.MethodGet, "/crm-events"+query, map[string]string{"Last-Event-ID": id})
			text, _ := io.ReadAll(answer.Body)
			if got, want := answer.StatusCode, http.StatusBadRequest; got != want || !strings.Contains(string(text), "id") {
				t.Errorf("%q %q: got %d %q, want %d and a reason", query, id, got, text, want)
			}
		}
		f("", "17")
		f("", "v2.a.0.0-1")
		f("", "v1.a.-1.0-1")
		f("?last_event_id=v1.a%0Adata:x.0.0-1", "")
		f("", "v1.a.0.0-")
		f("", "v1.a.0.zzzzzz-1")
		f("?last_event_id=newest", "")
		f("?lastEventId=v1.a.b", "")
	})
}

func TestIDInTheQueryResumesAndTheHeaderComesFirst(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		b := r.open("")
		synctest.Wait()
		before := b.all()[0].id
		m.publish(0, 3)
		time.Sleep(time.Second)
		after := b.lastID()
		b.close()
		f := func(query, header string, want int) {
			t.Helper()
			q := map[string]string{}
			if header != "" {
				q["Last-Event-ID"] = header
			}
			tab := &browser{t: t, stopped: make(chan struct{}), answer: r.request(http.MethodGet, "/crm-events?"+query, q)}
			go tab.read()
			time.Sleep(time.Second)
			if got := len(tab.got(0)); got != want {
				t.Errorf("%s with header %q: %d events, want %d", query, header, got, want)
			}
			tab.close()
		}
		f("last_event_id="+before, "", 3)
		f("lastEventId="+before, "", 3)
		f("lastEventId="+before, after, 0)
	})
}

func TestStreamHasTheHeadersThatProxiesNeed(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, nil)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := r.request(method, "/crm-events", nil)
			want := map[string]string{
				"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store, no-transform",
				"X-Accel-Buffering": "no", "Vary": "Origin, Accept-Encoding", "Access-Control-Allow-Origin": "",
			}
			for name, want := range want {
				if got := strings.Join(answer.Header.Values(name), ", "); got != want {
					t.Errorf("%s: %s is %q, want %q", method, name, got, want)
				}
			}
			_ = answer.Body.Close()
		}
	})
}

func TestOnlyAllowedOriginsMayRead(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		named := m.start(t, func(o *relay.Options) { o.AllowOrigins = []string{"https://crm.example.com"} })
		anyone := m.start(t, func(o *relay.Options) { o.AllowOrigins = []string{"*"} })
		f := func(r *replica, origin, wantOrigin, wantCredentials string) {
			t.Helper()
			answer := r.request(http.MethodOptions, "/crm-events", map[string]string{"Origin": origin})
			if got, want := answer.StatusCode, http.StatusNoContent; got != want {
				t.Errorf("preflight answers %d, want %d", got, want)
			}
			if got, want := answer.Header.Get("Access-Control-Allow-Headers"), "Last-Event-ID"; !strings.HasPrefix(got, want) {
				t.Errorf("allowed headers are %q, want %q among them", got, want)
			}
			if got := answer.Header.Get("Access-Control-Allow-Origin"); got != wantOrigin {
				t.Errorf("%s: allowed origin is %q, want %q", origin, got, wantOrigin)
			}
			if got := answer.Header.Get("Access-Control-Allow-Credentials"); got != wantCredentials {
				t.Errorf("%s: credentials are %q, want %q", origin, got, wantCredentials)
			}
		}
		f(named, "https://crm.example.com", "https://crm.example.com", "true")
		f(named, "https://evil.example.com", "", "")
		f(anyone, "https://evil.example.com", "*", "")
	})
}

func TestOverCapacityBrowsersAreToldToComeBackAndOthersGet503(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, func(o *relay.Options) { o.MaxClientsPerIP = 2 })
		in := []*browser{r.open(""), r.open("")}
		synctest.Wait()
		out := r.open(in[0].lastID())
		<-out.stopped
		if got := out.all(); len(got) != 1 || got[0].Kind != "overloaded" || got[0].Reason != "clients_per_ip" {
			t.Errorf("got %+v, want one frame overloaded", got)
		}
		if got, want := out.all()[0].id, in[0].lastID(); got != want {
			t.Errorf("the frame has id %q, want the client's own, %q", got, want)
		}
		if out.retry < 5*time.Second || out.retry > 30*time.Second {
			t.Errorf("retry is %v, want 5 to 30 s", out.retry)
		}
		script := r.request(http.MethodGet, "/crm-events", map[string]string{"Prefer": "status"})
		if got, want := script.StatusCode, http.StatusServiceUnavailable; got != want || script.Header.Get("Retry-After") == "" {
			t.Errorf("a client that prefers a status gets %d, want %d with Retry-After", got, want)
		}
		in[0].close()
		r.noticeDepartures()
		late := r.open("")
		synctest.Wait()
		if got, want := late.all()[0].Kind, "connected"; got != want {
			t.Errorf("after one has left, the next gets %q, want %q", got, want)
		}
		late.close()
		in[1].close()
	})
}

func TestRequestsAreCountedByRouteAndNotByWhatIsAskedFor(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, nil)
		synctest.Wait()
		f := func(method, path string, status int) {
			t.Helper()
			answer := r.request(method, path, nil)
			if got, want := answer.StatusCode, status; got != want {
				t.Errorf("%s %s answers %d, want %d", method, path, got, want)
			}
			_ = answer.Body.Close()
		}
		f(http.MethodGet, "/", 200)
		f(http.MethodGet, "/healthz", 200)
		f(http.MethodGet, "/readyz", 200)
		f(http.MethodGet, "/etc/passwd", 404)
		f(http.MethodPost, "/crm-events?x=1", 405)
		f("BREW", "/healthz", 405)
		f(http.MethodHead, "/crm-events", 200)
		f(http.MethodGet, "/crm-events?x=1", 200)
		synctest.Wait()
		for series, want := range map[string]string{
			`{code="200",method="GET",path="/"}`:            "1",
			`{code="200",method="GET",path="/healthz"}`:     "1",
			`{code="404",method="GET",path="other"}`:        "1",
			`{code="405",method="POST",path="/crm-events"}`: "1",
			`{code="200",method="HEAD",path="/crm-events"}`: "1",
			`{code="405",method="other",path="/healthz"}`:   "1",
			`{code="200",method="GET",path="/crm-events"}`:  "1",
		} {
			if got := r.metric("crm_events_http_requests_total" + series); got != want {
				t.Errorf("%s is %s, want %s", series, got, want)
			}
		}
	})
}
