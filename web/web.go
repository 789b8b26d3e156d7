// Package web answers browsers and programs: the pages, the JSON API, the live
// stream, and the guard that decides who may reach what.
//
// It hides how a View becomes JSON, how changes travel to any number of slow and
// fast readers, and how the pages are embedded. It never asks Kafka or the disk
// during a request: it answers from the View published last. It never shows a
// number that was not seen: unknown is null.
//
// May change until version 1.
package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aetherlink/tidemark"
)

// Config is what an operator may write under `web:`.
type Config struct {
	Listen      string `yaml:"listen"`       // host:port; empty: the command's default
	Access      string `yaml:"access"`       // private (default) or read: who may look
	ExternalURL string `yaml:"external_url"` // how people reach these pages, for links in notifications
	ConfigFile  string `yaml:"config_file"`  // exporter-toolkit's file for TLS and basic auth
}

// Validate says what is wrong and what to write instead.
func (c Config) Validate() error {
	switch c.Access {
	case "", private, read:
	case "login":
		return errors.New(`web.access is login, which comes with roles and sign-in and is not built yet; use private or read`)
	default:
		return fmt.Errorf(`web.access is %q; it must be private or read`, c.Access)
	}
	if c.ExternalURL == "" {
		return nil
	}
	if u, err := url.Parse(c.ExternalURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("web.external_url is %q; it must look like https://tidemark.example.com", c.ExternalURL)
	}
	return nil
}

// Options is Config and the living things.
type Options struct {
	Config
	Version string
	Token   string  // whoever sends it as a bearer token may look and act; empty: nobody may act
	Demo    bool    // the pages say that the data is made up
	Mounts  []Mount // what the other parts answer
	Log     *slog.Logger

	// Drills returns the drills there are, each with its reports, newest first. Nil:
	// the page says how to run one.
	Drills func() []Drill
	// Replay says what a loaded alerting rule would have done; the kind and sequence
	// of its answer are filled in here. Its error is for the person who asked. Nil:
	// nothing can be replayed.
	Replay func(ctx context.Context, rule string, from, to time.Time) (Replay, error)
}

// Mount is a part of the server that somebody else answers.
type Mount struct {
	Path    string // as in http.ServeMux, without a method
	Handler http.Handler
	Open    bool // answers everyone in every access mode
	Acts    bool // every method but GET and HEAD changes something and needs the token
}

// Server holds the View published last and answers from it.
type Server struct {
	Options
	run     string // tells this server's answers from those of the one before
	now     atomic.Pointer[moment]
	streams atomic.Int64 // open now
	handler http.Handler

	publishing sync.Mutex // one moment follows the other
}

// New prepares a server that answers "not ready" until the first Publish.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Options: o, run: rand.Text()}
	s.now.Store(first(o))
	pages, err := openPages()
	if err != nil {
		return nil, err
	}
	s.handler = s.routes(pages)
	return s, nil
}

// Publish makes v what the server answers from. Streams learn of it at once, but
// none is sent to more often than once a second.
func (s *Server) Publish(v *tidemark.View) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	before := s.now.Load()
	s.now.Store(before.next(v))
	close(before.superseded)
}

// Handler answers everything behind the guard. A stream ends, with a farewell,
// when the context of its request does: a server that shuts down should end its
// BaseContext first.
func (s *Server) Handler() http.Handler { return s.handler }

// call is one call of the API.
type call struct {
	pattern, answers string
	kind             string // of what it answers; empty: no object of ours
	handler          http.HandlerFunc
	open             bool
	query            [][2]string // parameters and what they mean
}

func (s *Server) calls() []call {
	return []call{
		{pattern: "GET /api/tidemark/v1/view", kind: "Summary", answers: "`Summary`: the verdict, totals, clusters, latest events", handler: s.view},
		{pattern: "GET /api/tidemark/v1/groups", kind: "GroupList", answers: "`GroupList`: every group of every cluster", handler: s.groups},
		{pattern: "GET /api/tidemark/v1/groups/{cluster}/{group}", kind: "GroupDetail", answers: "`GroupDetail`: one group with explanation, partitions, members, alerts, events", handler: s.group},
		{pattern: "GET /api/tidemark/v1/groups/{cluster}/{group}/plan", kind: "Plan", answers: "`Plan`: what would be, if", handler: s.plan, query: [][2]string{
			{"replicas", "so many replicas; else as many as meet the target"},
			{"partitions", "so many partitions; else as there are, or as many as the replicas need"},
			{"arrivals", "records per second, as 14.7, or times of what arrives now, as x2"},
			{"target", "the lag shall be gone after this long, as 10m; else as the pipeline says"},
		}},
		{pattern: "GET /api/tidemark/v1/alerts", kind: "AlertList", answers: "`AlertList`: what fires, pends, or was resolved just now", handler: s.alerts},
		{pattern: "GET /api/tidemark/v1/clusters", kind: "ClusterList", answers: "`ClusterList`: brokers, looks, requests and gaps of each cluster", handler: s.clusters},
		{pattern: "GET /api/tidemark/v1/topology", kind: "Topology", answers: "`Topology`: which groups read which topics", handler: s.topology},
		{pattern: "GET /api/tidemark/v1/drills", kind: "DrillList", answers: "`DrillList`: the drills and their reports", handler: s.drills},
		{pattern: "GET /api/tidemark/v1/replay", kind: "Replay", answers: "`Replay`: what an alert would have done over the history that is kept", handler: s.replay, query: [][2]string{
			{"rule", "the alert's name"},
			{"range", "over so long, as 24h; else 24 hours"},
			{"to", "until then, as 2026-11-23T12:00:00Z; else until now"},
		}},
		{pattern: "GET /api/tidemark/v1/stream", kind: "Snapshot", answers: "server-sent events: a `Snapshot`, then `Patch` after `Patch`", handler: s.stream},
		{pattern: "GET /api/tidemark/v1/openapi.json", answers: "all of this as OpenAPI 3.1; for people at `/api/docs`", handler: s.describe},
		{pattern: "/healthz", answers: "200 while the process answers; also `/-/healthy`", handler: healthy, open: true},
		{pattern: "/readyz", answers: "200 once every cluster was seen, else 503 and why; also `/-/ready`", handler: s.ready, open: true},
	}
}

func (s *Server) routes(pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, c := range s.calls() {
		mux.Handle(c.pattern, s.guard(Mount{Handler: c.handler, Open: c.open}))
	}
	mux.Handle("/-/healthy", s.guard(Mount{Handler: http.HandlerFunc(healthy), Open: true}))
	mux.Handle("/-/ready", s.guard(Mount{Handler: http.HandlerFunc(s.ready), Open: true}))
	mux.Handle("/api/docs", s.guard(Mount{Handler: http.HandlerFunc(s.docs)}))
	mux.Handle("/api/", s.guard(Mount{Handler: http.HandlerFunc(noSuchCall)}))
	mux.Handle("/", s.guard(Mount{Handler: pages}))
	for _, m := range s.Mounts {
		mux.Handle(m.Path, s.guard(m))
	}
	return secured(mux)
}

// healthy says that the process answers; it says nothing about Kafka.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// ready answers 200 once every cluster has been looked at. A cluster that fails
// later does not make it 503 again: what was seen is still worth reading, with its age.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	waits := s.now.Load().waits()
	if len(waits) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	} else {
		waits = []string{"ready"}
	}
	for _, line := range waits {
		fmt.Fprintln(w, line)
	}
}
