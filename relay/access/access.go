// Package access says who may read events: it checks tokens (JWT) against the keys
// of their issuer, and exchanges one for a ticket that may stand in an address,
// since a browser's EventSource sends no headers.
//
// It hides where a token comes from, how keys are fetched and renewed, and what a
// ticket is made of. It never takes a token from an address, never builds an
// address from a token, and never lets anybody in whom no key vouches for.
//
// May change until version 1.
package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/aetherlink/tidemark/relay"
)

// Config is what an operator may set. Everything but Cookie and Secret is required.
type Config struct {
	Issuer      string // who makes tokens: their claim iss
	Audience    string // whom they are for: their claim aud has to name this
	JWKS        string // where the issuer shows its keys: an https address, or http on this machine
	TenantClaim string // which claim names the tenant, or a list of them, whose events may be seen
	Cookie      string // a cookie that may hold the token as well; empty: none
	Secret      []byte // signs tickets, the same on all replicas; empty: a ticket is good for this replica only
}

// Options is Config and the living things.
type Options struct {
	Config
	Client *http.Client // fetches the keys; nil: the usual one
	Log    *slog.Logger // nil: silent
}

// leeway is by how much the issuer's clock may differ from ours.
const leeway = 5 * time.Second

// algorithms are those that tokens may be signed with: with a public key, so that
// who can check a token cannot make one.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Guard lets in those whom the issuer vouches for.
type Guard struct {
	Config
	keys    keyfunc.Keyfunc
	parser  *jwt.Parser
	tickets *tickets
}

// Open makes a guard that renews its keys until ctx ends. The issuer need not be up
// yet; until it is, nobody gets in.
func Open(ctx context.Context, o Options) (*Guard, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{o.JWKS}, keyfunc.Override{
		Client:      o.Client,
		HTTPTimeout: 5 * time.Second,
		// A key that we do not know may be new; who makes keys up must not make us ask more often.
		RefreshUnknownKID: rate.NewLimiter(rate.Every(10*time.Second), 1),
		RateLimitWaitMax:  10 * time.Millisecond, // hardly anybody waits for that
		RefreshErrorHandlerFunc: func(u string) func(context.Context, error) {
			return func(_ context.Context, err error) { o.Log.Warn("keys cannot be fetched", "url", u, "err", err) }
		},
	})
	if err != nil {
		return nil, fmt.Errorf("keys from %s: %w", o.JWKS, err)
	}
	tickets, err := newTickets(o.Secret)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms()), jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway))
	return &Guard{Config: o.Config, keys: keys, parser: parser, tickets: tickets}, nil
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Issuer == "" || c.Audience == "" || c.JWKS == "" || c.TenantClaim == "" {
		return errors.New("access: issuer, audience, the address of the keys and the tenant's claim are needed together")
	}
	u, err := url.Parse(c.JWKS)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("access: the keys' address %q is not https; whoever is on the way could put in keys of their own", c.JWKS)
	}
	return nil
}

// Admit says who asks, or why they may not: by a ticket in the address, a bearer
// token, or the cookie.
func (g *Guard) Admit(r *http.Request) (relay.Visitor, error) {
	if ticket := r.URL.Query().Get("ticket"); ticket != "" {
		return g.tickets.take(ticket, time.Now())
	}
	return g.byToken(r)
}

func (g *Guard) byToken(r *http.Request) (relay.Visitor, error) {
	text, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if cookie, err := r.Cookie(g.Cookie); !is && g.Cookie != "" && err == nil {
		text = cookie.Value
	}
	if text == "" {
		return relay.Visitor{}, errors.New("no token; send one as Authorization: Bearer, or a ticket")
	}
	claims := jwt.MapClaims{}
	if _, err := g.parser.ParseWithClaims(text, claims, g.keys.KeyfuncCtx(r.Context())); err != nil {
		return relay.Visitor{}, fmt.Errorf("the token: %w", err)
	}
	subject, err := claims.GetSubject()
	if err != nil || subject == "" {
		return relay.Visitor{}, errors.New("the token: it names no subject")
	}
	until, err := claims.GetExpirationTime()
	if err != nil {
		return relay.Visitor{}, fmt.Errorf("the token: %w", err)
	}
	return relay.Visitor{User: subject, Tenants: texts(claims[g.TenantClaim]), Until: until.Time}, nil
}

// texts reads a claim that is a text or a list of them. Anything else is nobody's:
// the list is never nil.
func texts(claim any) []string {
	list := []string{}
	switch c := claim.(type) {
	case string:
		list = append(list, c)
	case []any:
		for _, each := range c {
			if text, is := each.(string); is {
				list = append(list, text)
			}
		}
	}
	return list
}
