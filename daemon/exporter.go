package daemon

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
)

// export watches and serves the metrics page until ctx ends: no history, no rules,
// no pages, nothing on disk but what was learnt, nothing that acts.
func (d *daemon) export(ctx context.Context) error {
	if err := d.Config.Validate(); err != nil {
		return err
	}
	s := &scope{daemon: d, config: d.Config, pipelines: watch(d.Config.Pipelines)}
	defer s.close()
	if err := s.openExporter(); err != nil {
		return err
	}
	d.handler = d.exporterPages()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.serve(ctx) })
	g.Go(func() error { return s.pusher.Run(ctx) })
	g.Go(func() error {
		return s.looks(ctx, func(_ context.Context, o tidemark.Observation) { s.publish(s.next(s.view.Load(), o)) })
	})
	return g.Wait()
}

// exporterPages are kafka_exporter's: a page with one link, the metrics, and a
// health that is always "ok".
func (d *daemon) exporterPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(d.Telemetry, d.metrics)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><html lang=en><meta charset=utf-8><title>Tidemark exporter</title>"+
			"<h1>Tidemark exporter</h1><p><a href=%q>Metrics</a></html>\n", html.EscapeString(d.Telemetry))
	})
	return mux
}
