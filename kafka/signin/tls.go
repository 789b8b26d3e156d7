package signin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// readAgain is how long the files of a [TLS] are believed. With the usual 15 s from
// look to look, new ones are in use on every connection within 45 s.
const readAgain = 30 * time.Second

// TLS says whether and how connections are encrypted. Its files are read again
// every 30 s: what is new is used for new connections, and connections made with
// what was there before end at their next request.
type TLS struct {
	Enabled            bool   `yaml:"enabled"`
	CA                 string `yaml:"ca"`   // file; empty: the system's authorities
	Cert               string `yaml:"cert"` // file, with Key: how we show who we are
	Key                string `yaml:"key"`
	ServerName         string `yaml:"server_name"` // the name to expect; empty: the host dialled
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"`
}

// Validate says what is wrong and what to write instead.
func (t TLS) Validate() error {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return errors.New("tls: cert and key go together; set both or neither")
	case !t.Enabled && (t.CA != "" || t.Cert != ""):
		return errors.New("tls: files are given but enabled is false; set enabled: true, or take the files out")
	}
	return nil
}

// HandshakeError tells a TLS handshake that failed from whatever else a dial ends with.
type HandshakeError struct {
	address string
	err     error
}

// Error says with whom and why.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("tls handshake with %s: %v", e.address, e.err)
}

// Unwrap returns why.
func (e *HandshakeError) Unwrap() error { return e.err }

// material is what the files held and what came of it. There is a new one
// whenever one of the files has changed.
type material struct {
	ca, cert, key []byte
	config        *tls.Config
}

// load reads the files. Ones that do not fit together, because only one of them has
// been replaced so far, are an error: what was there before is used meanwhile.
func (t TLS) load(_ context.Context, old *credential[*material]) (*credential[*material], error) {
	read, err := t.read()
	if err != nil {
		return nil, err
	}
	if old != nil && old.value.same(read) {
		read = old.value
	} else if read.config, err = t.parse(read); err != nil {
		return nil, err
	}
	return &credential[*material]{value: read, renew: time.Now().Add(readAgain)}, nil
}

func (t TLS) read() (*material, error) {
	var read material
	for _, file := range []struct {
		name string
		to   *[]byte
	}{{t.CA, &read.ca}, {t.Cert, &read.cert}, {t.Key, &read.key}} {
		if file.name == "" {
			continue
		}
		text, err := os.ReadFile(file.name)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		*file.to = text
	}
	return &read, nil
}

func (m *material) same(as *material) bool {
	return bytes.Equal(m.ca, as.ca) && bytes.Equal(m.cert, as.cert) && bytes.Equal(m.key, as.key)
}

func (t TLS) parse(read *material) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(read.ca) {
			return nil, fmt.Errorf("tls: ca %s holds no PEM certificate", t.CA)
		}
	}
	if t.Cert != "" {
		cert, err := tls.X509KeyPair(read.cert, read.key)
		if err != nil {
			return nil, fmt.Errorf("tls: cert %s and key %s: %w", t.Cert, t.Key, err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}

func (t TLS) handshake(ctx context.Context, conn net.Conn, address string, certificates *kept[*material]) (net.Conn, error) {
	secure, err := t.secure(ctx, conn, address, certificates)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

func (t TLS) secure(ctx context.Context, conn net.Conn, address string, certificates *kept[*material]) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("tls: address %q: %w", address, err)
	}
	with, err := certificates.get(ctx)
	if err != nil {
		return nil, err
	}
	config := with.config.Clone()
	config.ServerName = cmp.Or(t.ServerName, host)
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, &HandshakeError{address, err}
	}
	return &connection{Conn: secure, with: with, certificates: certificates}, nil
}

// connection ends when the files that it was made with have been replaced.
type connection struct {
	net.Conn
	with         *material
	certificates *kept[*material]
}

// Write sends, or ends the connection, which a client that has read all answers
// takes for a broker that hung up: it dials again and repeats the request.
func (c *connection) Write(b []byte) (int, error) {
	if now, err := c.certificates.get(context.Background()); err == nil && now != c.with {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}
