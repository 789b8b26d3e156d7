//go:build linux

package integration

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

func TestEverySignInSeesTheSameAndAWrongOneSeesAnError(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{SASL: true, TLS: true})
	client := newClient(t, cluster.Bootstrap())
	fill(t, client, "orders", 1, 100, 50, 7, 0)
	commit(t, client, "billing", "orders", 40, 50, -1, 0)

	want := totals(look(t, open(t, kafka.Config{Brokers: cluster.Bootstrap()})))
	if got := want["billing"].Records; got != 60 {
		t.Errorf("without sign-in: lag = %d, want 60", got)
	}
	for name, c := range signIns(t, cluster) {
		if got := totals(look(t, open(t, c))); !maps.Equal(got, want) {
			t.Errorf("%s: totals = %v, want %v", name, got, want)
		}
	}
	for name, c := range map[string]kafka.Config{
		"a wrong password":     {Brokers: cluster.SASLBootstrap(), SASL: password(t, "scram-sha-512", "guess")},
		"an unknown authority": {Brokers: cluster.TLSBootstrap(), TLS: kafka.TLS{Enabled: true}},
	} {
		if snapshot, err := open(t, c).Snapshot(t.Context()); err == nil {
			t.Errorf("%s: snapshot = %+v, want an error", name, snapshot)
		}
	}
}

func totals(s *tidemark.Snapshot) map[string]tidemark.Total {
	all := map[string]tidemark.Total{}
	for _, g := range s.Groups {
		all[g.Name] = s.Total(g)
	}
	return all
}

func signIns(t *testing.T, cluster *kafkatest.Cluster) map[string]kafka.Config {
	t.Helper()
	cert, key := cluster.ClientCert()
	all := map[string]kafka.Config{
		"TLS":        {Brokers: cluster.TLSBootstrap(), TLS: kafka.TLS{Enabled: true, CA: cluster.CA()}},
		"mutual TLS": {Brokers: cluster.TLSBootstrap(), TLS: kafka.TLS{Enabled: true, CA: cluster.CA(), Cert: cert, Key: key}},
	}
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		all[mechanism] = kafka.Config{Brokers: cluster.SASLBootstrap(), SASL: password(t, mechanism, kafkatest.Password)}
	}
	return all
}

func password(t *testing.T, mechanism, secret string) kafka.SASL {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return kafka.SASL{Mechanism: mechanism, Username: kafkatest.User, PasswordFile: file}
}
