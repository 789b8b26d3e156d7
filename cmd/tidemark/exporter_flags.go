package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/metrics"
)

// exporterFlags are kafka_exporter's flags and what our metrics page adds to them.
type exporterFlags struct {
	kafkaFlags
	file, webConfig string

	listen, telemetryPath string
	kafkaLabels           string
	logLevel, logFormat   string
	port                  portFlags

	showAll bool
	compat  metrics.Compat
	detail  metrics.Detail
	by      string
	states  []string
}

// portFlags are TLS on the metrics port, as kafka_exporter has it.
type portFlags struct {
	enabled, mutual bool
	ca, cert, key   string
}

// withoutEffect are flags of kafka_exporter that change nothing here: what they ask
// for is so anyway, or is not there.
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
	"sasl.aws-region":                 "the region is in the brokers' names, or in $AWS_REGION",
	"use.consumelag.zookeeper":        "offsets in ZooKeeper are not read",
	"zookeeper.server":                "offsets in ZooKeeper are not read",
}

// switches among the flags without effect: they may stand without a value.
var switches = []string{
	"kafka.allow-auto-topic-creation", "concurrent.enable", "log.enable-sarama", "sasl.handshake", "use.consumelag.zookeeper",
}

func (e *exporterFlags) bind(f *pflag.FlagSet) {
	e.kafkaFlags.bind(f)
	f.StringVar(&e.file, "config.file", "", "tidemark.yaml to read (or $TIDEMARK_CONFIG_FILE)")
	f.StringVar(&e.webConfig, "web.config.file", "", "TLS and users, as in Prometheus' web configuration")
	f.StringVar(&e.listen, "web.listen-address", ":9308", "address to listen on")
	f.StringVar(&e.telemetryPath, "web.telemetry-path", "/metrics", "path of the metrics page")
	f.StringVar(&e.kafkaLabels, "kafka.labels", "", "labels added to every metric: name=value,name=value")
	f.StringVar(&e.logLevel, "log.level", "info", "debug, info, warn or error")
	f.StringVar(&e.logFormat, "log.format", "logfmt", "logfmt or json")
	f.BoolVar(&e.port.enabled, "server.tls.enabled", false, "TLS on our port, with the two files")
	f.StringVar(&e.port.cert, "server.tls.cert-file", "", "our port's certificate, PEM")
	f.StringVar(&e.port.key, "server.tls.key-file", "", "its key, PEM")
	f.BoolVar(&e.port.mutual, "server.tls.mutual-auth-enabled", false, "let in only who shows a certificate")
	f.StringVar(&e.port.ca, "server.tls.ca-file", "", "authority that signed those certificates, PEM")
	e.bindPage(f)
	for name, why := range withoutEffect {
		f.StringArray(name, nil, "no effect: "+why)
		_ = f.MarkHidden(name)
	}
	for _, name := range switches {
		f.Lookup(name).NoOptDefVal = "true"
	}
}

func (e *exporterFlags) bindPage(f *pflag.FlagSet) {
	f.BoolVar(&e.showAll, "offset.show-all", true, "under kafka_exporter's names, show also partitions that no member owns")
	f.BoolVar(&e.compat.NoCommit, "compat.no-commit", false, "write -1 as lag of a partition that was never committed, as kafka_exporter does")
	f.StringSliceVar(&e.compat.Names, "compat.names", nil, "show the values also under the names of "+strings.Join(metrics.Dialects(), ", "))
	f.StringVar(&e.by, "detail.by", "partition", "how finely the page shows groups: partition, topic or group")
	f.StringSliceVar(&e.states, "detail.states", nil, "show only groups in these states finely, as in growing,stalled (default all)")
	f.IntVar(&e.detail.Worst, "detail.worst", 0, "show only so many groups finely, those furthest behind (default all)")
	f.IntVar(&e.detail.Limit, "detail.limit", 0, "show at most so many partitions of groups, those of the groups furthest behind (default all)")
}

