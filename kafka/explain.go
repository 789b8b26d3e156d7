package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark/kafka/signin"
)

// explain adds to an error what a person can do about it, where we know: what
// happened and where comes from the error, why (most likely first) and what to
// change from here.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if hint := hintFor(err); hint != "" {
		return fmt.Errorf("%w\n  %s", err, hint)
	}
	return err
}

func hintFor(err error) string {
	var (
		name      *net.DNSError
		record    tls.RecordHeaderError
		handshake *signin.HandshakeError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		early     *kgo.ErrFirstReadEOF
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("The name %q does not resolve here. If it is not in your configuration, a broker has told it: "+
			"brokers hand out their advertised listeners, and this one is meant for clients elsewhere, often inside Docker. "+
			"Add a listener for the outside to the broker, or let the name resolve here.", name.Name)
	case errors.As(err, &record), errors.As(err, &handshake) && errors.Is(err, io.EOF):
		return "The port speaks plaintext, we spoke TLS. Set tls: {enabled: false}, or use the broker's TLS port."
	case errors.As(err, &authority):
		return "The broker's certificate is signed by an authority that is not known here. Set tls.ca to the file of the authority that signed it."
	case errors.As(err, &host):
		return "The broker's certificate is for another name. Set tls.server_name to the name in the certificate."
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "The broker refused the username or the password. Check sasl.username and the password file, and that the mechanism is the one the user was made for."
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return "The broker does not sign us in this way. Set sasl.mechanism to one that its listener has."
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "We may not describe the cluster. Grant Describe on the cluster to our user; tidemark doctor kafka prints the command."
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return "We may not describe this group. Grant Describe on the group, or on all; tidemark doctor kafka prints the command."
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return "We may not describe a topic. Grant Describe on the topic; tidemark doctor kafka prints the command."
	case errors.As(err, &early):
		return "The broker closed the connection at once. Most likely the port speaks TLS and we spoke plaintext: set tls: {enabled: true}. Or it wants a sign-in: set sasl."
	}
	return ""
}
