//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/kafka"
)

const realm = "TIDEMARK.TEST"

// kdc is MIT Kerberos with one broker's name and one person's. The zero value is
// none: it is not installed.
type kdc struct{ dir string }

func startKDC(t *testing.T) kdc {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/krb5kdc"); err != nil {
		if os.Getenv("TIDEMARK_INTEGRATION") != "" {
			t.Fatal("krb5kdc is not here; apt-get install krb5-kdc krb5-admin-server brings it")
		}
		t.Log("NOT TESTED: Kerberos; apt-get install krb5-kdc krb5-admin-server brings a KDC")
		return kdc{}
	}
	k := kdc{t.TempDir()}
	at := freeAddress(t)
	for name, text := range map[string]string{
		"krb5.conf": fmt.Sprintf("[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\ndns_lookup_realm = false\nudp_preference_limit = 1\n[realms]\n%s = {\nkdc = %s\n}\n", realm, realm, at),
		"kdc.conf": fmt.Sprintf("[kdcdefaults]\nkdc_listen = %s\nkdc_tcp_listen = %s\n[realms]\n%s = {\ndatabase_name = %s\nkey_stash_file = %s\n}\n[logging]\nkdc = STDERR\n",
			at, at, realm, k.file("principals"), k.file("stash")),
	} {
		if err := os.WriteFile(k.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KRB5_CONFIG", k.file("krb5.conf"))
	t.Setenv("KRB5_KDC_PROFILE", k.file("kdc.conf"))
	t.Setenv("KAFKA_OPTS", "-Djava.security.krb5.conf="+k.file("krb5.conf"))
	for _, args := range [][]string{
		{"/usr/sbin/kdb5_util", "create", "-s", "-P", "master", "-r", realm},
		{"/usr/sbin/kadmin.local", "-r", realm, "-q", "addprinc -randkey kafka/127.0.0.1"},
		{"/usr/sbin/kadmin.local", "-r", realm, "-q", "ktadd -k " + k.file("broker.keytab") + " kafka/127.0.0.1"},
		{"/usr/sbin/kadmin.local", "-r", realm, "-q", "addprinc -pw hush tidemark"},
		{"/usr/sbin/kadmin.local", "-r", realm, "-q", "ktadd -norandkey -k " + k.file("tidemark.keytab") + " tidemark"},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	launch(t, regexp.MustCompile(`(commencing operation)`), "/usr/sbin/krb5kdc", "-n", "-r", realm)
	return k
}

func (k kdc) file(name string) string { return filepath.Join(k.dir, name) }

// broker returns what a broker's configuration needs.
func (k kdc) broker() []string {
	if k.dir == "" {
		return nil
	}
	return []string{
		"sasl.kerberos.service.name=kafka",
		fmt.Sprintf(`listener.name.sasl_plaintext.gssapi.sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab="%s" principal="kafka/127.0.0.1@%s";`, k.file("broker.keytab"), realm),
	}
}

func (k kdc) mechanisms(others ...string) string {
	if k.dir != "" {
		others = append(others, "GSSAPI")
	}
	return "sasl.enabled.mechanisms=" + strings.Join(others, ",")
}

// signIns are the ways to get a ticket.
func (k kdc) signIns(t *testing.T) map[string]kafka.SASL {
	t.Helper()
	if k.dir == "" {
		return nil
	}
	byKeytab := kafka.SASL{Mechanism: "gssapi", Username: "tidemark"}
	byKeytab.Kerberos.Config, byKeytab.Kerberos.Keytab = k.file("krb5.conf"), k.file("tidemark.keytab")
	byPassword := kafka.SASL{Mechanism: "gssapi", Username: "tidemark", Password: "hush"}
	byPassword.Kerberos.Config = k.file("krb5.conf")
	return map[string]kafka.SASL{"Keytab": byKeytab, "Password": byPassword}
}

// freeAddress is one of this machine that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	var l net.ListenConfig
	listener, err := l.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
