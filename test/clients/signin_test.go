package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestFlagsSignInToKafka gives the program what each listener of a real Kafka asks
// for; without that it gets nowhere.
func TestFlagsSignInToKafka(t *testing.T) {
	if os.Getenv("TIDEMARK_INTEGRATION") == "" {
		t.Skip("a real Kafka; TIDEMARK_INTEGRATION=1 asks for it")
	}
	k := kafkatest.Start(t, kafkatest.Options{SASL: true, TLS: true})
	k.Tool("TopicCommand", "--create", "--topic", topic, "--partitions", "3")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(kafkatest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := k.ClientCert()
	for name, flags := range map[string][]string{
		"SASL": {
			"--kafka.brokers=" + strings.Join(k.SASLBootstrap(), ","),
			"--kafka.sasl.mechanism=scram-sha-512", "--kafka.sasl.username=" + kafkatest.User, "--kafka.sasl.password-file=" + password,
		},
		"TLS": {
			"--kafka.brokers=" + strings.Join(k.TLSBootstrap(), ","),
			"--kafka.tls", "--kafka.tls.ca=" + k.CA(), "--kafka.tls.cert=" + cert, "--kafka.tls.key=" + key,
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"produce", "--rate=0", "--count=10"}, flags...)
			if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "10 events") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
