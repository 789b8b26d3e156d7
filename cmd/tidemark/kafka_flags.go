package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/aetherlink/tidemark/kafka"
)

// kafkaFlags say how to reach a cluster and what of it to see, under
// kafka_exporter's names.
type kafkaFlags struct {
	servers                           []string
	topicFilter, topicExclude         string
	groupFilter, groupExclude         string
	saslEnabled                       bool
	saslUser, saslPassword, mechanism string
	tlsEnabled, tlsSkipVerify         bool
	tlsServer, tlsCA, tlsCert, tlsKey string
}

func (k *kafkaFlags) bind(f *pflag.FlagSet) {
	f.StringArrayVar(&k.servers, "kafka.server", nil, "host:port of a broker; may be given several times")
	f.StringVar(&k.topicFilter, "topic.filter", ".*", "topics to watch, a regular expression")
	f.StringVar(&k.topicExclude, "topic.exclude", "^$", "topics not to watch")
	f.StringVar(&k.groupFilter, "group.filter", ".*", "groups to watch, a regular expression")
	f.StringVar(&k.groupExclude, "group.exclude", "^$", "groups not to watch")
	f.BoolVar(&k.saslEnabled, "sasl.enabled", false, "sign in by SASL")
	f.StringVar(&k.saslUser, "sasl.username", "", "SASL user (or $SASL_USER_NAME)")
	f.StringVar(&k.saslPassword, "sasl.password", "", "SASL password; better $SASL_USER_PASSWORD, which no process list shows")
	f.StringVar(&k.mechanism, "sasl.mechanism", "plain", "plain, scram-sha256 or scram-sha512")
	f.BoolVar(&k.tlsEnabled, "tls.enabled", false, "speak TLS to the brokers")
	f.BoolVar(&k.tlsSkipVerify, "tls.insecure-skip-tls-verify", false, "do not check the brokers' certificates")
	f.StringVar(&k.tlsServer, "tls.server-name", "", "name to expect in the brokers' certificates")
	f.StringVar(&k.tlsCA, "tls.ca-file", "", "authority that signed the brokers' certificates, PEM")
	f.StringVar(&k.tlsCert, "tls.cert-file", "", "our certificate, PEM")
	f.StringVar(&k.tlsKey, "tls.key-file", "", "its key, PEM")
}

// brokers are those of the flags, else of the environment, else the usual ones.
func (k *kafkaFlags) brokers(usual string) []string {
	if len(k.servers) > 0 {
		return k.servers
	}
	return strings.Split(cmp.Or(os.Getenv("TIDEMARK_KAFKA_SERVER"), os.Getenv("KAFKA_BROKERS"), usual), ",")
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
		c.SASL.Mechanism = saslName(k.mechanism)
		c.SASL.Username = cmp.Or(k.saslUser, os.Getenv("SASL_USER_NAME"))
		c.SASL.Password = cmp.Or(k.saslPassword, os.Getenv("SASL_USER_PASSWORD"))
	}
	if k.tlsEnabled {
		c.TLS = kafka.TLS{
			Enabled: true, CA: k.tlsCA, Cert: k.tlsCert, Key: k.tlsKey,
			ServerName: k.tlsServer, InsecureSkipVerify: k.tlsSkipVerify,
		}
	}
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
	default:
		return name
	}
}
