// Package signin opens connections to Kafka's brokers and signs in there: TLS with
// certificates, and SASL.
//
// It hides where credentials come from, and that they change: files are read again,
// so that what was renewed is used without a restart. It never writes a secret into
// an error or a log.
//
// May change until version 1.
package signin

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Options is how to sign in and what that needs to live.
type Options struct {
	TLS  TLS
	SASL SASL
	// Dial opens connections; nil dials TCP. TLS comes on top of it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Deadline is how long one dial may take, name look-up and handshake included.
	Deadline time.Duration
	Log      *slog.Logger
}

// Client returns the options that make a client sign in.
func (o Options) Client() []kgo.Opt {
	opts := []kgo.Opt{kgo.Dialer(o.dial)}
	if mechanism := o.SASL.mechanism(); mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts
}

func (o Options) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, o.Deadline)
	defer cancel()
	conn, err := dial(ctx, network, address)
	if err != nil || !o.TLS.Enabled {
		return conn, err
	}
	return o.TLS.handshake(ctx, conn, address)
}
