package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/relay"
)

// settings is all that an operator may set.
type settings struct {
	brokers                 []string
	reset, instance, listen string
	relay                   relay.Config
}

// command is the command line. Flags beat the environment, whose names are the
// original's.
func command() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:           "crm-events",
		Short:         "Events of a Kafka topic, live in the browser",
		Long:          "crm-events streams a Kafka topic to browsers (/crm-events, server-sent events) and\nworks on its records as a member of a consumer group.\n\nEnvironment: KAFKA_BROKERS, KAFKA_TOPIC, KAFKA_GROUP, KAFKA_OFFSET_RESET.",
		Example:       "  crm-events --kafka.brokers=kafka:9092\n  curl -N http://localhost:9010/crm-events",
		Args:          cobra.NoArgs,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return listenAndServe(c.Context(), s) },
	}
	f := c.Flags()
	f.StringSliceVar(&s.brokers, "kafka.brokers", strings.Split(environment("KAFKA_BROKERS", "localhost:9092"), ","), "host:port of one or more brokers ($KAFKA_BROKERS)")
	f.StringVar(&s.relay.Topic, "kafka.topic", environment("KAFKA_TOPIC", "aetherlink.events"), "topic to stream ($KAFKA_TOPIC)")
	f.StringVar(&s.relay.Group, "kafka.group", environment("KAFKA_GROUP", "crm-events-sse"), "consumer group to work in ($KAFKA_GROUP)")
	f.StringVar(&s.reset, "kafka.offset-reset", environment("KAFKA_OFFSET_RESET", "earliest"), "where work begins without a commit: earliest or latest ($KAFKA_OFFSET_RESET)")
	f.StringVar(&s.instance, "kafka.instance-id", "", "static member id: keeps its partitions over a restart")
	f.StringVar(&s.listen, "listen", ":9010", "address to serve on")
	f.Float64Var(&s.relay.WorkRate, "work.rate", 0, "slow the work down to so many records per second; 0: do not")
	f.DurationVar(&s.relay.CommitInterval, "commit.interval", 0, "how often progress is committed; 0: 1s")
	f.StringSliceVar(&s.relay.AllowOrigins, "cors.allow-origin", nil, `origins whose pages may read the stream, as https://crm.example.com; "*": all, without credentials`)
	f.IntVar(&s.relay.MaxClients, "clients.max", 0, "streams open at once; 0: 2000")
	f.IntVar(&s.relay.MaxClientsPerIP, "clients.max-per-ip", 0, "streams open at once from one address; 0: 50")
	f.IntVar(&s.relay.RingBytes, "ring.bytes", 0, "how much to keep in memory for clients that come back; 0: 64 MiB")
	f.DurationVar(&s.relay.RingAge, "ring.age", 0, "and for how long; 0: 15m")
	f.DurationVar(&s.relay.Heartbeat, "heartbeat", 0, "a comment after so long without an event; 0: 15s")
	f.DurationVar(&s.relay.MaxAge, "clients.max-age", 0, "send a browser to connect anew after so long, give or take 20%; 0: 30m")
	f.StringVar((*string)(&s.relay.Slow), "clients.slow", string(relay.SlowCatchesUp), "what becomes of a client that is too slow for the ring: catch_up, gap or disconnect")
	f.DurationVar(&s.relay.Drain, "drain", 0, "how long streams may take to end on shutdown; 0: 10s")
	c.AddCommand(outboxCommand())
	return c
}

func environment(name, otherwise string) string { return cmp.Or(os.Getenv(name), otherwise) }
