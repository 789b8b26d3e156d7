package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// The values of web.access. A third, login, comes with roles.
const (
	private = "private" // only this machine may look
	read    = "read"    // whoever reaches the port may look
)

// guard decides who may reach m:
//
//	             open   looking                     acting
//	private      all    this machine, or the token  the token, and no foreign origin
//	read         all    all                         the token, and no foreign origin
func (s *Server) guard(m Mount) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		acts := m.Acts && r.Method != http.MethodGet && r.Method != http.MethodHead
		switch {
		case acts && foreign.Check(r) != nil:
			s.Log.Warn("acting request from a foreign page refused", "path", r.URL.Path, "origin", r.Header.Get("Origin"))
			refuse(w, r, "This request came from a page of another origin. Only Tidemark's own pages and programs may act.")
		case acts && !s.signedIn(r):
			s.Log.Warn("acting request without the token refused", "path", r.URL.Path, "from", r.RemoteAddr)
			refuse(w, r, "This changes something and needs the token: send it as Authorization: Bearer <token>.")
		case !acts && !m.Open && s.Access != read && !loopback(r) && !s.signedIn(r):
			refuse(w, r, howToOpen)
		default:
			m.Handler.ServeHTTP(w, r)
		}
	})
}

const howToOpen = "Tidemark is private here: its pages answer only on its own machine, under http://localhost or http://127.0.0.1. " +
	"To let everyone who reaches this port read them, write `web: {access: read}` in tidemark.yaml or start it with --web.access=read. " +
	"/metrics, /healthz and /readyz answer everyone."

// refuse answers 403 in the form the caller reads.
func refuse(w http.ResponseWriter, r *http.Request, why string) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		problem(w, http.StatusForbidden, why)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">"+
		"<title>Tidemark: private</title><h1>403: not from here</h1><p>%s</p></html>\n", html.EscapeString(why))
}

// signedIn compares hashes, so that neither the token's text nor its length shows in the time taken.
func (s *Server) signedIn(r *http.Request) bool {
	given, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.Token))
	return is && s.Token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// loopback says whether a request was made on this machine, for this machine.
// The peer's address alone would not do: a page on another site can have its name
// resolve to 127.0.0.1 and make the browser here ask us (then Host is that name),
// and a proxy on this machine speaks for people elsewhere (then it says so).
func loopback(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch host {
	case "localhost", "127.0.0.1", "::1", "[::1]":
		return !forwarded(r.Header)
	}
	return false
}

func forwarded(h http.Header) bool {
	for name := range h {
		if name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}

// secured sets the headers that keep a page from running or sending what is not
// ours. Names of groups and topics come from whoever may write to Kafka.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
