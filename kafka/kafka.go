// Package kafka talks to Kafka for everybody else: it looks at a cluster and
// returns a [tidemark.Snapshot], it publishes records, and it reads them, with a
// group ([Member]) and without one ([Tail]).
//
// It hides the protocol, its versions, sign-in, and above all partial failure:
// whichever broker does not answer costs its own part of a snapshot and nothing
// else, and what was not seen is a [tidemark.Gap] and never a zero. It never
// changes anything on a cluster except by publishing, committing and joining a
// group as asked.
//
// May change until version 1.
package kafka

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark/kafka/signin"
)

// Options is a [Config] and what a connection needs to live.
type Options struct {
	Config
	// Client is our client.id: what brokers, quotas and other people's tools call us.
	Client string // empty: tidemark
	// Dial opens connections; nil dials TCP. TLS comes on top of it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger // nil: no lines
	// Mine says which groups to look at, of those that the configuration chooses; nil:
	// all. It is asked about each group in each look, by several goroutines at once.
	// A group that is not ours is neither asked for nor in snapshots.
	Mine func(group string) bool
	// Foreign returns readers of this cluster that are none of its groups; nil: there
	// are none. It is called once in each look and shall not wait for anything.
	Foreign func() []Foreign
	// Deadline is how long one broker may take in one look, and one dial; 0 is 3 s.
	// Three seconds are eight round trips (TLS, SCRAM, the questions) at 350 ms,
	// and keep a look at a cluster with a dead broker well inside 15 s.
	Deadline time.Duration
}

const defaultDeadline = 3 * time.Second

// ClientOptions returns what all our clients share, ready for more: how to reach
// the cluster, who we are, how we sign in.
func (o Options) ClientOptions() ([]kgo.Opt, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID(cmp.Or(o.Client, "tidemark")),
		kgo.DisableClientMetrics(),
	}
	in := signin.Options{TLS: o.TLS, SASL: o.SASL, Dial: o.Dial, Deadline: o.deadline(), Log: o.logger()}
	return append(opts, in.Client()...), nil
}

func (o Options) deadline() time.Duration {
	if o.Deadline > 0 {
		return o.Deadline
	}
	return defaultDeadline
}

func (o Options) logger() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log.With("cluster", o.Name)
}
