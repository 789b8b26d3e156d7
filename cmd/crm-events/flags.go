package main

import (
	"cmp"
	"os"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/relay"
	"github.com/aetherlink/tidemark/relay/access"
)

// settings is all that an operator may set.
type settings struct {
	kafka                                kafka.Config
	reset, instance, listen, adminListen string
	cert, key, ticketFile, sink          string
	access                               access.Config
	relay                                relay.Config
}

// command is the command line. Flags beat the environment, whose names are the
// original's.
func command() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:           "crm-events",
		Short:         "Events of a Kafka topic, live in the browser",
		Long:          "crm-events streams a Kafka topic to browsers (/crm-events, server-sent events) and\nworks on its records as a member of a consumer group.\n\nEnvironment: KAFKA_BROKERS, KAFKA_TOPIC, KAFKA_GROUP, KAFKA_OFFSET_RESET, SINK_DB.",
		Example:       "  crm-events --kafka.brokers=kafka:9092\n  curl -N http://localhost:9010/crm-events",
		Args:          cobra.NoArgs,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return listenAndServe(c.Context(), s) },
	}
	f := c.Flags()
	clusterFlags(f, &s.kafka)
	f.StringVar(&s.relay.Topic, "kafka.topic", environment("KAFKA_TOPIC", "aetherlink.events"), "topic to stream ($KAFKA_TOPIC)")
	f.StringVar(&s.relay.Group, "kafka.group", environment("KAFKA_GROUP", "crm-events-sse"), "consumer group to work in ($KAFKA_GROUP)")
	f.StringVar(&s.reset, "kafka.offset-reset", environment("KAFKA_OFFSET_RESET", "earliest"), "where work begins without a commit: earliest or latest ($KAFKA_OFFSET_RESET)")
	f.StringVar(&s.instance, "kafka.instance-id", "", "static member id: keeps its partitions over a restart")
	f.StringVar(&s.listen, "listen", ":9010", "address to serve on")
	f.StringVar(&s.adminListen, "admin.listen", "", "address of /metrics, /readyz and /clients, which browsers then cannot reach; empty: the first two are on --listen")
	f.StringVar(&s.cert, "tls.cert", "", "file with the certificate to serve with: HTTP/2 then, as well as 1.1;")
	f.StringVar(&s.key, "tls.key", "", "and with its key")
	f.BoolVar(&s.relay.Dense, "dense", false, "serve HTTP/1.1 streams with a fifth of the memory; that a browser left is noticed at a heartbeat only")
	f.StringVar(&s.sink, "sink.db", environment("SINK_DB", ""), "postgres://… to store each event in, as the work ($SINK_DB)")
	f.Float64Var(&s.relay.WorkRate, "work.rate", 0, "slow the work down to so many records per second; 0: do not")
	f.DurationVar(&s.relay.CommitInterval, "commit.interval", 0, "how often progress is committed; 0: 1s")
	f.StringVar(&s.access.Issuer, "access.issuer", "", "who makes the tokens (JWT) of those who may see events; empty: everybody may see everything")
	f.StringVar(&s.access.Audience, "access.audience", "crm-events", "whom tokens have to be for")
	f.StringVar(&s.access.JWKS, "access.jwks", "", "https address of the issuer's keys")
	f.StringVar(&s.access.TenantClaim, "access.tenant-claim", "tenant_id", "claim that names whose events may be seen")
	f.StringVar(&s.access.Cookie, "access.cookie", "", "cookie that may hold the token too")
	f.StringVar(&s.ticketFile, "access.ticket-secret-file", "", "file with 32 bytes or more, the same for all replicas; empty: a ticket is good where it was fetched")
	f.StringSliceVar(&s.relay.AllowOrigins, "cors.allow-origin", nil, `origins whose pages may read the stream, as https://crm.example.com; "*": all, without credentials`)
	f.StringSliceVar(&s.relay.FilterHeaders, "filter.header", nil, "record headers that clients may filter by, beside type and tenant_id")
	f.IntVar(&s.relay.MaxClients, "clients.max", 0, "streams open at once; 0: 2000")
	f.IntVar(&s.relay.MaxClientsPerIP, "clients.max-per-ip", 0, "streams open at once from one address; 0: 50")
	f.IntVar(&s.relay.MaxClientsPerUser, "clients.max-per-user", 0, "streams open at once of one user; 0: 20")
	f.IntVar(&s.relay.MaxClientsPerTenant, "clients.max-per-tenant", 0, "streams open at once of one tenant; 0: 1000")
	f.Float64Var(&s.relay.MaxConnectRate, "clients.max-connects", 0, "streams begun per second; 0: 500")
	f.IntVar(&s.relay.RingBytes, "ring.bytes", 0, "how much to keep in memory for clients that come back; 0: 64 MiB")
	f.DurationVar(&s.relay.RingAge, "ring.age", 0, "and for how long; 0: 15m")
	f.DurationVar(&s.relay.WarmUp, "ring.warm-up", 0, "how far back to read at the start, for clients that come back; 0: 30s")
	f.IntVar(&s.relay.CatchUpReaders, "catch-up.readers", 0, "clients that read from Kafka at once, since the ring does not reach back far enough; 0: 8")
	f.IntVar(&s.relay.CatchUpBytes, "catch-up.bytes", 0, "and what they read per second, all together; 0: 20000000")
	f.IntVar(&s.relay.MaxEventBytes, "event.max-bytes", 0, "of a larger record clients are only told where it is; 0: 1 MiB")
	f.DurationVar(&s.relay.Heartbeat, "heartbeat", 0, "a comment after so long without an event; 0: 15s")
	f.DurationVar(&s.relay.Coalesce, "coalesce", 0, "events that come within so long are sent together; 0: 5ms")
	f.DurationVar(&s.relay.MaxAge, "clients.max-age", 0, "send a browser to connect anew after so long, give or take 20%; 0: 30m")
	f.StringVar((*string)(&s.relay.Slow), "clients.slow", string(relay.SlowCatchesUp), "what becomes of a client that is too slow for the ring: catch_up, gap or disconnect")
	f.DurationVar(&s.relay.Drain, "drain", 0, "how long streams may take to end on shutdown; 0: 10s")
	c.AddCommand(outboxCommand(), produceCommand())
	return c
}

func environment(name, otherwise string) string { return cmp.Or(os.Getenv(name), otherwise) }
