// Package signin opens connections to Kafka's brokers and signs in there: TLS with
// certificates, and SASL by password, token, Kerberos ticket or AWS identity.
//
// It hides where credentials come from, and that they change: files are read and
// tokens are asked for again in time, so that nothing that is renewed needs a
// restart. It never writes a secret into an error or a log.
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
	// Dial opens connections, to brokers and to whoever gives tokens; nil dials TCP.
	// TLS comes on top of it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Deadline is how long one dial may take, name look-up and handshake included,
	// and how long one question for a token.
	Deadline time.Duration
	Log      *slog.Logger
}

// Client returns the options that make a client sign in.
func (o Options) Client() []kgo.Opt {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	opts := []kgo.Opt{kgo.Dialer(o.dialer())}
	if mechanism := o.mechanism(); mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts
}

func (o Options) dialer() func(context.Context, string, string) (net.Conn, error) {
	certificates := keep("certificates", o.Log, o.TLS.load)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, o.Deadline)
		defer cancel()
		conn, err := o.Dial(ctx, network, address)
		if err != nil || !o.TLS.Enabled {
			return conn, err
		}
		return o.TLS.handshake(ctx, conn, address, certificates)
	}
}
