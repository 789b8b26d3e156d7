package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/web"
)

const token = "s3cret"

func TestWhoMayReachWhat(t *testing.T) {
	const (
		here      = "127.0.0.1:50000"
		here6     = "[::1]:50000"
		elsewhere = "10.1.4.17:50000"
		bearer    = "Authorization: Bearer " + token
	)
	cases := []struct {
		name                        string
		access, method, path        string
		from, host, header, header2 string
		status                      int
	}{
		{"private answers this machine", "private", "GET", "/api/tidemark/v1/groups", here, "localhost:9308", "", "", 200},
		{"private is the default", "", "GET", "/", elsewhere, "tidemark:9308", "", "", 403},
		{"also over IPv6", "private", "GET", "/", here6, "[::1]:9308", "", "", 200},
		{"also without a port", "private", "GET", "/", here, "127.0.0.1", "", "", 200},
		{"private refuses elsewhere", "private", "GET", "/api/tidemark/v1/groups", elsewhere, "localhost:9308", "", "", 403},
		{"private refuses elsewhere the stream", "private", "GET", "/api/tidemark/v1/stream", elsewhere, "tidemark:9308", "", "", 403},
		{"private refuses elsewhere what others mounted", "private", "GET", "/api/v1/query", elsewhere, "tidemark:9308", "", "", 403},
		{"a name that was made to mean this machine", "private", "GET", "/", here, "evil.example:9308", "", "", 403},
		{"a proxy on this machine", "private", "GET", "/", here, "localhost", "X-Forwarded-For: 10.0.0.1", "", 403},
		{"a proxy by the newer header", "private", "GET", "/", here, "localhost", "Forwarded: for=10.0.0.1", "", 403},
		{"metrics answer everyone", "private", "GET", "/metrics", elsewhere, "tidemark:9308", "", "", 200},
		{"health answers everyone", "private", "GET", "/healthz", elsewhere, "tidemark:9308", "", "", 200},
		{"and by its other name", "private", "GET", "/-/healthy", elsewhere, "tidemark:9308", "", "", 200},
		{"readiness answers everyone", "private", "GET", "/-/ready", elsewhere, "tidemark:9308", "", "", 503},
		{"the token opens private", "private", "GET", "/", elsewhere, "tidemark:9308", bearer, "", 200},
		{"a wrong token does not", "private", "GET", "/", elsewhere, "tidemark:9308", "Authorization: Bearer guess", "", 403},
		{"nor an empty one", "private", "GET", "/", elsewhere, "tidemark:9308", "Authorization: Bearer ", "", 403},
		{"read answers everyone", "read", "GET", "/", elsewhere, "tidemark:9308", "", "", 200},
		{"through a proxy too", "read", "GET", "/api/v1/query", elsewhere, "tidemark:9308", "X-Forwarded-For: 10.0.0.1", "", 200},
		{"a query may be a POST", "read", "POST", "/api/v1/query", elsewhere, "tidemark:9308", "", "", 200},
		{"reading silences is reading", "read", "GET", "/api/v2/silences", elsewhere, "tidemark:9308", "", "", 200},
		{"silencing needs the token", "read", "POST", "/api/v2/silences", elsewhere, "tidemark:9308", "", "", 403},
		{"silencing needs it here as well", "private", "POST", "/api/v2/silences", here, "localhost:9308", "", "", 403},
		{"removing too", "read", "DELETE", "/api/v2/silences", here, "localhost:9308", "", "", 403},
		{"with the token one may act", "private", "POST", "/api/v2/silences", elsewhere, "tidemark:9308", bearer, "", 200},
		{"our own page may act", "read", "POST", "/api/v2/silences", here, "localhost:9308", bearer, "Origin: http://localhost:9308", 200},
		{"a foreign page may not", "read", "POST", "/api/v2/silences", here, "localhost:9308", bearer, "Origin: https://evil.example", 403},
		{"nor by the browser's word", "read", "POST", "/api/v2/silences", here, "localhost:9308", bearer, "Sec-Fetch-Site: cross-site", 403},
	}
	yes := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := web.New(web.Options{Config: web.Config{Access: c.access}, Token: token, Mounts: []web.Mount{
				{Path: "/metrics", Handler: yes, Open: true}, {Path: "/api/v1/", Handler: yes}, {Path: "/api/v2/", Handler: yes, Acts: true},
			}})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
			r.RemoteAddr, r.Host = c.from, c.host
			for _, h := range []string{c.header, c.header2} {
				if name, value, is := strings.Cut(h, ": "); is {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if got, want := w.Code, c.status; got != want {
				t.Errorf("status = %d, want %d: %s", got, want, w.Body)
			}
		})
	}
}

func TestWithoutATokenNobodyMayAct(t *testing.T) {
	yes := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	s := open(t, web.Options{Mounts: []web.Mount{{Path: "/-/reload", Handler: yes, Acts: true}}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/-/reload", nil)
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if got, want := w.Code, http.StatusForbidden; got != want {
		t.Errorf("status = %d, want %d", got, want)
	}
}

func TestRefusalSaysHowToOpen(t *testing.T) {
	s := open(t, web.Options{Config: web.Config{Access: "private"}})
	for _, c := range []struct{ accept, kind string }{
		{"text/html,application/xhtml+xml", "text/html; charset=utf-8"},
		{"application/json", "application/problem+json"},
	} {
		w := get(t, s, "/api/tidemark/v1/groups", "Accept", c.accept)
		if got, want := w.Header().Get("Content-Type"), c.kind; got != want {
			t.Errorf("Accept %s: Content-Type = %s, want %s", c.accept, got, want)
		}
		if !strings.Contains(w.Body.String(), "--web.access=read") {
			t.Errorf("Accept %s: %s does not say how to open", c.accept, w.Body)
		}
	}
}

func TestPagesMayRunNothingThatIsNotOurs(t *testing.T) {
	h := get(t, open(t, web.Options{}), "/").Header()
	if got, want := h.Get("Content-Security-Policy"), "default-src 'self'"; !strings.HasPrefix(got, want) || strings.Contains(got, "unsafe") {
		t.Errorf("Content-Security-Policy = %s, want %s and nothing unsafe", got, want)
	}
	if got, want := h.Get("X-Content-Type-Options"), "nosniff"; got != want {
		t.Errorf("X-Content-Type-Options = %s, want %s", got, want)
	}
}

func TestConfigSaysWhatToWriteInstead(t *testing.T) {
	for access, want := range map[string]string{"login": "not built yet", "public": "must be private or read"} {
		if _, err := web.New(web.Options{Config: web.Config{Access: access}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("access %s: error = %v, want one with %q", access, err, want)
		}
	}
	if err := (web.Config{ExternalURL: "tidemark"}).Validate(); err == nil {
		t.Error("an external_url without scheme was accepted")
	}
}
