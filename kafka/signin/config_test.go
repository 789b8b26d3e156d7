package signin_test

import (
	"encoding/json"
	"fmt"
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
		{signin.SASL{Mechanism: "SCRAM"}.Validate(), "use none, plain"},
		{signin.SASL{Mechanism: "plain"}.Validate(), "needs a username"},
		{signin.SASL{Mechanism: "plain", Username: "me"}.Validate(), "needs either password_file or password"},
		{signin.SASL{Mechanism: "plain", Username: "me", Password: "a", PasswordFile: "b"}.Validate(), "only one of them"},
		{signin.SASL{Mechanism: "oauthbearer"}.Validate(), "either oauth.token_url or oauth.token_file"},
		{signin.SASL{Mechanism: "oauthbearer", OAuth: signin.OAuth{TokenURL: "https://idp/token"}}.Validate(), "needs a username"},
		{signin.SASL{Mechanism: "oauthbearer", Username: "me", Password: "a", OAuth: signin.OAuth{TokenURL: "idp"}}.Validate(), "write it as in https://"},
		{signin.SASL{Mechanism: "oauthbearer", OAuth: signin.OAuth{TokenFile: "f", Extensions: map[string]string{"auth": "x"}}}.Validate(), "auth is taken"},
		{signin.SASL{Mechanism: "gssapi", Username: "me"}.Validate(), "kerberos.keytab, password_file or password"},
		{signin.SASL{Mechanism: "aws-msk-iam", Password: "a"}.Validate(), "take username and password out"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error is %v, want one that says %q", c.err, c.want)
		}
	}
	for _, good := range []signin.SASL{
		{},
		{Mechanism: "scram-sha-512", Username: "me", PasswordFile: "f"},
		{Mechanism: "oauthbearer", OAuth: signin.OAuth{TokenFile: "f"}},
		{Mechanism: "oauthbearer", Username: "me", Password: "a", OAuth: signin.OAuth{TokenURL: "https://idp/token", Extensions: map[string]string{"logicalCluster": "lkc-1"}}},
		{Mechanism: "gssapi", Username: "me", Kerberos: signin.Kerberos{Keytab: "f"}},
		{Mechanism: "aws-msk-iam"},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
}

func TestNoWayOfPrintingShowsThePassword(t *testing.T) {
	within := struct{ SASL signin.SASL }{signin.SASL{Mechanism: "plain", Username: "me", Password: "hush"}}
	text, err := json.Marshal(within)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", within, within, within, within), string(text)} {
		if strings.Contains(printed, "hush") || !strings.Contains(printed, "me") {
			t.Errorf("printed as %s", printed)
		}
	}
}
