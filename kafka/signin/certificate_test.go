package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark/kafka/signin"
)

func TestNewCertificatesAreInUseWithinAMinuteAndNoLookIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		old, young := newAuthority(t), newAuthority(t)
		var broker doorman
		broker.set(old, old.certificate(t, 1))
		serve(t, kfake.ListenFn(network.Listen), kfake.TLS(broker.config()))

		dir := t.TempDir()
		files := signin.TLS{
			Enabled: true, CA: filepath.Join(dir, "ca.pem"),
			Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"),
		}
		write(t, files.CA, old.pem())
		old.certificate(t, 2).write(t, files)
		client := connect(t, &network, files, signin.SASL{})
		failed := lookFor(t, client, 10*time.Minute)
		if got := broker.seen(); got != 2 {
			t.Errorf("the broker has seen certificate %d, want 2", got)
		}

		// Two files cannot be replaced at once. Meanwhile they do not fit together.
		next := old.certificate(t, 3)
		write(t, files.Cert, next.cert)
		failed += lookFor(t, client, 2*time.Minute)
		write(t, files.Key, next.key)
		failed += lookFor(t, client, time.Minute)
		if got := broker.seen(); got != 3 {
			t.Errorf("a minute after, the broker has seen certificate %d, want 3", got)
		}

		// The authority changes: first both are believed, then only the new one.
		write(t, files.CA, old.pem()+young.pem())
		broker.set(old, young.certificate(t, 4))
		failed += lookFor(t, client, 2*time.Minute)
		write(t, files.CA, young.pem())
		failed += lookFor(t, client, 2*time.Minute)
		if failed > 0 {
			t.Errorf("%d looks failed, want none", failed)
		}

		write(t, files.CA, old.pem())
		if failed := lookFor(t, client, time.Minute); failed == 0 {
			t.Error("a minute after its authority was taken away the broker is still believed")
		}
	})
}

func TestAFileThatGoesAwayLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		a := newAuthority(t)
		var broker doorman
		broker.set(a, a.certificate(t, 1))
		serve(t, kfake.ListenFn(network.Listen), kfake.TLS(broker.config()))
		file := filepath.Join(t.TempDir(), "ca.pem")
		client := connect(t, &network, signin.TLS{Enabled: true, CA: file}, signin.SASL{})
		if look(t.Context(), client) == nil {
			t.Error("a broker was believed without an authority")
		}
		write(t, file, a.pem())
		failed := lookFor(t, client, time.Minute)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if failed += lookFor(t, client, 10*time.Minute); failed > 0 {
			t.Errorf("%d looks failed, want none", failed)
		}
	})
}

// doorman is a broker's side of TLS, which may change.
type doorman struct {
	mu     sync.Mutex
	trusts *x509.CertPool
	shows  tls.Certificate
	last   int64 // the serial number of the last client's certificate
}

func (d *doorman) set(trusts *authority, shows certificate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trusts = x509.NewCertPool()
	d.trusts.AddCert(trusts.cert)
	d.shows, _ = tls.X509KeyPair([]byte(shows.cert), []byte(shows.key))
}

func (d *doorman) seen() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func (d *doorman) config() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		return &tls.Config{
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: d.trusts, Certificates: []tls.Certificate{d.shows},
			VerifyConnection: func(s tls.ConnectionState) error {
				d.mu.Lock()
				defer d.mu.Unlock()
				if len(s.PeerCertificates) > 0 {
					d.last = s.PeerCertificates[0].SerialNumber.Int64()
				}
				return nil
			},
		}, nil
	}}
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// certificate is a certificate and its key, in PEM.
type certificate struct{ cert, key string }

func (c certificate) write(t *testing.T, files signin.TLS) {
	t.Helper()
	write(t, files.Cert, c.cert)
	write(t, files.Key, c.key)
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0), Subject: pkix.Name{CommonName: "authority " + rand.Text()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) pem() string { return block("CERTIFICATE", a.cert.Raw) }

// certificate signs one for localhost, for brokers and clients alike.
func (a *authority) certificate(t *testing.T, serial int64) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{block("CERTIFICATE", der), block("PRIVATE KEY", private)}
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
