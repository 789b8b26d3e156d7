package main

import (
	"cmp"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/signin"
)

// kafkaFlags say how to reach a cluster and what of it to see, under
// kafka_exporter's names.
type kafkaFlags struct {
	servers                           []string
	topicFilter, topicExclude         string
	groupFilter, groupExclude         string
	saslEnabled                       bool
	saslUser, saslPassword, mechanism string
	tokenURL, tokenFile, scopes       string
	kerberos                          signin.Kerberos
	kerberosAuth                      string
	tlsEnabled, tlsSkipVerify         bool
	tlsServer, tlsCA, tlsCert, tlsKey string
}

func (k *kafkaFlags) bind(f *pflag.FlagSet) {
	f.StringArrayVar(&k.servers, "kafka.server", nil, "host:port of a broker; may be given several times")
	f.StringVar(&k.topicFilter, "topic.filter", ".*", "topics to watch, a regular expression")
	f.StringVar(&k.topicExclude, "topic.exclude", "^$", "topics not to watch")
	f.StringVar(&k.groupFilter, "group.filter", ".*", "groups to watch, a regular expression")
	f.StringVar(&k.groupExclude, "group.exclude", "^$", "groups not to watch")
	f.BoolVar(&k.tlsEnabled, "tls.enabled", false, "speak TLS to the brokers")
	f.BoolVar(&k.tlsSkipVerify, "tls.insecure-skip-tls-verify", false, "do not check the brokers' certificates")
	f.StringVar(&k.tlsServer, "tls.server-name", "", "name to expect in the brokers' certificates")
	f.StringVar(&k.tlsCA, "tls.ca-file", "", "authority that signed the brokers' certificates, PEM")
	f.StringVar(&k.tlsCert, "tls.cert-file", "", "our certificate, PEM")
	f.StringVar(&k.tlsKey, "tls.key-file", "", "its key, PEM")
	k.bindSASL(f)
}

func (k *kafkaFlags) bindSASL(f *pflag.FlagSet) {
	f.BoolVar(&k.saslEnabled, "sasl.enabled", false, "sign in by SASL")
	f.StringVar(&k.mechanism, "sasl.mechanism", "plain", "plain, scram-sha256, scram-sha512, oauthbearer, gssapi or awsiam")
	f.StringVar(&k.saslUser, "sasl.username", "", "SASL user (or $SASL_USER_NAME)")
	f.StringVar(&k.saslPassword, "sasl.password", "", "SASL password; better $SASL_USER_PASSWORD, which no process list shows")
	f.StringVar(&k.tokenURL, "sasl.oauthbearer-token-url", "", "where to get tokens with the user and password as client credentials (or $SASL_OAUTHBEARER_TOKEN_URL)")
	f.StringVar(&k.tokenFile, "sasl.oauthbearer-token-file", "", "file with a token, read at each sign-in (or $SASL_OAUTHBEARER_TOKEN_FILE)")
	f.StringVar(&k.scopes, "sasl.oauthbearer-scopes", "", "scopes to ask for: scope,scope")
	f.StringVar(&k.kerberos.Service, "sasl.service-name", "", "Kerberos: service name of the brokers")
	f.StringVar(&k.kerberos.Config, "sasl.kerberos-config-path", "", "Kerberos: path of krb5.conf")
	f.StringVar(&k.kerberos.Realm, "sasl.realm", "", "Kerberos: realm")
	f.StringVar(&k.kerberos.Keytab, "sasl.keytab-path", "", "Kerberos: path of the keytab")
	f.StringVar(&k.kerberosAuth, "sasl.kerberos-auth-type", "", "Kerberos: keytabAuth or userAuth")
	f.BoolVar(&k.kerberos.DisableFAST, "sasl.disable-PA-FX-FAST", false, "Kerberos: for a KDC that refuses PA-FX-FAST")
}

// brokers are those of the flags, else of the environment, else the usual ones.
func (k *kafkaFlags) brokers(usual string) []string {
	if len(k.servers) > 0 {
		return k.servers
	}
	return strings.Split(cmp.Or(os.Getenv("TIDEMARK_KAFKA_SERVER"), os.Getenv("KAFKA_BROKERS"), usual), ",")
}

// cluster is the one that the flags name.
func (k *kafkaFlags) cluster(f *pflag.FlagSet) (kafka.Config, error) {
	settings := kafka.Config{Name: "local", Brokers: k.brokers("localhost:9092")}
	k.overlay(f, &settings)
	if err := settings.Validate(); err != nil {
		return settings, exit{exitUsage, err}
	}
	return settings, nil
}

// collector looks at the cluster that the flags name.
func (k *kafkaFlags) collector(f *pflag.FlagSet) (kafka.Config, *kafka.Collector, error) {
	settings, err := k.cluster(f)
	if err != nil {
		return settings, nil, err
	}
	collector, err := kafka.Open(kafka.Options{Config: settings, Log: slog.New(slog.DiscardHandler)})
	return settings, collector, err
}

// overlay lays the flags over one cluster's settings.
func (k *kafkaFlags) overlay(f *pflag.FlagSet, c *kafka.Config) {
	if f.Changed("topic.filter") || f.Changed("topic.exclude") {
		c.Topics = kafka.Filter{Include: []string{k.topicFilter}, Exclude: []string{k.topicExclude}}
	}
	if f.Changed("group.filter") || f.Changed("group.exclude") {
		c.Groups = kafka.Filter{Include: []string{k.groupFilter}, Exclude: []string{k.groupExclude}}
	}
	if k.saslEnabled {
		c.SASL = k.sasl()
	}
	if k.tlsEnabled {
		c.TLS = kafka.TLS{
			Enabled: true, CA: k.tlsCA, Cert: k.tlsCert, Key: k.tlsKey,
			ServerName: k.tlsServer, InsecureSkipVerify: k.tlsSkipVerify,
		}
	}
}

// sasl takes of the flags what the mechanism asks for: kafka_exporter's command lines
// often carry more.
func (k *kafkaFlags) sasl() kafka.SASL {
	s := kafka.SASL{
		Mechanism: saslName(k.mechanism),
		Username:  cmp.Or(k.saslUser, os.Getenv("SASL_USER_NAME")),
		Password:  cmp.Or(k.saslPassword, os.Getenv("SASL_USER_PASSWORD")),
	}
	switch s.Mechanism {
	case "oauthbearer":
		s.OAuth.TokenURL = cmp.Or(k.tokenURL, os.Getenv("SASL_OAUTHBEARER_TOKEN_URL"))
		s.OAuth.TokenFile = cmp.Or(k.tokenFile, os.Getenv("SASL_OAUTHBEARER_TOKEN_FILE"))
		s.OAuth.Scopes = strings.FieldsFunc(k.scopes, func(r rune) bool { return r == ',' || r == ' ' })
	case "gssapi":
		s.Kerberos = k.kerberos
		if strings.EqualFold(k.kerberosAuth, "userAuth") {
			s.Kerberos.Keytab = ""
		} else if s.Kerberos.Keytab != "" {
			s.Password = ""
		}
	case "aws-msk-iam":
		s.Username, s.Password = "", ""
	}
	return s
}

// saslName is the mechanism's name in tidemark.yaml for kafka_exporter's spelling of it.
func saslName(mechanism string) string {
	switch name := strings.ToLower(mechanism); name {
	case "":
		return "plain"
	case "scram-sha256":
		return "scram-sha-256"
	case "scram-sha512":
		return "scram-sha-512"
	case "awsiam":
		return "aws-msk-iam"
	default:
		return name
	}
}
