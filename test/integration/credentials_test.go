//go:build linux

package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestCredentialsThatAreRenewedLoseNothing has a broker with rights for single topics,
// sessions that end with their token (KIP-368), and Kerberos.
func TestCredentialsThatAreRenewedLoseNothing(t *testing.T) {
	kerberos := startKDC(t)
	cluster := kafkatest.Start(t, kafkatest.Options{SASL: true, TLS: true, With: append(kerberos.broker(),
		kerberos.mechanisms("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"),
		`listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
		"listener.name.sasl_plaintext.oauthbearer.connections.max.reauth.ms=3600000",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS;User:tidemark;User:CN=client",
	)})
	client := newClient(t, cluster.Bootstrap())
	for _, topic := range []string{"orders", "payments"} {
		fill(t, client, topic, 1, 10, 10)
	}
	commit(t, client, "billing", "orders", 4, 4)
	commit(t, client, "billing", "payments", 4, 4)
	newClient(t, cluster.Bootstrap(), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders", "payments"), kgo.DisableAutoCommit())
	commit(t, client, "mailing", "orders", 4, 4)
	everything := open(t, kafka.Config{Brokers: cluster.Bootstrap()})
	await(t, "the member", func() bool {
		group, _ := look(t, everything).Group("billing")
		return len(group.Members) == 1 && len(group.Members[0].Assigned) == 2
	})
	for _, half := range []string{"half", "CN=half"} {
		allow(t, client, half)
	}
	want := totals(look(t, everything))

	t.Run("in parallel", func(t *testing.T) {
		t.Run("ATokenIsRenewedInTimeAndTheSessionGoesOn", func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			collector := open(t, byToken(t, cluster, "tidemark", 5*time.Second, &asked))
			keepLooking(t, 20*time.Second, func() bool {
				s := look(t, collector)
				if got := totals(s); !maps.Equal(got, want) || len(s.Gaps) > 0 {
					t.Errorf("totals = %v, gaps %v; want %v and none", got, s.Gaps, want)
				}
				return false
			})
			if n := asked.Load(); n < 3 || n > 10 {
				t.Errorf("%d tokens of 5 s in 20 s, want 3 to 10", n)
			}
		})
		t.Run("HalfTheTopicsAreSeenAndTheOtherHalfIsNotZero", func(t *testing.T) {
			t.Parallel()
			collector := open(t, byToken(t, cluster, "half", time.Minute, new(atomic.Int64)))
			seesHalf(t, look(t, collector))
		})
		t.Run("ANewCertificateIsUsedWithinAMinuteOnOpenConnections", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := kafka.TLS{Enabled: true, CA: cluster.CA(), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
			rotate(t, cluster, c, "client")
			collector := open(t, kafka.Config{Brokers: cluster.TLSBootstrap(), TLS: c})
			if got := totals(look(t, collector)); !maps.Equal(got, want) {
				t.Errorf("totals = %v, want %v", got, want)
			}
			rotate(t, cluster, c, "half") // who sees less
			keepLooking(t, time.Minute, func() bool { return !maps.Equal(totals(look(t, collector)), want) })
			seesHalf(t, look(t, collector))
		})
		for how, sasl := range kerberos.signIns(t) {
			t.Run("ATicketByA"+how, func(t *testing.T) {
				t.Parallel()
				collector := open(t, kafka.Config{Brokers: cluster.SASLBootstrap(), SASL: sasl})
				if got := totals(look(t, collector)); !maps.Equal(got, want) {
					t.Errorf("totals = %v, want %v", got, want)
				}
			})
		}
	})
}

// seesHalf holds a look to what somebody may see who may describe orders only.
func seesHalf(t *testing.T, s *tidemark.Snapshot) {
	t.Helper()
	for id := range int32(2) {
		if lag, known := partition(t, s, "mailing", "orders", id).Lag(); !known || lag != 6 {
			t.Errorf("mailing orders/%d: lag = %d (known: %v), want 6", id, lag, known)
		}
	}
	for _, p := range s.Of("billing") {
		if lag, known := p.Lag(); p.Topic == "payments" && known {
			t.Errorf("billing payments/%d: lag = %d, but it may not be seen", p.ID, lag)
		}
	}
	if group, seen := s.Group("billing"); !seen || s.Total(group).Complete {
		t.Errorf("billing's total is %+v (seen: %v), want an incomplete one", s.Total(group), seen)
	}
}

// keepLooking looks every second until it is done, or for so long.
func keepLooking(t *testing.T, d time.Duration, done func() bool) {
	t.Helper()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for began := time.Now(); time.Since(began) < d && !done(); {
		<-again.C
	}
}

// allow lets somebody describe all groups, but of the topics only orders.
func allow(t *testing.T, client *kgo.Client, user string) {
	t.Helper()
	acls := kadm.NewACLs().Allow("User:" + user).AllowHosts("*").Operations(kadm.OpDescribe).
		Groups("*").Topics("orders").Clusters().ResourcePatternType(kmsg.ACLResourcePatternTypeLiteral)
	results, err := kadm.NewClient(client).CreateACLs(t.Context(), acls)
	if err != nil || len(results) != 3 || results[0].Err != nil {
		t.Fatalf("allow %s: %v %+v", user, err, results)
	}
}

// byToken signs in with tokens that nobody has signed, which Kafka takes unless it is
// told better (RFC 7515, appendix A.5).
func byToken(t *testing.T, cluster *kafkatest.Cluster, user string, life time.Duration, asked *atomic.Int64) kafka.Config {
	t.Helper()
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, user, time.Now().Unix(), time.Now().Add(life).Unix())
		encode := base64.RawURLEncoding.EncodeToString
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".",
			"token_type":   "bearer", "expires_in": life.Seconds(),
		})
	}))
	t.Cleanup(issuer.Close)
	c := kafka.Config{Brokers: cluster.SASLBootstrap(), SASL: kafka.SASL{Mechanism: "oauthbearer", Username: "watcher", Password: "hush"}}
	c.SASL.OAuth.TokenURL = issuer.URL
	return c
}

// rotate puts a new certificate for a client, signed by the cluster's authority,
// where another may be.
func rotate(t *testing.T, cluster *kafkatest.Cluster, files kafka.TLS, name string) {
	t.Helper()
	authority, err := tls.LoadX509KeyPair(cluster.CA(), filepath.Join(filepath.Dir(cluster.CA()), "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.Leaf, &key.PublicKey, authority.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
