package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
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
	log, err := s.logger(c.ErrOrStderr())
	if err != nil {
		return err
	}
	settings, err := s.configuration(c)
	if err != nil {
		return exit{exitUsage, err}
	}
	s.sayIgnored(c, log)
	listener, err := listen(ctx, settings.Web.Listen)
	if err != nil {
		return err
	}
	dir, kept := s.directory()
	if !kept {
		log.Warn("no directory is writable: history, silences and alert state are lost at the end; give --data-dir")
	}
	log.Info("watching", "clusters", len(settings.Clusters), "brokers", settings.Clusters[0].Brokers, "listen", listener.Addr().String(), "data", dir)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	return daemon.Run(ctx, daemon.Options{
		Config: settings, Reload: s.reload(c), Hangup: hangup, Listener: listener, Dir: dir, Telemetry: s.telemetryPath,
		Labels: s.constLabels(), Token: os.Getenv("TIDEMARK_TOKEN"), Version: version, Log: log,
	})
}

// configuration is the file with the environment and then the flags laid over it.
func (s *serveFlags) configuration(c *cobra.Command) (config.Config, error) {
	var settings config.Config
	if s.file = cmp.Or(s.file, os.Getenv("TIDEMARK_CONFIG_FILE")); s.file != "" {
		var err error
		if settings, err = config.Load(s.file, os.Environ()); err != nil {
			return settings, err
		}
	}
	if err := s.overlay(c.Flags(), &settings); err != nil {
		return settings, err
	}
	return settings, settings.Validate()
}

func (s *serveFlags) reload(c *cobra.Command) func() (config.Config, error) {
	if s.file == "" {
		return nil
	}
	return func() (config.Config, error) { return s.configuration(c) }
}

// directory is where to keep state: as told, or the first usual place that is writable.
func (s *serveFlags) directory() (path string, kept bool) {
	if told := cmp.Or(s.dataDir, os.Getenv("TIDEMARK_DATA_DIR")); told != "" {
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

// logger writes to the command's error output, as kafka_exporter's flags ask.
func (s *serveFlags) logger(c interface{ Write([]byte) (int, error) }) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, exit{exitUsage, fmt.Errorf("--log.level=%s: use debug, info, warn or error", s.logLevel)}
	}
	options := &slog.HandlerOptions{Level: level}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(c, options)), nil
	}
	return slog.New(slog.NewTextHandler(c, options)), nil
}

// constLabels are --kafka.labels: "k=v,k=v".
func (s *serveFlags) constLabels() []tidemark.Label {
	var labels []tidemark.Label
	for pair := range strings.SplitSeq(s.kafkaLabels, ",") {
		if name, value, found := strings.Cut(pair, "="); found {
			labels = append(labels, tidemark.Label{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
		}
	}
	return labels
}
