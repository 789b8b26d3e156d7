package signin_test

import (
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/kafka/signin"
)

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{signin.TLS{CA: "ca.pem"}.Validate(), "set enabled: true"},
		{signin.TLS{Enabled: true, Cert: "cert.pem"}.Validate(), "set both or neither"},
		{signin.SASL{Username: "me"}.Validate(), "set mechanism to"},
		{signin.SASL{Mechanism: "oauthbearer"}.Validate(), "is not supported yet; use plain"},
		{signin.SASL{Mechanism: "SCRAM"}.Validate(), "use none, plain"},
		{signin.SASL{Mechanism: "plain"}.Validate(), "needs a username"},
		{signin.SASL{Mechanism: "plain", Username: "me"}.Validate(), "needs either password_file or password"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error is %v, want one that says %q", c.err, c.want)
		}
	}
}
