package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// status is how a request is answered, or why not.
func status(t *testing.T, method, url string, header ...string) (code int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	line, _ := bufio.NewReader(answer.Body).ReadString('\n') // a stream has no end
	return answer.StatusCode, line
}

// TestServiceAsksForTokensIfAnIssuerIsNamed goes the way of a page: a token, a
// ticket for it, and the stream; operators have a port of their own.
func TestServiceAsksForTokensIfAnIssuerIsNamed(t *testing.T) {
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
	at, _ := serveOnLoopback(t, func(s *settings) {
		s.adminListen = "127.0.0.1:0"
		s.access.Issuer, s.access.Audience, s.access.JWKS, s.access.TenantClaim = issuer.URL, "crm-events", issuer.URL, "tenant_id"
	})
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": issuer.URL, "aud": "crm-events", "sub": "bob", "tenant_id": "t1", "exp": time.Now().Add(time.Hour).Unix(),
	})
	token.Header["kid"] = "one"
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	public, admin := "http://"+at.public.Addr().String(), "http://"+at.admin.Addr().String()
	if got, _ := status(t, http.MethodGet, public+"/crm-events"); got != http.StatusUnauthorized {
		t.Errorf("without a token the stream answered %d", got)
	}
	if got, line := status(t, http.MethodGet, public+"/crm-events", "Authorization", "Bearer "+text); got != http.StatusOK {
		t.Errorf("with a token the stream answered %d %s", got, line)
	}
	code, line := status(t, http.MethodPost, public+"/crm-events/ticket", "Authorization", "Bearer "+text)
	var answer struct{ Ticket string }
	if err := json.Unmarshal([]byte(line), &answer); err != nil {
		t.Fatalf("asking for a ticket: %d %s", code, line)
	}
	for _, want := range []int{http.StatusOK, http.StatusUnauthorized} { // once
		if got, _ := status(t, http.MethodGet, public+"/crm-events?ticket="+answer.Ticket); got != want {
			t.Errorf("with the ticket the stream answered %d, want %d", got, want)
		}
	}
	for path, want := range map[string]int{"/metrics": 200, "/readyz": 200, "/clients": 200, "/healthz": 200} {
		if got, _ := status(t, http.MethodGet, admin+path); got != want {
			t.Errorf("the operators' %s answered %d, want %d", path, got, want)
		}
		if got, _ := status(t, http.MethodGet, public+path); path != "/healthz" && got != http.StatusNotFound {
			t.Errorf("the public %s answered %d, want %d", path, got, http.StatusNotFound)
		}
	}
}

// TestHeadersThatAreGiantAreRefused: what a client makes us keep is bounded before
// anything looks at it.
func TestHeadersThatAreGiantAreRefused(t *testing.T) {
	at, _ := serveOnLoopback(t, func(*settings) {})
	url := "http://" + at.public.Addr().String() + "/crm-events"
	if got, _ := status(t, http.MethodGet, url, "Last-Event-ID", strings.Repeat("x", 100_000)); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 100 kB was answered by %d, want %d", got, http.StatusRequestHeaderFieldsTooLarge)
	}
	if got, _ := status(t, http.MethodGet, url); got != http.StatusOK {
		t.Errorf("the next was answered by %d", got)
	}
}

// TestStreamComesByHTTP2IfThereIsACertificate: a browser has six connections to a
// host, and as many streams as it likes on one of HTTP/2.
func TestStreamComesByHTTP2IfThereIsACertificate(t *testing.T) {
	cert, key, pool := certificate(t)
	at, _ := serveOnLoopback(t, func(s *settings) { s.cert, s.key, s.relay.Dense = cert, key, true })
	for _, version := range []string{"HTTP/2.0", "HTTP/1.1"} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: version == "HTTP/2.0"}
		defer transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var lines []*bufio.Scanner
		for range 8 {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+at.public.Addr().String()+"/crm-events", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := (&http.Client{Transport: transport}).Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if got := answer.Proto; got != version {
				t.Errorf("the stream came by %s, want %s", got, version)
			}
			lines = append(lines, bufio.NewScanner(answer.Body))
		}
		for _, stream := range lines {
			await(t, stream, `"kind":"connected"`)
		}
	}
}

// certificate makes one for the loopback, and those who trust it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, raw []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private), pool
}
