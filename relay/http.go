package relay

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Handler serves everything at one port, for a network where everybody may see
// everything. Where not, [Service.Public] and [Service.Admin] are for ports of their own.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	s.route(mux, "/metrics", s.metrics.page())
	s.route(mux, "/readyz", http.HandlerFunc(s.serveReady))
	mux.Handle("/", s.Public())
	return mux
}

// Public serves what browsers need: the stream, history, tickets, the page, and
// whether the process lives.
func (s *Service) Public() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/crm-events", s.counted("/crm-events", s.shared(onlyReads(http.HandlerFunc(s.serveStream)))))
	mux.Handle("/crm-events/history", s.counted("/crm-events/history", s.shared(onlyReads(http.HandlerFunc(s.serveHistory)))))
	if s.o.Tickets != nil {
		mux.Handle("/crm-events/ticket", s.counted("/crm-events/ticket", s.shared(s.o.Tickets)))
	}
	for _, file := range pageFiles {
		s.route(mux, "/crm-events/"+file, servePage(file))
	}
	s.route(mux, "/healthz", http.HandlerFunc(serveHealth))
	s.route(mux, "/{$}", http.HandlerFunc(s.serveAbout))
	mux.Handle("/", s.counted("other", http.NotFoundHandler()))
	return mux
}

// Admin serves what operators need and browsers must not see: metrics, readiness
// with its reasons, and who is connected.
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	s.route(mux, "/metrics", s.metrics.page())
	s.route(mux, "/healthz", http.HandlerFunc(serveHealth))
	s.route(mux, "/readyz", http.HandlerFunc(s.serveReady))
	s.route(mux, "/clients", http.HandlerFunc(s.serveClients))
	mux.Handle("/", s.counted("other", http.NotFoundHandler()))
	return mux
}

// route ties a path to what only reads. Requests are counted by the path as it
// stands here: what a client asks for must not become a label.
func (s *Service) route(mux *http.ServeMux, path string, h http.Handler) {
	mux.Handle(path, s.counted(strings.TrimSuffix(path, "{$}"), onlyReads(h)))
}

// serveHealth says that the process answers: the original's answer, byte by byte.
func serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// serveReady says whether events flow, and if not, why.
func (s *Service) serveReady(w http.ResponseWriter, _ *http.Request) {
	reasons := s.health.reasons()
	if !isClosed(s.begun) {
		reasons = append(reasons, "the end of the topic is not known yet")
	}
	if isClosed(s.draining) {
		reasons = append(reasons, "shutting down")
	}
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, map[string]any{"ready": len(reasons) == 0, "reasons": reasons})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *Service) serveAbout(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{
		"service": "crm-events", "version": s.o.Version, "topic": s.o.Topic, "group": s.o.Group,
		"stream": "/crm-events", "history": "/crm-events/history", "live": "/crm-events/live.html", "health": "/healthz",
	})
}

// connection is one client, as an operator sees it.
type connection struct {
	IP      string    `json:"ip"`
	User    string    `json:"user,omitempty"`
	Tenants []string  `json:"tenants,omitempty"`
	Query   string    `json:"query"`
	Since   time.Time `json:"since"`
	State   string    `json:"state"`
	Behind  *uint64   `json:"behind"` // frames of the ring; null while it catches up
}

// serveClients lists who is connected.
func (s *Service) serveClients(w http.ResponseWriter, _ *http.Request) {
	list := []connection{}
	now := time.Now()
	for _, who := range s.clients.all() {
		state, behind := s.standing(who, now)
		list = append(list, connection{who.ip, who.visitor.User, who.visitor.Tenants, withoutSecrets(who.query), who.since, state, behind})
	}
	writeJSON(w, http.StatusOK, list)
}

// withoutSecrets is a query without what lets others in.
func withoutSecrets(query string) string {
	values, _ := url.ParseQuery(query) // what can be read of it
	values.Del("ticket")
	return values.Encode()
}

func writeJSON(w http.ResponseWriter, status int, content any) {
	text, _ := json.Marshal(content) // plain strings, numbers and booleans
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that left needs no answer
}

func onlyReads(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			h.ServeHTTP(w, r)
		default:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		}
	})
}

// shared lets pages of the allowed origins read. Others get their answer too, and
// their browser keeps it from them. Credentials go with a named origin only.
func (s *Service) shared(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		switch {
		case origin != "" && slices.Contains(s.o.AllowOrigins, origin):
			header.Set("Access-Control-Allow-Origin", origin)
			header.Set("Access-Control-Allow-Credentials", "true")
		case origin != "" && slices.Contains(s.o.AllowOrigins, "*"):
			header.Set("Access-Control-Allow-Origin", "*")
		}
		if r.Method != http.MethodOptions {
			h.ServeHTTP(w, r)
			return
		}
		header.Set("Allow", "GET, HEAD, OPTIONS")
		header.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
		header.Set("Access-Control-Allow-Headers", "Last-Event-ID, Cache-Control, Authorization")
		header.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// counted counts requests when they are answered, a stream when it begins.
func (s *Service) counted(path string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counter{ResponseWriter: w, count: func(status int) {
			s.metrics.requests.WithLabelValues(path, methodLabel(r.Method), strconv.Itoa(status)).Inc()
		}}
		h.ServeHTTP(c, r)
		c.first(http.StatusOK) // of an answer without a body
	})
}

// counter tells the first status of an answer.
type counter struct {
	http.ResponseWriter
	count func(status int)
	done  bool
}

func (c *counter) first(status int) {
	if !c.done {
		c.done = true
		c.count(status)
	}
}

// WriteHeader implements [http.ResponseWriter].
func (c *counter) WriteHeader(status int) {
	c.first(status)
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(b []byte) (int, error) {
	c.first(http.StatusOK)
	return c.ResponseWriter.Write(b)
}

// Unwrap leads http.ResponseController to what can flush.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// methodLabel keeps methods that a client made up out of the labels.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch:
		return method
	}
	return "other"
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
