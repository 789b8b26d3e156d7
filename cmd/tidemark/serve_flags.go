package main

import (
	"cmp"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/kafka"
)

// serveFlags are kafka_exporter's flags and the few of our own that stand beside them.
type serveFlags struct {
	kafkaFlags
	file, dataDir, access, externalURL, webConfig string

	listen, telemetryPath string
	kafkaLabels           string
	logLevel, logFormat   string
	metricsTLS            bool
}

// without effect: what the flag of kafka_exporter asks for is so anyway, or is not there.
var withoutEffect = map[string]string{
	"kafka.version":                   "versions are negotiated with each broker",
	"kafka.allow-auto-topic-creation": "tidemark never creates a topic",
	"refresh.metadata":                "metadata is kept fresh in the background",
	"concurrent.enable":               "a scrape makes no Kafka call",
	"topic.workers":                   "requests are batched per broker",
	"group.workers":                   "requests are batched per broker",
	"group.metrics.timeout":           "each broker has its own deadline",
	"verbosity":                       "use --log.level",
	"log.enable-sarama":               "use --log.level=debug",
	"sasl.handshake":                  "negotiated",
	"offset.show-all":                 "all partitions of a group's topics are shown",
	"use.consumelag.zookeeper":        "offsets in ZooKeeper are not read",
	"zookeeper.server":                "offsets in ZooKeeper are not read",
	"server.tls.mutual-auth-enabled":  "see --web.config.file",
	"server.tls.ca-file":              "see --web.config.file",
	"server.tls.cert-file":            "see --web.config.file",
	"server.tls.key-file":             "see --web.config.file",
	"sasl.aws-region":                 "not supported yet",
	"sasl.oauthbearer-token-url":      "not supported yet",
	"sasl.oauthbearer-token-file":     "not supported yet",
	"sasl.oauthbearer-scopes":         "not supported yet",
	"sasl.service-name":               "Kerberos is not supported yet",
	"sasl.kerberos-config-path":       "Kerberos is not supported yet",
	"sasl.realm":                      "Kerberos is not supported yet",
	"sasl.keytab-path":                "Kerberos is not supported yet",
	"sasl.kerberos-auth-type":         "Kerberos is not supported yet",
	"sasl.disable-PA-FX-FAST":         "Kerberos is not supported yet",
}

// switches among the flags without effect: they may stand without a value.
var switches = []string{
	"kafka.allow-auto-topic-creation", "concurrent.enable", "log.enable-sarama", "sasl.handshake", "offset.show-all",
	"use.consumelag.zookeeper", "server.tls.mutual-auth-enabled", "sasl.disable-PA-FX-FAST",
}

func (s *serveFlags) bind(f *pflag.FlagSet) {
	s.kafkaFlags.bind(f)
	f.StringVar(&s.file, "config.file", "", "tidemark.yaml to read (or $TIDEMARK_CONFIG_FILE)")
	f.StringVar(&s.dataDir, "data-dir", "", "where history and alert state are kept (default /var/lib/tidemark if writable, else below $XDG_STATE_HOME)")
	f.StringVar(&s.access, "web.access", "", "who may see pages from elsewhere: private, read or login (default private)")
	f.StringVar(&s.externalURL, "web.external-url", "", "how people reach this server; links in alerts begin with it")
	f.StringVar(&s.webConfig, "web.config.file", "", "TLS and users, as in Prometheus' web configuration")

	f.StringVar(&s.listen, "web.listen-address", ":9308", "address to listen on")
	f.StringVar(&s.telemetryPath, "web.telemetry-path", "/metrics", "path of the metrics page")
	f.StringVar(&s.kafkaLabels, "kafka.labels", "", "labels added to every metric: name=value,name=value")
	f.StringVar(&s.logLevel, "log.level", "info", "debug, info, warn or error")
	f.StringVar(&s.logFormat, "log.format", "logfmt", "logfmt or json")
	f.BoolVar(&s.metricsTLS, "server.tls.enabled", false, "see --web.config.file")
	_ = f.MarkHidden("server.tls.enabled")
	for name, why := range withoutEffect {
		f.StringArray(name, nil, why)
		_ = f.MarkHidden(name)
	}
	for _, name := range switches {
		f.Lookup(name).NoOptDefVal = "true"
	}
}

// sayIgnored tells once which of kafka_exporter's flags change nothing here, and why.
func (s *serveFlags) sayIgnored(c *cobra.Command, log *slog.Logger) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if why, is := withoutEffect[f.Name]; is {
			log.Info("flag has no effect", "flag", "--"+f.Name, "because", why)
		}
	})
}

// overlay lays the flags over the settings of the file.
func (s *serveFlags) overlay(f *pflag.FlagSet, settings *config.Config) error {
	if s.metricsTLS {
		return fmt.Errorf("--server.tls.enabled: write the certificate's paths into a web configuration (tls_server_config) and give --web.config.file instead")
	}
	web := &settings.Web
	web.Access = cmp.Or(s.access, web.Access)
	web.ExternalURL = cmp.Or(s.externalURL, web.ExternalURL)
	web.ConfigFile = cmp.Or(s.webConfig, web.ConfigFile)
	if f.Changed("web.listen-address") || web.Listen == "" {
		web.Listen = s.listen
	}
	if len(settings.Clusters) == 0 {
		settings.Clusters = []kafka.Config{{Name: "main", Brokers: s.brokers("kafka:9092")}}
	} else if f.Changed("kafka.server") && len(settings.Clusters) > 1 {
		return fmt.Errorf("--kafka.server: the configuration has %d clusters; write the brokers there", len(settings.Clusters))
	} else if f.Changed("kafka.server") {
		settings.Clusters[0].Brokers = s.servers
	}
	for i := range settings.Clusters {
		s.kafkaFlags.overlay(f, &settings.Clusters[i])
	}
	return nil
}
