package signin

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// TLS says whether and how connections are encrypted. Files are read again at
// each dial, so that a renewed certificate needs no restart.
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

func (t TLS) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	config, err := t.load(address)
	if err == nil {
		secure := tls.Client(conn, config)
		if err = secure.HandshakeContext(ctx); err == nil {
			return secure, nil
		}
		err = &HandshakeError{address, err}
	}
	_ = conn.Close()
	return nil, err
}

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
