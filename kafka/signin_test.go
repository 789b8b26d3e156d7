package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark/kafka"
)

func TestEveryWayToSignIn(t *testing.T) {
	for mechanism, named := range map[string]string{"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net network
				serve(t, &net, kfake.EnableSASL(), kfake.Superuser(named, "watcher", "secret"))
				file := filepath.Join(t.TempDir(), "password")
				write(t, file, "secret\n")
				c := open(t, &net, kafka.Config{SASL: kafka.SASL{Mechanism: mechanism, Username: "watcher", PasswordFile: file}})

				check(t, "brokers", len(look(t, c).Brokers), 1)
			})
		})
	}
}

func TestSlowNetworkDoesNotKeepUsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := network{latency: 300 * time.Millisecond}
		ca, server := certificate(t, "kafka.test")
		serve(t, &net, kfake.TLS(server), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "watcher", "secret"))
		c := open(t, &net, kafka.Config{
			TLS:  kafka.TLS{Enabled: true, CA: ca, ServerName: "kafka.test"},
			SASL: kafka.SASL{Mechanism: "scram-sha-512", Username: "watcher", Password: "secret"},
		})
		check(t, "up", up(look(t, c)), map[int32]bool{0: true})
	})
}

func TestPasswordFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net network
		serve(t, &net, kfake.EnableSASL(), kfake.Superuser("PLAIN", "watcher", "secret"))
		file := filepath.Join(t.TempDir(), "password")
		write(t, file, "old")
		c := open(t, &net, kafka.Config{SASL: kafka.SASL{Mechanism: "plain", Username: "watcher", PasswordFile: file}})
		if _, err := c.Snapshot(t.Context()); err == nil {
			t.Fatal("signed in with a wrong password")
		}

		write(t, file, "secret")
		check(t, "brokers", len(look(t, c).Brokers), 1)
	})
}

func TestEncryptedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net network
		ca, server := certificate(t, "kafka.test")
		serve(t, &net, kfake.TLS(server))

		c := open(t, &net, kafka.Config{TLS: kafka.TLS{Enabled: true, CA: ca, ServerName: "kafka.test"}})
		check(t, "brokers", len(look(t, c).Brokers), 1)

		c = open(t, &net, kafka.Config{TLS: kafka.TLS{Enabled: true, InsecureSkipVerify: true}})
		check(t, "brokers without verifying", len(look(t, c).Brokers), 1)
	})
}

func TestCertificateFilesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net network
		ca, server := certificate(t, "kafka.test")
		serve(t, &net, kfake.TLS(server))
		file := filepath.Join(t.TempDir(), "ca.pem")
		c := open(t, &net, kafka.Config{TLS: kafka.TLS{Enabled: true, CA: file, ServerName: "kafka.test"}})
		if _, err := c.Snapshot(t.Context()); err == nil {
			t.Fatal("signed in without an authority")
		}

		text, err := os.ReadFile(ca)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, string(text))
		check(t, "brokers", len(look(t, c).Brokers), 1)
	})
}

func TestWhatGoesWrongWithConnectionsIsExplained(t *testing.T) {
	for name, c := range map[string]struct {
		dial error
		want string
	}{
		"a name of Docker's":     {&net.DNSError{Err: "no such host", Name: "kafka"}, "The name \"kafka\" does not resolve here"},
		"an unknown authority":   {x509.UnknownAuthorityError{}, "Set tls.ca"},
		"another's certificate":  {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "kafka"}, "Set tls.server_name"},
		"a wrong password":       {kerr.SaslAuthenticationFailed, "refused the username or the password"},
		"a mechanism not served": {kerr.UnsupportedSaslMechanism, "Set sasl.mechanism"},
	} {
		t.Run(name, func(t *testing.T) {
			c1, err := kafka.Open(kafka.Options{
				Config: kafka.Config{Brokers: []string{"kafka:9092"}},
				Dial:   func(context.Context, string, string) (net.Conn, error) { return nil, c.dial },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c1.Close()
			_, err = c1.Snapshot(t.Context())
			wantSentence(t, err, c.want)
		})
	}
}

func TestBrokerThatAdvertisesANameOnlyItsNeighboursKnowIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cluster network
		serve(t, &cluster)
		c, err := kafka.Open(kafka.Options{
			Config: kafka.Config{Brokers: []string{"outside:9092"}},
			Dial: func(ctx context.Context, kind, address string) (net.Conn, error) {
				if host, port, _ := net.SplitHostPort(address); host == "outside" {
					return cluster.DialContext(ctx, kind, "localhost:"+port)
				}
				return nil, &net.DNSError{Err: "no such host", Name: "localhost"}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Snapshot(t.Context())
		wantSentence(t, err, "brokers hand out their advertised listeners")
	})
}

func TestTLSAndPlaintextMixedUpIsExplained(t *testing.T) {
	for enabled, want := range map[bool]string{true: "speaks plaintext, we spoke TLS", false: "set tls: {enabled: true}"} {
		c, err := kafka.Open(kafka.Options{
			Config: kafka.Config{Brokers: []string{"kafka:9092"}, TLS: kafka.TLS{Enabled: enabled}},
			Dial:   hangUp,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Snapshot(t.Context())
		wantSentence(t, err, want)
	}
}

// hangUp connects to a broker that does as Kafka does with bytes it does not
// understand: it closes the connection.
func hangUp(context.Context, string, string) (net.Conn, error) {
	server, client := net.Pipe()
	go func() {
		_, _ = server.Read(make([]byte, 4096))
		_ = server.Close()
	}()
	return client, nil
}

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	one := []string{"kafka:9092"}
	for _, c := range []struct {
		config kafka.Config
		want   string
	}{
		{kafka.Config{}, "name at least one"},
		{kafka.Config{Brokers: []string{"kafka"}}, "is not host:port; write it as in kafka:9092"},
		{kafka.Config{Brokers: one, Interval: -1}, "leave it out for 15s"},
		{kafka.Config{Brokers: one, Groups: kafka.Filter{Include: []string{"("}}}, "missing closing )"},
		{kafka.Config{Brokers: one, TLS: kafka.TLS{CA: "ca.pem"}}, "set enabled: true"},
		{kafka.Config{Brokers: one, SASL: kafka.SASL{Mechanism: "plain"}}, "needs a username"},
	} {
		wantSentence(t, c.config.Validate(), c.want)
	}
	check(t, "a good one", kafka.Config{Brokers: one}.Validate(), nil)
}

func wantSentence(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want one that says %q", err, want)
	}
}

func serve(t *testing.T, net *network, opts ...kfake.Opt) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.ListenFn(net.Listen), kfake.Ports(9092)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
}

func open(t *testing.T, net *network, config kafka.Config) *kafka.Collector {
	t.Helper()
	config.Name, config.Brokers = "main", []string{"localhost:9092"}
	c, err := kafka.Open(kafka.Options{Config: config, Dial: net.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate makes a server's certificate for a name, signed by itself, and the
// file to trust it by.
func certificate(t *testing.T, name string) (ca string, server *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return ca, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
