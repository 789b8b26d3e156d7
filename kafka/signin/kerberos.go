package signin

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/kerberos"
)

// Kerberos says how GSSAPI gets its tickets.
type Kerberos struct {
	Service     string `yaml:"service"`      // the brokers' service name; empty: kafka
	Realm       string `yaml:"realm"`        // empty: the default of krb5.conf
	Config      string `yaml:"config"`       // empty: /etc/krb5.conf
	Keytab      string `yaml:"keytab"`       // file, instead of a password
	DisableFAST bool   `yaml:"disable_fast"` // for a KDC that refuses PA-FX-FAST, as Active Directory may
}

// kerberos gets its tickets anew at each sign-in: a keytab that was replaced is used,
// and a sign-in costs the KDC two questions.
func (s SASL) kerberos() sasl.Mechanism {
	return kerberos.Kerberos(func(context.Context) (kerberos.Auth, error) {
		principal, err := s.principal()
		if err != nil {
			return kerberos.Auth{}, fmt.Errorf("sasl: kerberos: %w", err)
		}
		return kerberos.Auth{Client: principal, Service: cmp.Or(s.Kerberos.Service, "kafka")}, nil
	})
}

func (s SASL) principal() (*client.Client, error) {
	realms, err := config.Load(cmp.Or(s.Kerberos.Config, "/etc/krb5.conf"))
	if err != nil {
		return nil, err
	}
	realm := cmp.Or(s.Kerberos.Realm, realms.LibDefaults.DefaultRealm)
	fast := client.DisablePAFXFAST(s.Kerberos.DisableFAST)
	if s.Kerberos.Keytab != "" {
		keys, err := keytab.Load(s.Kerberos.Keytab)
		if err != nil {
			return nil, err
		}
		return client.NewWithKeytab(s.Username, realm, keys, realms, fast), nil
	}
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	return client.NewWithPassword(s.Username, realm, password, realms, fast), nil
}