// page says how the metrics page looks.
func (e *exporterFlags) page() (metrics.Compat, metrics.Detail, error) {
	compat, detail := e.compat, e.detail
	compat.Assigned = !e.showAll
	for _, name := range compat.Names {
		if !slices.Contains(metrics.Dialects(), name) {
			return compat, detail, exit{exitUsage, fmt.Errorf("--compat.names=%s: use %s", name, strings.Join(metrics.Dialects(), " or "))}
		}
	}
	switch e.by {
	case "partition", "":
	case string(metrics.PerTopic), string(metrics.PerGroup):
		detail.By = metrics.Granularity(e.by)
	default:
		return compat, detail, exit{exitUsage, fmt.Errorf("--detail.by=%s: use partition, topic or group", e.by)}
	}
	for _, name := range e.states {
		if !slices.Contains(tidemark.States(), tidemark.State(name)) {
			return compat, detail, exit{exitUsage, fmt.Errorf("--detail.states=%s: use some of %v", name, tidemark.States())}
		}
		detail.States = append(detail.States, tidemark.State(name))
	}
	return compat, detail, nil
}

// sayIgnored tells once which of kafka_exporter's flags change nothing here, and why.
func (e *exporterFlags) sayIgnored(c *cobra.Command, log *slog.Logger) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if why, is := withoutEffect[f.Name]; is {
			log.Warn("flag has no effect", "flag", "--"+f.Name, "because", why)
		}
	})
}

// configuration is the file with the environment and then the flags laid over it.
func (e *exporterFlags) configuration(f *pflag.FlagSet) (config.Config, error) {
	var settings config.Config
	if e.file = cmp.Or(e.file, os.Getenv("TIDEMARK_CONFIG_FILE")); e.file != "" {
		var err error
		if settings, err = config.Load(e.file, os.Environ()); err != nil {
			return settings, err
		}
	}
	err := e.overlay(f, &settings)
	return settings, err
}

// overlay lays the flags over the settings of the file.
func (e *exporterFlags) overlay(f *pflag.FlagSet, settings *config.Config) error {
	settings.Web.ConfigFile = cmp.Or(e.webConfig, settings.Web.ConfigFile)
	if f.Changed("web.listen-address") || settings.Web.Listen == "" {
		settings.Web.Listen = e.listen
	}
	if len(settings.Clusters) == 0 {
		settings.Clusters = []kafka.Config{{Name: "main", Brokers: e.brokers("kafka:9092")}}
	} else if f.Changed("kafka.server") && len(settings.Clusters) > 1 {
		return fmt.Errorf("--kafka.server: the configuration has %d clusters; write the brokers there", len(settings.Clusters))
	} else if f.Changed("kafka.server") {
		settings.Clusters[0].Brokers = e.servers
	}
	for i := range settings.Clusters {
		e.kafkaFlags.overlay(f, &settings.Clusters[i])
	}
	return nil
}

// logger writes to the command's error output, as kafka_exporter's flags ask.
func (e *exporterFlags) logger(c *cobra.Command) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(e.logLevel)); err != nil {
		return nil, exit{exitUsage, fmt.Errorf("--log.level=%s: use debug, info, warn or error", e.logLevel)}
	}
	options := &slog.HandlerOptions{Level: level}
	if e.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(c.ErrOrStderr(), options)), nil
	}
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), options)), nil
}

// constLabels are --kafka.labels: "k=v,k=v".
func (e *exporterFlags) constLabels() []tidemark.Label {
	var labels []tidemark.Label
	for pair := range strings.SplitSeq(e.kafkaLabels, ",") {
		if name, value, found := strings.Cut(pair, "="); found {
			labels = append(labels, tidemark.Label{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
		}
	}
	return labels
}

// over puts TLS over a listener, if the flags ask for it. The certificate is read at
// each handshake: one that was replaced is used at once.
func (p portFlags) over(listener net.Listener) (net.Listener, error) {
	if !p.enabled {
		return listener, nil
	}
	read := func() (*tls.Certificate, error) {
		certificate, err := tls.LoadX509KeyPair(p.cert, p.key)
		if err != nil {
			return nil, fmt.Errorf("--server.tls.enabled: read --server.tls.cert-file and --server.tls.key-file: %w", err)
		}
		return &certificate, nil
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	settings := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return read() },
	}
	if p.mutual {
		pem, err := os.ReadFile(p.ca)
		if err != nil {
			return nil, fmt.Errorf("--server.tls.mutual-auth-enabled: read --server.tls.ca-file: %w", err)
		}
		settings.ClientAuth, settings.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !settings.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("--server.tls.ca-file: there is no certificate in " + p.ca)
		}
	}
	return tls.NewListener(listener, settings), nil
}
