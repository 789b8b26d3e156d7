package access_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/aetherlink/tidemark/relay/access"
)

// issuer makes tokens, and shows its keys.
type issuer struct {
	*httptest.Server
	keys  map[string]*ecdsa.PrivateKey
	asked int
}

func openIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]*ecdsa.PrivateKey{}}
	i.newKey(t, "one")
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked++
		list := []map[string]string{}
		for id, key := range i.keys {
			part := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32))) }
			list = append(list, map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": part(key.X), "y": part(key.Y)})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": list})
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) newKey(t testing.TB, id string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.keys[id] = key
}

// good are the claims of a token that is.
func (i *issuer) good() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": i.URL, "aud": "crm-events", "sub": "bob", "tenant_id": "t1", "exp": time.Now().Add(time.Hour).Unix(),
	}
}

// with are good claims, but for one.
func (i *issuer) with(claim string, value any) jwt.MapClaims {
	claims := i.good()
	claims[claim] = value
	if value == nil {
		delete(claims, claim)
	}
	return claims
}

func sign(t testing.TB, method jwt.SigningMethod, key crypto.PrivateKey, id string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = id
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (i *issuer) token(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	return sign(t, jwt.SigningMethodES256, i.keys["one"], "one", claims)
}

func (i *issuer) guard(t testing.TB, change func(*access.Config)) *access.Guard {
	t.Helper()
	c := access.Config{Issuer: i.URL, Audience: "crm-events", JWKS: i.URL, TenantClaim: "tenant_id"}
	if change != nil {
		change(&c)
	}
	g, err := access.Open(t.Context(), access.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func request(method, path, token string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func TestWhomTheIssuerVouchesForGetsIn(t *testing.T) {
	i := openIssuer(t)
	g := i.guard(t, nil)
	who, err := g.Admit(request(http.MethodGet, "/crm-events", i.token(t, i.with("tenant_id", []string{"t1", "t2"}))))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := who.Tenants, []string{"t1", "t2"}; who.User != "bob" || !slices.Equal(got, want) {
		t.Errorf("admitted %+v, want bob of %v", who, want)
	}
	if left := time.Until(who.Until); left < 59*time.Minute || left > time.Hour {
		t.Errorf("admitted for %v, want until the token expires", left)
	}
}

func TestTokensThatAreNotGoodLetNobodyIn(t *testing.T) {
	i := openIssuer(t)
	stranger := openIssuer(t)
	g := i.guard(t, nil)
	public := base64.RawURLEncoding.EncodeToString(i.keys["one"].X.Bytes())
	none := jwt.NewWithClaims(jwt.SigningMethodNone, i.good())
	unsigned, err := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for what, token := range map[string]string{
		"no token":                       "",
		"no token at all":                "x.y.z",
		"without a signature":            unsigned,
		"signed with the public key":     sign(t, jwt.SigningMethodHS256, []byte(public), "one", i.good()),
		"a stranger's key of that name":  stranger.token(t, i.good()),
		"a key that nobody has":          sign(t, jwt.SigningMethodES256, stranger.keys["one"], "two", i.good()),
		"another issuer":                 i.token(t, i.with("iss", "https://evil.example.com")),
		"no issuer":                      i.token(t, i.with("iss", nil)),
		"for somebody else":              i.token(t, i.with("aud", "billing")),
		"for nobody":                     i.token(t, i.with("aud", nil)),
		"expired":                        i.token(t, i.with("exp", time.Now().Add(-time.Minute).Unix())),
		"never expiring":                 i.token(t, i.with("exp", nil)),
		"not yet valid":                  i.token(t, i.with("nbf", time.Now().Add(time.Minute).Unix())),
		"of nobody":                      i.token(t, i.with("sub", nil)),
		"with another token's signature": i.token(t, i.good())[:60] + i.token(t, i.good())[60:] + "A",
	} {
		if who, err := g.Admit(request(http.MethodGet, "/crm-events", token)); err == nil {
			t.Errorf("%s: admitted %+v", what, who)
		}
	}
}

// TestTokenWithoutATenantSeesNobody: no claim is no right, and never all rights.
func TestTokenWithoutATenantSeesNobody(t *testing.T) {
	i := openIssuer(t)
	g := i.guard(t, nil)
	for _, claim := range []any{nil, 7, map[string]string{"t1": "t1"}, []any{}} {
		who, err := g.Admit(request(http.MethodGet, "/crm-events", i.token(t, i.with("tenant_id", claim))))
		if err != nil || who.Tenants == nil || len(who.Tenants) > 0 {
			t.Errorf("tenant %v: admitted %+v, %v; want nobody's events", claim, who, err)
		}
	}
}

func TestTokenMayComeInTheCookieThatIsNamed(t *testing.T) {
	i := openIssuer(t)
	r := request(http.MethodGet, "/crm-events", "")
	r.AddCookie(&http.Cookie{Name: "session", Value: i.token(t, i.good())})
	if _, err := i.guard(t, func(c *access.Config) { c.Cookie = "session" }).Admit(r); err != nil {
		t.Error(err)
	}
	if who, err := i.guard(t, nil).Admit(r); err == nil {
		t.Errorf("a cookie that nobody named admitted %+v", who)
	}
}

func TestTokenInTheAddressIsNotLookedAt(t *testing.T) {
	i := openIssuer(t)
	g := i.guard(t, nil)
	for _, name := range []string{"token", "access_token", "authorization", "ticket"} {
		if who, err := g.Admit(request(http.MethodGet, "/crm-events?"+name+"="+i.token(t, i.good()), "")); err == nil {
			t.Errorf("%s admitted %+v", name, who)
		}
	}
}

// TestNewKeysAreFoundAndMadeUpOnesCostTheIssuerNothing: the issuer is asked for a
// key that we do not know, but not for each of a thousand.
func TestNewKeysAreFoundAndMadeUpOnesCostTheIssuerNothing(t *testing.T) {
	i := openIssuer(t)
	g := i.guard(t, nil)
	i.newKey(t, "two")
	if _, err := g.Admit(request(http.MethodGet, "/crm-events", sign(t, jwt.SigningMethodES256, i.keys["two"], "two", i.good()))); err != nil {
		t.Errorf("a key that is new: %v", err)
	}
	before := i.asked
	for n := range 1000 {
		_, _ = g.Admit(request(http.MethodGet, "/crm-events", sign(t, jwt.SigningMethodES256, i.keys["two"], strconv.Itoa(n), i.good())))
	}
	if got, most := i.asked-before, 1; got > most {
		t.Errorf("the issuer was asked %d times, want at most %d", got, most)
	}
}

func (i *issuer) ticket(t *testing.T, g *access.Guard) string {
	t.Helper()
	answer := httptest.NewRecorder()
	g.ServeHTTP(answer, request(http.MethodPost, "/crm-events/ticket", i.token(t, i.good())))
	var body struct{ Ticket string }
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("asking for a ticket: %d %s", answer.Code, answer.Body)
	}
	return body.Ticket
}

func TestTicketIsGoodOnceAndForHimWhoFetchedIt(t *testing.T) {
	i := openIssuer(t)
	g := i.guard(t, nil)
	ticket := i.ticket(t, g)
	who, err := g.Admit(request(http.MethodGet, "/crm-events?ticket="+ticket, ""))
	if err != nil || who.User != "bob" || !slices.Equal(who.Tenants, []string{"t1"}) || time.Until(who.Until) < 59*time.Minute {
		t.Errorf("the ticket admitted %+v, %v; want bob of t1 for an hour", who, err)
	}
	if who, err := g.Admit(request(http.MethodGet, "/crm-events?ticket="+ticket, "")); err == nil {
		t.Errorf("used again it admitted %+v", who)
	}
}

func TestTicketThatWasTamperedWithIsWorthNothing(t *testing.T) {
	i := openIssuer(t)
	g := i.guard(t, nil)
	body, signature, _ := strings.Cut(i.ticket(t, g), ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(raw), `"t1"`, `"t2"`)))
	elsewhere := i.ticket(t, i.guard(t, nil)) // of a replica with another secret
	for _, ticket := range []string{forged + "." + signature, body, body + ".", "." + signature, elsewhere} {
		if who, err := g.Admit(request(http.MethodGet, "/crm-events?ticket="+ticket, "")); err == nil {
			t.Errorf("%s admitted %+v", ticket, who)
		}
	}
}

func TestTicketIsGoodOnEachReplicaWithTheSameSecret(t *testing.T) {
	i := openIssuer(t)
	secret := func(c *access.Config) { c.Secret = []byte("0123456789abcdef0123456789abcdef") }
	one, other := i.guard(t, secret), i.guard(t, secret)
	if _, err := other.Admit(request(http.MethodGet, "/crm-events?ticket="+i.ticket(t, one), "")); err != nil {
		t.Error(err)
	}
}

func TestTicketIsForThoseWithATokenThatPost(t *testing.T) {
	i := openIssuer(t)
	g := i.guard(t, nil)
	for want, r := range map[int]*http.Request{
		http.StatusUnauthorized:     request(http.MethodPost, "/crm-events/ticket", ""),
		http.StatusMethodNotAllowed: request(http.MethodGet, "/crm-events/ticket", i.token(t, i.good())),
	} {
		answer := httptest.NewRecorder()
		g.ServeHTTP(answer, r)
		if got := answer.Code; got != want {
			t.Errorf("answered %d, want %d", got, want)
		}
	}
}

func TestConfigurationThatWouldLetAnybodyInIsRefused(t *testing.T) {
	good := access.Config{Issuer: "https://id.example.com", Audience: "crm-events", JWKS: "https://id.example.com/keys", TenantClaim: "tenant_id"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*access.Config){
		"no issuer":         func(c *access.Config) { c.Issuer = "" },
		"no audience":       func(c *access.Config) { c.Audience = "" },
		"no keys":           func(c *access.Config) { c.JWKS = "" },
		"no tenant's claim": func(c *access.Config) { c.TenantClaim = "" },
		"keys by http":      func(c *access.Config) { c.JWKS = "http://id.example.com/keys" },
		"keys of a file":    func(c *access.Config) { c.JWKS = "file:///etc/keys" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	good.Secret = []byte("short")
	if _, err := access.Open(t.Context(), access.Options{Config: good}); err == nil {
		t.Error("a short secret: no error")
	}
}

// FuzzToken: whatever is sent as a token or ticket, nobody gets in by it.
func FuzzToken(f *testing.F) {
	i := openIssuer(f)
	g := i.guard(f, nil)
	header, rest, _ := strings.Cut(openIssuer(f).token(f, i.good()), ".")
	for _, seed := range []string{"", "a.b.c", header + "." + rest, header + "..", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bearer := httptest.NewRequest(http.MethodGet, "/crm-events", nil)
		bearer.Header.Set("Authorization", "Bearer "+text)
		inAddress := httptest.NewRequest(http.MethodGet, "/crm-events", nil)
		inAddress.URL.RawQuery = "ticket=" + text
		for _, r := range []*http.Request{bearer, inAddress} {
			if who, err := g.Admit(r); err == nil {
				t.Errorf("%q admitted %+v", text, who)
			}
		}
	})
}
