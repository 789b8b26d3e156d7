package signin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// SASL says how we sign in. Files are read again at each sign-in.
type SASL struct {
	Mechanism    string   `yaml:"mechanism"`         // none, plain, scram-sha-256, scram-sha-512, oauthbearer, gssapi, aws-msk-iam
	Username     string   `yaml:"username"`          // oauthbearer: the client's id; gssapi: the principal
	Password     string   `yaml:"password" json:"-"` // oauthbearer: the client's secret
	PasswordFile string   `yaml:"password_file"`
	OAuth        OAuth    `yaml:"oauth"`
	Kerberos     Kerberos `yaml:"kerberos"`
}

// String says how we sign in, without the secret.
func (s SASL) String() string { return fmt.Sprintf("%s as %q", s.Mechanism, s.Username) }

// GoString is String: no verb prints the secret.
func (s SASL) GoString() string { return s.String() }

// mechanisms are the words for [SASL.Mechanism] in messages.
const mechanisms = "plain, scram-sha-256, scram-sha-512, oauthbearer, gssapi or aws-msk-iam"

// Validate says what is wrong and what to write instead.
func (s SASL) Validate() error {
	switch s.Mechanism {
	case "", "none":
		if s.Username != "" {
			return errors.New("sasl: there is a username but no mechanism; set mechanism to " + mechanisms)
		}
		return nil
	case "plain", "scram-sha-256", "scram-sha-512":
		return s.validatePassword("password_file or password", s.Password, s.PasswordFile)
	case "oauthbearer":
		return s.validateOAuth()
	case "gssapi":
		return s.validatePassword("kerberos.keytab, password_file or password", s.Password, s.PasswordFile, s.Kerberos.Keytab)
	case "aws-msk-iam":
		if s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			return errors.New("sasl: mechanism aws-msk-iam takes its credentials from where all of AWS' tools do (environment, files, instance); take username and password out")
		}
		return nil
	}
	return fmt.Errorf("sasl: mechanism %q is not known; use none, %s", s.Mechanism, mechanisms)
}

// validatePassword wants a username and exactly one of the places for a secret.
func (s SASL) validatePassword(places string, secrets ...string) error {
	given := 0
	for _, secret := range secrets {
		if secret != "" {
			given++
		}
	}
	switch {
	case s.Username == "":
		return fmt.Errorf("sasl: mechanism %s needs a username", s.Mechanism)
	case given != 1:
		return fmt.Errorf("sasl: mechanism %s needs either %s, and only one of them", s.Mechanism, places)
	}
	return nil
}

// mechanism returns nil if no sign-in is wanted.
func (o Options) mechanism() sasl.Mechanism {
	s := o.SASL
	switch s.Mechanism {
	case "plain":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := s.password()
			return plain.Auth{User: s.Username, Pass: password}, err
		})
	case "scram-sha-256":
		return scram.Sha256(s.scram)
	case "scram-sha-512":
		return scram.Sha512(s.scram)
	case "oauthbearer":
		return o.oauth()
	case "gssapi":
		return s.kerberos()
	case "aws-msk-iam":
		return o.aws()
	}
	return nil
}

func (s SASL) scram(context.Context) (scram.Auth, error) {
	password, err := s.password()
	return scram.Auth{User: s.Username, Pass: password}, err
}

func (s SASL) password() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("sasl: read password: %w", err)
	}
	return string(bytes.TrimRight(text, "\r\n")), nil
}
