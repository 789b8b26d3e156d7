package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/signin"
	"github.com/aetherlink/tidemark/metrics"
)

// kafkaExporter restates the flags of lag.md 2.2, with those that came after 1.9. A
// switch has true or false as its default; "-" means that ours is another, and why.
var kafkaExporter = []struct{ flag, usual string }{
	{"web.listen-address", ":9308"},
	{"web.telemetry-path", "/metrics"},
	{"topic.filter", ".*"},
	{"topic.exclude", "^$"},
	{"group.filter", ".*"},
	{"group.exclude", "^$"},
	{"log.enable-sarama", "false"},
	{"kafka.server", "-"}, // kafka:9092 comes after the environment and the file
	{"kafka.version", "-"},
	{"kafka.labels", ""},
	{"kafka.allow-auto-topic-creation", "false"},
	{"sasl.enabled", "false"},
	{"sasl.handshake", "true"},
	{"sasl.username", ""},
	{"sasl.password", ""},
	{"sasl.mechanism", "-"}, // plain, as its README says
	{"sasl.aws-region", "-"},
	{"sasl.oauthbearer-token-url", ""},
	{"sasl.oauthbearer-token-file", ""},
	{"sasl.oauthbearer-scopes", ""},
	{"sasl.service-name", ""},
	{"sasl.kerberos-config-path", ""},
	{"sasl.realm", ""},
	{"sasl.keytab-path", ""},
	{"sasl.kerberos-auth-type", ""},
	{"sasl.disable-PA-FX-FAST", "false"},
	{"tls.enabled", "false"},
	{"tls.server-name", ""},
	{"tls.ca-file", ""},
	{"tls.cert-file", ""},
	{"tls.key-file", ""},
	{"tls.insecure-skip-tls-verify", "false"},
	{"server.tls.enabled", "false"},
	{"server.tls.mutual-auth-enabled", "false"},
	{"server.tls.ca-file", ""},
	{"server.tls.cert-file", ""},
	{"server.tls.key-file", ""},
	{"use.consumelag.zookeeper", "false"},
	{"zookeeper.server", "-"},
	{"refresh.metadata", "-"},
	{"offset.show-all", "true"},
	{"concurrent.enable", "false"},
	{"topic.workers", "-"},
	{"group.workers", "-"},
	{"group.metrics.timeout", "-"},
	{"verbosity", "-"},
	{"log.level", "info"},
	{"log.format", "logfmt"},
}

func TestEveryFlagOfKafkaExporterIsTaken(t *testing.T) {
	for _, command := range []string{"serve", "exporter"} {
		for _, want := range kafkaExporter {
			c, _, err := commands().Find([]string{command})
			if err != nil {
				t.Fatal(err)
			}
			isSwitch := want.usual == "true" || want.usual == "false"
			f := c.Flags().Lookup(want.flag)
			if f == nil {
				t.Errorf("%s does not take --%s", command, want.flag)
				continue
			}
			if _, ignored := withoutEffect[want.flag]; !ignored && want.usual != "-" && f.DefValue != want.usual {
				t.Errorf("%s: --%s is %q unless given, want %q", command, want.flag, f.DefValue, want.usual)
			}
			written := []string{"--" + want.flag + "=7"}
			if isSwitch {
				written = []string{"--" + want.flag, "--no-" + want.flag, "--" + want.flag + "=true"}
			}
			for _, as := range written {
				if err := c.ParseFlags(compatible([]string{command, as})[1:]); err != nil {
					t.Errorf("%s %s: %v", command, as, err)
				}
			}
		}
	}
}

// given are the exporter's flags as a command line sets them.
func given(t *testing.T, line string) (*exporterFlags, *pflag.FlagSet) {
	t.Helper()
	var e exporterFlags
	f := pflag.NewFlagSet("exporter", pflag.ContinueOnError)
	e.bind(f)
	if err := f.Parse(compatible(append([]string{"exporter"}, strings.Fields(line)...))[1:]); err != nil {
		t.Fatal(err)
	}
	return &e, f
}

