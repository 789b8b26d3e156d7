// Package daemon ties the parts: it looks at each cluster in its own time, and
// after each look makes one step for the whole process: estimate, append,
// evaluate, notify, publish.
//
// It owns the only clock, the wiring, reload and the order of shutdown. It knows
// no protocol, no formula and no name of a metric.
//
// May change until version 1.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/history"
	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/web"
)

// Options is what a daemon needs to run.
type Options struct {
	Config    config.Config
	Reload    func() (config.Config, error) // reads the configuration anew; nil: it cannot change
	Hangup    <-chan os.Signal              // each one asks for a reload; nil: none comes
	Listener  net.Listener
	Dir       string                                                               // data directory; empty: nothing is kept
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // to Kafka and scrape targets; nil: the network
	Telemetry string                                                               // path of the metrics page; empty: /metrics
	Labels    []tidemark.Label                                                     // on every line of the metrics page, beside its own
	Compat    metrics.Compat                                                       // how the metrics page follows other exporters
	Detail    metrics.Detail                                                       // how finely it shows groups
	Speed     float64                                                              // time runs this many times faster (sandbox); 0: 1
	Demo      bool
	Token     string // lets the bearer act; empty: nobody may
	Version   string
	Published func(*tidemark.View) // called with each new view; nil: nobody else looks
	Log       *slog.Logger

	// ExporterOnly leaves out history, rules, notifications and pages: what is left
	// is the metrics page, which needs the least memory.
	ExporterOnly bool
}

// daemon is what outlives a reload: listener, history, journals and pages.
type daemon struct {
	Options
	dir      dataDir
	registry *prometheus.Registry
	store    *history.Store
	journals journals
	pages    *web.Server
	handler  http.Handler // what the port answers with
	page     metrics.Page
	learnt   memory
	view     atomic.Pointer[tidemark.View]
	scope    atomic.Pointer[scope]
	reload   chan chan error
}

// Run watches until ctx ends, and leaves nothing behind. An error means that it
// could not begin, or that a part gave up for good; that Kafka is away is neither.
func Run(ctx context.Context, o Options) error {
	if o.Telemetry == "" {
		o.Telemetry = "/metrics"
	}
	d := &daemon{Options: o, registry: newRegistry(o.Version), reload: make(chan chan error)}
	d.page.Labels, d.page.Compat, d.page.Detail = o.Labels, o.Compat, o.Detail
	d.view.Store(&tidemark.View{At: time.Now(), Pipelines: o.Config.Pipelines})
	dir, err := openDir(o.Dir)
	if err != nil {
		return err
	}
	d.dir, d.learnt.dir, d.learnt.log = dir, dir.part("learnt"), o.Log
	if o.ExporterOnly {
		return d.export(ctx)
	}
	d.store, err = history.Open(history.Options{
		Config: o.Config.History, Dir: dir.part("tsdb"), Instance: o.Listener.Addr().String(),
		Log: o.Log,
	})
	if err != nil {
		return err
	}
	defer d.store.Close()

	if err := d.journals.open(dir, o.Log); err != nil {
		return err
	}
	defer d.journals.close()

	d.pages, err = web.New(web.Options{
		Config: o.Config.Web, Version: o.Version, Demo: o.Demo, Token: o.Token, Mounts: d.mounts(), Log: o.Log,
		Drills: d.drills, Replay: d.replay,
	})
	if err != nil {
		return err
	}
	d.handler = d.pages.Handler()
	first, err := d.open(o.Config)
	if err != nil {
		return err
	}
	d.scope.Store(first) // before anybody can ask for it
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.serve(ctx) })
	g.Go(func() error { return d.watch(ctx, first) })
	g.Go(func() error { return d.hangup(ctx) })
	return g.Wait()
}

// watch runs one configuration after the other until ctx ends.
func (d *daemon) watch(ctx context.Context, s *scope) error {
	for {
		d.scope.Store(s)
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- s.run(running) }()
		next, err := d.await(ctx, ended)
		stop()
		if next == nil {
			return errors.Join(err, <-ended)
		}
		if err := <-ended; err != nil {
			return err
		}
		s = next
	}
}

// await blocks until a new, good configuration is to run. It returns nil when
// there is none to come: ctx has ended, or the running one gave up.
func (d *daemon) await(ctx context.Context, ended chan error) (*scope, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case err := <-ended:
			ended <- nil // watch waits for the end, which has been
			return nil, err
		case answer := <-d.reload:
			next, err := d.reopen()
			answer <- err
			if err == nil {
				d.Log.Info("configuration changed")
				return next, nil
			}
			d.Log.Error("configuration kept as it was", "err", err)
		}
	}
}

// reopen loads and validates first; only a good configuration replaces the running one.
func (d *daemon) reopen() (*scope, error) {
	if d.Reload == nil {
		return nil, errors.New("this process was started without a configuration file; there is nothing to reload")
	}
	c, err := d.Reload()
	if err != nil {
		return nil, err
	}
	return d.open(c)
}

// hangup reloads on each signal.
func (d *daemon) hangup(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.Hangup:
			_ = d.askReload(ctx) // logged where it is carried out
		}
	}
}

// askReload hands the wish to the loop that owns the running configuration.
func (d *daemon) askReload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case d.reload <- answer:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serve answers HTTP until ctx ends, then lets answers under way end.
func (d *daemon) serve(ctx context.Context) error {
	server := &http.Server{
		Handler:           d.handler,
		ReadHeaderTimeout: 5 * time.Second, // a slow header holds a connection no longer (reliability: slow-loris)
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(d.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		<-ctx.Done()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(bounded); err != nil {
			return server.Close()
		}
		return nil
	})
	g.Go(func() error {
		if err := d.serveOn(server); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve on %s: %w", d.Listener.Addr(), err)
		}
		return nil
	})
	return g.Wait()
}

// serveOn adds TLS and users where a web configuration asks for them.
func (d *daemon) serveOn(server *http.Server) error {
	if d.Config.Web.ConfigFile == "" {
		return server.Serve(d.Listener)
	}
	return toolkit.Serve(d.Listener, server, &toolkit.FlagConfig{WebConfigFile: &d.Config.Web.ConfigFile}, d.Log)
}

// dataDir is where state is kept; empty keeps nothing.
type dataDir string

// layout is the version of what lies in a data directory.
const layout = "1\n"

// openDir makes the directory if need be and refuses one that a newer tidemark wrote.
func openDir(path string) (dataDir, error) {
	if path == "" {
		return "", nil
	}
	if err := os.MkdirAll(path, 0o750); err != nil {
		return "", fmt.Errorf("make data directory: %w", err)
	}
	version := filepath.Join(path, "VERSION")
	found, err := os.ReadFile(version)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return dataDir(path), os.WriteFile(version, []byte(layout), 0o640)
	case err != nil:
		return "", fmt.Errorf("read layout of data directory: %w", err)
	case string(found) != layout:
		return "", fmt.Errorf("data directory %s has layout %.10q and this tidemark knows %q: it was written by a newer version; use that one, or another --data-dir", path, found, layout)
	}
	return dataDir(path), nil
}

// part is the subdirectory of one part.
func (d dataDir) part(name string) string {
	if d == "" {
		return ""
	}
	return filepath.Join(string(d), name)
}
