package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/daemon"
)

func exporterCommand() *cobra.Command {
	var e exporterFlags
	c := &cobra.Command{
		Use:     "exporter",
		Short:   "Only the metrics page, in kafka_exporter's place: no history, no rules, no pages",
		Long:    "Watch clusters and serve the metrics page alone, which needs the least memory.\n\nkafka_exporter's flags and environment variables are taken as they are. Where the two\ndiffer on purpose: docs/compat.md, and tidemark compat --against URL.",
		Example: "  tidemark exporter --kafka.server=kafka:9092\n  tidemark exporter --kafka.server=kafka:9092 --compat.no-commit --no-offset.show-all\n  tidemark exporter --kafka.server=kafka:9092 --detail.limit=100000",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return e.export(c.Context(), c) },
	}
	e.bind(c.Flags())
	return c
}

func (e *exporterFlags) export(ctx context.Context, c *cobra.Command) error {
	log, err := e.logger(c)
	if err != nil {
		return err
	}
	settings, err := e.configuration(c.Flags())
	if err != nil {
		return exit{exitUsage, err}
	}
	if err := settings.Validate(); err != nil {
		return exit{exitUsage, err}
	}
	compat, detail, err := e.page()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20) // at a million partitions a third less memory for a tenth more CPU
	}
	e.sayIgnored(c, log)
	listener, err := e.open(ctx, settings.Web.Listen)
	if err != nil {
		return err
	}
	log.Info("watching", "clusters", len(settings.Clusters), "brokers", settings.Clusters[0].Brokers, "listen", listener.Addr().String())
	return daemon.Run(ctx, daemon.Options{
		ExporterOnly: true, Config: settings, Listener: listener, Telemetry: e.telemetryPath,
		Labels: e.constLabels(), Compat: compat, Detail: detail, Version: version, Log: log,
	})
}
