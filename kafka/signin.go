package kafka

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// dialer opens connections, with TLS if wanted. A dial, name look-up and handshake
// included, has the broker's deadline.
func (o Options) dialer() func(context.Context, string, string) (net.Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, o.deadline())
		defer cancel()
		conn, err := dial(ctx, network, address)
		if err != nil || !o.TLS.Enabled {
			return conn, err
		}
		return o.TLS.handshake(ctx, conn, address)
	}
}

func (t TLS) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	config, err := t.load(address)
	if err == nil {
		secure := tls.Client(conn, config)
		if err = secure.HandshakeContext(ctx); err == nil {
			return secure, nil
		}
		err = handshakeError{address, err}
	}
	_ = conn.Close()
	return nil, err
}

// handshakeError tells a failed handshake from whatever else a dial ends with.
type handshakeError struct {
	address string
	err     error
}

func (e handshakeError) Error() string {
	return fmt.Sprintf("tls handshake with %s: %v", e.address, e.err)
}

func (e handshakeError) Unwrap() error { return e.err }

func (t TLS) load(address string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("tls: address %q: %w", address, err)
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         cmp.Or(t.ServerName, host),
		InsecureSkipVerify: t.InsecureSkipVerify,
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls: read ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: ca %s holds no PEM certificate", t.CA)
		}
	}
	if t.Cert != "" {
		cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: read cert and key: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}

// mechanism returns nil if no sign-in is wanted.
func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case "plain":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := s.password()
			return plain.Auth{User: s.Username, Pass: password}, err
		})
	case "scram-sha-256":
		return scram.Sha256(s.scram)
	case "scram-sha-512":
		return scram.Sha512(s.scram)
	}
	return nil
}

func (s SASL) scram(context.Context) (scram.Auth, error) {
	password, err := s.password()
	return scram.Auth{User: s.Username, Pass: password}, err
}

func (s SASL) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("sasl: read password: %w", err)
	}
	return string(bytes.TrimRight(text, "\r\n")), nil
}
