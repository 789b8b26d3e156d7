package clients

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestTabsWithTicketsComeBackWithNewOnes: the browser tries the used ticket first,
// and is refused for good; the helper fetches another.
func TestTabsWithTicketsComeBackWithNewOnes(t *testing.T) {
	browser := openBrowser(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	part := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32))) }
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		keys := []map[string]string{{"kty": "EC", "crv": "P-256", "kid": "one", "x": part(key.X), "y": part(key.Y)}}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	}))
	defer issuer.Close()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": issuer.URL, "aud": "crm-events", "sub": "bob", "tenant_id": "t1", "exp": time.Now().Add(time.Hour).Unix(),
	})
	token.Header["kid"] = "one"
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	b := openBed(t, "--access.issuer="+issuer.URL, "--access.jwks="+issuer.URL)
	page := openTab(t, browser, b.line.url("/crm-events/live.html"))
	page.eval(fmt.Sprintf(`import("/crm-events/tabs.js").then(({sharedEvents}) => {
		window.heard = []
		const ticket = () => fetch("/crm-events/ticket", {method: "POST", headers: {Authorization: "Bearer %s"}}).then(a => a.json()).then(a => a.ticket)
		sharedEvents("/crm-events?key=job-1", e => heard.push(JSON.parse(e.data)), {ticket})
	})`, text))
	page.await("the stream", `window.heard?.some(e => e.resume === "live")`)
	b.publish(5)
	page.await("five events", `heard.filter(e => e.offset >= 0).length === 5`)
	b.line.cut()
	b.publish(5)
	b.line.mend()
	page.await("the stream again", `heard.some(e => e.resume === "exact")`)
	page.await("each event once", `heard.filter(e => e.offset >= 0).map(e => e.offset).join() === "0,1,2,3,4,5,6,7,8,9"`)
}
