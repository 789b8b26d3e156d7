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

// SASL says how we sign in. The password file is read again at each sign-in.
type SASL struct {
	Mechanism    string `yaml:"mechanism"` // none, plain, scram-sha-256, scram-sha-512
	Username     string `yaml:"username"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

// Validate says what is wrong and what to write instead.
func (s SASL) Validate() error {
	switch s.Mechanism {
	case "", "none":
		if s.Username != "" {
			return errors.New("sasl: there is a username but no mechanism; set mechanism to plain, scram-sha-256 or scram-sha-512")
		}
		return nil
	case "plain", "scram-sha-256", "scram-sha-512":
	case "oauthbearer", "aws-msk-iam":
		return fmt.Errorf("sasl: mechanism %s is not supported yet; use plain, scram-sha-256 or scram-sha-512, or tls with cert and key", s.Mechanism)
	default:
		return fmt.Errorf("sasl: mechanism %q is not known; use none, plain, scram-sha-256 or scram-sha-512", s.Mechanism)
	}
	switch {
	case s.Username == "":
		return fmt.Errorf("sasl: mechanism %s needs a username", s.Mechanism)
	case (s.Password == "") == (s.PasswordFile == ""):
		return fmt.Errorf("sasl: mechanism %s needs either password_file or password, and not both", s.Mechanism)
	}
	return nil
}

// mechanism returns nil if no sign-in is wanted.
func (s SASL) mechanism() sasl.Mechanism {
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
