package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/daemon"
)

func serveCommand() *cobra.Command {
	var s serveFlags
	c := &cobra.Command{
		Use:     "serve",
		Short:   "Watch clusters: metrics, history, rules, alerts and pages on one port",
		Long:    "Watch clusters and serve metrics, history, rules, alerts and pages on one port.\n\nkafka_exporter's flags are taken as they are; everything else stands in tidemark.yaml.",
		Example: "  tidemark serve --kafka.server=kafka:9092\n  tidemark serve --config.file=tidemark.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return s.serve(c.Context(), c) },
	}
	s.bind(c.Flags())
	return c
}

func (s *serveFlags) serve(ctx context.Context, c *cobra.Command) error {
	log, err := s.logger(c)
	if err != nil {
		return err
	}
	settings, err := s.configuration(c.Flags())
	if err != nil {
		return exit{exitUsage, err}
	}
	compat, detail, err := s.page()
	if err != nil {
		return err
	}
	s.sayIgnored(c, log)
	listener, err := s.open(ctx, settings.Web.Listen)
	if err != nil {
		return err
	}
	dir, kept := dataDir(s.dataDir)
	if !kept {
		log.Warn("no directory is writable: history, silences and alert state are lost at the end; give --data-dir")
	}
	log.Info("watching", "clusters", len(settings.Clusters), "brokers", settings.Clusters[0].Brokers, "listen", listener.Addr().String(), "data", dir)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	return daemon.Run(ctx, daemon.Options{
		Config: settings, Reload: s.reload(c), Hangup: hangup, Listener: listener, Dir: dir, Telemetry: s.telemetryPath,
		Labels: s.constLabels(), Compat: compat, Detail: detail, Token: os.Getenv("TIDEMARK_TOKEN"), Version: version, Log: log,
	})
}

func (s *serveFlags) reload(c *cobra.Command) func() (config.Config, error) {
	if s.file == "" {
		return nil
	}
	return func() (config.Config, error) { return s.configuration(c.Flags()) }
}

// dataDir is where to keep state: as told, or the first usual place that is writable.
func dataDir(told string) (path string, kept bool) {
	if told = cmp.Or(told, os.Getenv("TIDEMARK_DATA_DIR")); told != "" {
		return told, true
	}
	state := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); state == "" && err == nil {
		state = filepath.Join(home, ".local", "state")
	}
	for _, candidate := range []string{"/var/lib/tidemark", filepath.Join(state, "tidemark")} {
		if filepath.IsAbs(candidate) && writable(candidate) {
			return candidate, true
		}
	}
	return "", false
}

func writable(dir string) bool {
	if dir != "/var/lib/tidemark" && os.MkdirAll(dir, 0o750) != nil {
		return false
	}
	probe, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return false
	}
	_ = probe.Close()
	return os.Remove(probe.Name()) == nil
}

// open opens the port, with TLS over it if the flags ask for it.
func (e *exporterFlags) open(ctx context.Context, address string) (net.Listener, error) {
	listener, err := listen(ctx, address)
	if err != nil {
		return nil, err
	}
	over, err := e.port.over(listener)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return over, nil
}

// listen opens the port, and names the likely cause when it is taken.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("port %s is in use, perhaps by kafka_exporter or another tidemark\n"+
			"  tidemark serves the same metrics on the same port, so you can stop the other one,\n"+
			"  or run next to it:  --web.listen-address=:9309", port)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}
