package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/outbox"
)

// outboxSettings is all that an operator may set of the outbox.
type outboxSettings struct {
	db, listen, policy string
	pressure           string
	readBack           bool
	kafka              kafka.Config
	relay              outbox.Config
}

func outboxCommand() *cobra.Command {
	var s outboxSettings
	c := &cobra.Command{
		Use:     "outbox",
		Short:   "Publish the events of an outbox table to Kafka",
		Long:    "Publish the events of an outbox table to Kafka, and delete those that are acknowledged.\nSeveral may run: they share the work.\n\nEnvironment: OUTBOX_DB, KAFKA_BROKERS.",
		Example: "  crm-events outbox --db=postgres://crm@db/crm --kafka.brokers=kafka:9092\n  crm-events outbox parked --db=crm.db",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return runOutbox(c.Context(), s) },
	}
	c.PersistentFlags().StringVar(&s.db, "db", environment("OUTBOX_DB", ""), "postgres://… or the path of an SQLite file ($OUTBOX_DB)")
	f := c.Flags()
	clusterFlags(f, &s.kafka)
	f.StringVar(&s.listen, "listen", ":9011", "address of /metrics, /healthz and /readyz")
	f.Float64Var(&s.relay.EventsPerSecond, "rate.events", 0, "publish so many events per second at most; 0: no limit")
	f.Float64Var(&s.relay.BytesPerSecond, "rate.bytes", 0, "and so many bytes; 0: no limit")
	f.StringVar(&s.pressure, "pressure.url", "", "where to ask how fast consumers can bear it, as http://tidemark:9308/api/tidemark/v1/pressure?group=crm-events-sse")
	f.StringVar(&s.policy, "unpublishable", string(outbox.ParkKey), "what to do with an event that the brokers will never take: park_key, park_event or halt")
	f.BoolVar(&s.readBack, "read-back", false, "look into the topics for what a relay that crashed has published, so that nothing is published twice; needs the right to read them")
	f.BoolVar(&s.relay.Strict, "strict", false, "PostgreSQL: one order per shard, not only per aggregate; any long transaction stalls it")
	f.IntVar(&s.relay.BatchRecords, "batch.records", 0, "rows of one shard that are published together; 0: 500")
	f.IntVar(&s.relay.MaxBytes, "record.max-bytes", 0, "a larger record is parked; 0: 1000000")
	f.DurationVar(&s.relay.Lease, "lease", 0, "how long a shard stays with a relay that says nothing; 0: 15s")
	f.DurationVar(&s.relay.Poll, "poll", 0, "how long a quiet table is left alone at most; 0: 2s")
	f.DurationVar(&s.relay.Drain, "drain", 0, "how long a shutdown waits for the brokers; 0: 5s")
	c.AddCommand(
		onTable(&s, "migrate", "Make the tables, or bring them up to date", 0, func(ctx context.Context, t *outbox.Table, _ io.Writer, _ []string) error {
			return t.Migrate(ctx)
		}),
		onTable(&s, "pause", "Stop all relays; returns when nothing is on its way", 0, func(ctx context.Context, t *outbox.Table, _ io.Writer, _ []string) error {
			return t.Pause(ctx)
		}),
		onTable(&s, "resume", "Let relays go on", 0, func(ctx context.Context, t *outbox.Table, _ io.Writer, _ []string) error {
			return t.Resume(ctx)
		}),
		onTable(&s, "parked", "List the events that are parked", 0, listParked),
		onTable(&s, "release AGGREGATE", "Put the parked events of an aggregate back to be tried again", 1, func(ctx context.Context, t *outbox.Table, out io.Writer, args []string) error {
			n, err := t.Release(ctx, args[0])
			fmt.Fprintf(out, "%d events released\n", n)
			return err
		}),
		doctorCommand(&s),
		onTable(&s, "discard EVENT", "Delete a parked event for good", 1, func(ctx context.Context, t *outbox.Table, _ io.Writer, args []string) error {
			return t.Discard(ctx, args[0])
		}),
	)
	return c
}

// onTable is a command that does one thing to the table.
func onTable(s *outboxSettings, use, short string, args int, do func(context.Context, *outbox.Table, io.Writer, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(args), RunE: func(c *cobra.Command, args []string) error {
		table, err := s.open()
		if err != nil {
			return err
		}
		return errors.Join(do(c.Context(), table, c.OutOrStdout(), args), table.Close())
	}}
}

func (s *outboxSettings) open() (*outbox.Table, error) {
	if s.db == "" {
		return nil, errors.New("which database? set --db or OUTBOX_DB to postgres://… or the path of an SQLite file")
	}
	return outbox.Open(s.db)
}

func listParked(ctx context.Context, t *outbox.Table, out io.Writer, _ []string) error {
	parked, err := t.Parked(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "EVENT\tAGGREGATE\tTYPE\tTOPIC\tREASON")
	for _, p := range parked {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.ID, p.Aggregate, p.Type, p.Topic, p.Reason)
	}
	return table.Flush()
}

// runOutbox opens the address and the database, and publishes until ctx ends.
func runOutbox(ctx context.Context, s outboxSettings) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	table, err := s.open()
	if err != nil {
		return err
	}
	defer table.Close()
	if err := table.Migrate(ctx); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return err
	}
	log.Info("outbox publishes", "address", listener.Addr(), "brokers", s.kafka.Brokers)
	return serveOutbox(ctx, s, table, listener, cluster(s.kafka, log))
}

// serveOutbox publishes until ctx ends and what is on its way is acknowledged:
// health and metrics answer throughout.
func serveOutbox(ctx context.Context, s outboxSettings, table *outbox.Table, listener net.Listener, cluster kafka.Options) error {
	defer listener.Close()
	publisher, err := kafka.OpenPublisher(cluster)
	if err != nil {
		return err
	}
	defer publisher.Close()
	registry := prometheus.NewRegistry()
	o := outbox.Options{Config: s.relay, Table: table, Publish: publisher.Publish, Judge: judge, Log: cluster.Log, Registerer: registry}
	o.Unpublishable = outbox.Policy(s.policy)
	if s.pressure != "" {
		o.Pressure = pressure{s.pressure}.ask
	}
	if s.readBack {
		o.ReadBack = func(ctx context.Context, name string, since time.Time, each func(tidemark.Record)) error {
			return topic{cluster, name}.readBack(ctx, since, each)
		}
	}
	relay, err := outbox.New(o)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: outboxRoutes(relay, registry), ReadHeaderTimeout: 10 * time.Second}
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error {
		defer server.Close()
		return relay.Run(ctx)
	})
	parts.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return parts.Wait()
}

func outboxRoutes(relay *outbox.Relay, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `{"ok":true}`) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		reasons := relay.Troubles()
		w.Header().Set("Content-Type", "application/json")
		if len(reasons) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(reasons) == 0, "reasons": reasons}) // a client that left needs no answer
	})
	return mux
}

// judge says what an error of Kafka is about. Errors that brokers or the client
// get over by themselves never come here.
func judge(err error) outbox.Verdict {
	for _, topic := range []error{kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed, kerr.InvalidTopicException, kerr.ClusterAuthorizationFailed} {
		if errors.Is(err, topic) {
			return outbox.Closed
		}
	}
	for _, record := range []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp} {
		if errors.Is(err, record) {
			return outbox.Unpublishable
		}
	}
	return outbox.Retry
}
