package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"github.com/aetherlink/tidemark/kafka"
)

// clusterFlags are those of every command that talks to Kafka.
func clusterFlags(f *pflag.FlagSet, c *kafka.Config) {
	c.Name = "main"
	f.StringSliceVar(&c.Brokers, "kafka.brokers", strings.Split(environment("KAFKA_BROKERS", "localhost:9092"), ","), "host:port of one or more brokers ($KAFKA_BROKERS)")
	f.BoolVar(&c.TLS.Enabled, "kafka.tls", false, "encrypt connections to brokers")
	f.StringVar(&c.TLS.CA, "kafka.tls.ca", "", "file with the authorities that brokers' certificates are of; empty: the system's")
	f.StringVar(&c.TLS.Cert, "kafka.tls.cert", "", "file with our certificate, and")
	f.StringVar(&c.TLS.Key, "kafka.tls.key", "", "with its key")
	f.StringVar(&c.TLS.ServerName, "kafka.tls.server-name", "", "name to expect in brokers' certificates; empty: the host dialled")
	f.StringVar(&c.SASL.Mechanism, "kafka.sasl.mechanism", "", "how to sign in: plain, scram-sha-256, scram-sha-512, oauthbearer, gssapi or aws-msk-iam; empty: do not")
	f.StringVar(&c.SASL.Username, "kafka.sasl.username", "", "user; oauthbearer: the client's id; gssapi: the principal")
	f.StringVar(&c.SASL.PasswordFile, "kafka.sasl.password-file", "", "file with the password or the client's secret")
	f.StringVar(&c.SASL.OAuth.TokenURL, "kafka.sasl.oauth.token-url", "", "oauthbearer: where tokens are to be had, or")
	f.StringVar(&c.SASL.OAuth.TokenFile, "kafka.sasl.oauth.token-file", "", "the file that has one")
	f.StringSliceVar(&c.SASL.OAuth.Scopes, "kafka.sasl.oauth.scope", nil, "scopes to ask for")
	f.StringVar(&c.SASL.Kerberos.Keytab, "kafka.sasl.kerberos.keytab", "", "gssapi: the keytab")
	f.StringVar(&c.SASL.Kerberos.Realm, "kafka.sasl.kerberos.realm", "", "gssapi: the realm; empty: the default of krb5.conf")
}

func cluster(c kafka.Config, log *slog.Logger) kafka.Options {
	return kafka.Options{Config: c, Client: "crm-events", Log: log}
}