func TestSignInIsTakenFromFlagsAndEnvironment(t *testing.T) {
	t.Setenv("SASL_USER_NAME", "name-env")
	t.Setenv("SASL_USER_PASSWORD", "password-env")
	t.Setenv("SASL_OAUTHBEARER_TOKEN_URL", "https://idp/env")
	t.Setenv("TIDEMARK_CONFIG_FILE", "")
	for line, want := range map[string]kafka.SASL{
		"":                                 {},
		"--sasl.enabled":                   {Mechanism: "plain", Username: "name-env", Password: "password-env"},
		"--sasl.enabled --sasl.mechanism=": {Mechanism: "plain", Username: "name-env", Password: "password-env"},
		"--sasl.enabled --sasl.mechanism=SCRAM-SHA512 --sasl.username=me": {Mechanism: "scram-sha-512", Username: "me", Password: "password-env"},
		"--sasl.enabled --sasl.mechanism=awsiam":                          {Mechanism: "aws-msk-iam"},
		"--sasl.enabled --sasl.mechanism=oauthbearer --sasl.oauthbearer-scopes=a,b": {
			Mechanism: "oauthbearer", Username: "name-env", Password: "password-env",
			OAuth: signin.OAuth{TokenURL: "https://idp/env", Scopes: []string{"a", "b"}},
		},
		"--sasl.enabled --sasl.mechanism=gssapi --sasl.kerberos-auth-type=keytabAuth --sasl.keytab-path=k --sasl.realm=R": {
			Mechanism: "gssapi", Username: "name-env", Kerberos: signin.Kerberos{Realm: "R", Keytab: "k"},
		},
		"--sasl.enabled --sasl.mechanism=gssapi --sasl.kerberos-auth-type=userAuth --sasl.keytab-path=k": {
			Mechanism: "gssapi", Username: "name-env", Password: "password-env",
		},
	} {
		e, f := given(t, line)
		settings, err := e.configuration(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := settings.Clusters[0].SASL; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", line, got, want)
		}
		if err := settings.Validate(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestPageIsAsTheFlagsSay(t *testing.T) {
	e, _ := given(t, "--no-offset.show-all --compat.no-commit --compat.names=kminion --detail.by=topic --detail.states=growing,stalled --detail.worst=50")
	compat, detail, err := e.page()
	if err != nil {
		t.Fatal(err)
	}
	if !compat.Assigned || !compat.NoCommit || len(compat.Names) != 1 {
		t.Errorf("compat = %+v", compat)
	}
	if detail.By != metrics.PerTopic || detail.Worst != 50 || len(detail.States) != 2 || detail.States[1] != tidemark.Stalled {
		t.Errorf("detail = %+v", detail)
	}
	for line, want := range map[string]string{
		"--compat.names=burrow":    "kminion",
		"--detail.by=broker":       "partition, topic or group",
		"--detail.states=sleeping": "stalled",
	} {
		e, _ := given(t, line)
		if _, _, err := e.page(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", line, err, want)
		}
	}
}

func TestFlagsWithoutEffectAreSaid(t *testing.T) {
	c := exporterCommand()
	var said bytes.Buffer
	c.SetErr(&said)
	if err := c.ParseFlags([]string{"--refresh.metadata=30s", "--topic.workers=10"}); err != nil {
		t.Fatal(err)
	}
	var e exporterFlags
	e.logLevel = "info"
	log, err := e.logger(c)
	if err != nil {
		t.Fatal(err)
	}
	e.sayIgnored(c, log)
	for _, want := range []string{"--refresh.metadata", "kept fresh in the background", "--topic.workers"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, said.String())
		}
	}
}

func TestLinkNamedKafkaExporterIsTheExporter(t *testing.T) {
	if got := calledAs([]string{"/bin/kafka_exporter", "--kafka.server=a:1"}); strings.Join(got, " ") != "exporter --kafka.server=a:1" {
		t.Errorf("it runs %v", got)
	}
	if got := compatible(calledAs([]string{"kafka_exporter", "--version"})); strings.Join(got, " ") != "version" {
		t.Errorf("--version runs %v", got)
	}
}

func TestPortSpeaksTLSWithTheFilesOfTheFlags(t *testing.T) {
	known := httptest.NewTLSServer(nil)
	defer known.Close()
	certificate := known.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	port := portFlags{enabled: true, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), ca: filepath.Join(dir, "cert.pem")}
	for file, block := range map[string]*pem.Block{
		port.cert: {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		port.key:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := status(t, known.Client(), serveOver(t, port)), http.StatusNotFound; got != want {
		t.Errorf("the port answers %d, want %d", got, want)
	}
	port.mutual = true
	if got := status(t, known.Client(), serveOver(t, port)); got != 0 {
		t.Errorf("without a certificate of its own a client is answered %d", got)
	}
}

func serveOver(t *testing.T, port portFlags) (address string) {
	t.Helper()
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := port.over(plain)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}}
	server.Start()
	t.Cleanup(server.Close)
	return "https://" + plain.Addr().String()
}

// status is what a page answers with, or 0 if there is no answer.
func status(t *testing.T, client *http.Client, address string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}
