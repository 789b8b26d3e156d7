package signin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// OAuth says where the token for OAUTHBEARER comes from: it is asked for, with
// the client's id and secret (RFC 6749 §4.4), or read from a file that somebody
// else keeps.
type OAuth struct {
	TokenURL   string            `yaml:"token_url"`
	CA         string            `yaml:"ca"` // file: who signed the certificate behind TokenURL; empty: the system's authorities
	Scopes     []string          `yaml:"scopes"`
	Extensions map[string]string `yaml:"extensions"` // told to the broker beside the token
	TokenFile  string            `yaml:"token_file"`
}

// extension is a name that RFC 7628 §3.1 allows; "auth" is the token's own.
var extension = regexp.MustCompile(`^[A-Za-z]+$`)

func (s SASL) validateOAuth() error {
	if (s.OAuth.TokenURL == "") == (s.OAuth.TokenFile == "") {
		return errors.New("sasl: mechanism oauthbearer needs either oauth.token_url or oauth.token_file, and not both")
	}
	for name := range s.OAuth.Extensions {
		if !extension.MatchString(name) || name == "auth" {
			return fmt.Errorf("sasl: oauth.extensions has %q; a name has only letters, and auth is taken", name)
		}
	}
	if s.OAuth.TokenFile != "" {
		return nil
	}
	if at, err := url.Parse(s.OAuth.TokenURL); err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		return errors.New("sasl: oauth.token_url is no address; write it as in https://login.example.com/token")
	}
	return s.validatePassword("password_file or password", s.Password, s.PasswordFile)
}

func (o Options) oauth() sasl.Mechanism {
	token := o.SASL.OAuth.read
	if o.SASL.OAuth.TokenFile == "" {
		token = keep("token", o.Log, o.askForToken).get
	}
	return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		text, err := token(ctx)
		return oauth.Auth{Token: text, Extensions: o.SASL.OAuth.Extensions}, err
	})
}

func (a OAuth) read(context.Context) (string, error) {
	text, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return "", fmt.Errorf("sasl: read token: %w", err)
	}
	return string(bytes.TrimSpace(text)), nil
}

// lastOfToken is the least that a token has to live on when it is shown. A broker
// ends the session with it (KIP-368), the client signs in again a second before, and
// the broker refuses to be signed in to twice within a second.
const lastOfToken = 10 * time.Second

// askForToken gets a token, and a new one when a fifth of its life is left, or ten
// seconds: clients sign in again when at most 5 % of the session are left, and shall
// find a new one then. One whose life is not told is used once.
func (o Options) askForToken(ctx context.Context, _ *credential[string]) (*credential[string], error) {
	secret, err := o.SASL.password()
	if err != nil {
		return nil, err
	}
	client, err := o.tokenClient()
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	ask := clientcredentials.Config{
		ClientID: o.SASL.Username, ClientSecret: secret, TokenURL: o.SASL.OAuth.TokenURL, Scopes: o.SASL.OAuth.Scopes,
	}
	token, err := ask.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return nil, fmt.Errorf("sasl: ask for a token: %w", withoutSecret(err, secret))
	}
	if token.Expiry.IsZero() {
		return &credential[string]{value: token.AccessToken, renew: asked, expires: asked}, nil
	}
	last := max(token.Expiry.Sub(asked)/5, lastOfToken)
	return &credential[string]{value: token.AccessToken, renew: token.Expiry.Add(-last), expires: token.Expiry}, nil
}

// tokenClient is a client for one question. It follows no redirects: credentials go
// where the configuration says and nowhere else.
func (o Options) tokenClient() (*http.Client, error) {
	authority := TLS{CA: o.SASL.OAuth.CA}
	read, err := authority.read()
	if err != nil {
		return nil, err
	}
	config, err := authority.parse(read)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout:       o.Deadline,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: o.Dial, TLSClientConfig: config,
			TLSHandshakeTimeout: o.Deadline, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		},
	}, nil
}

// withoutSecret keeps of a refusal what helps: an answer may hold anything.
func withoutSecret(err error, secret string) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return err
	}
	says := strings.TrimSpace(strings.Join([]string{refused.Response.Status, refused.ErrorCode, refused.ErrorDescription}, " "))
	if secret != "" {
		says = strings.ReplaceAll(says, secret, "<secret>")
	}
	return errors.New(says)
}
