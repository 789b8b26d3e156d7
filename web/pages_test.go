package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/web"
)

func TestPathsOfTheRouterOpenThePage(t *testing.T) {
	s := open(t, web.Options{})
	for _, path := range []string{"/", "/groups/main/crm.events", "/alerts", "/graph?g0.expr=up"} {
		w := get(t, s, path)
		if w.Code != http.StatusOK || !strings.Contains(strings.ToLower(w.Body.String()), "<!doctype html>") {
			t.Errorf("%s: %d, want the page", path, w.Code)
		}
		if got, want := w.Header().Get("Cache-Control"), "no-cache"; got != want {
			t.Errorf("%s: Cache-Control = %s, want %s", path, got, want)
		}
	}
	if got, want := get(t, s, "/missing.js").Code, http.StatusNotFound; got != want {
		t.Errorf("a file that is not there: %d, want %d", got, want)
	}
}

func TestBrowserThatHasAPageGetsItNotAgain(t *testing.T) {
	s := open(t, web.Options{})
	plain, small := get(t, s, "/").Header().Get("ETag"), get(t, s, "/", "Accept-Encoding", "gzip").Header()
	if got, want := small.Get("Content-Encoding"), "gzip"; got != want {
		t.Errorf("Content-Encoding = %s, want %s", got, want)
	}
	if plain == "" || plain == small.Get("ETag") || strings.HasPrefix(plain, "W/") {
		t.Errorf("ETags %s and %s: want two strong ones that differ", plain, small.Get("ETag"))
	}
	w := get(t, s, "/", "Accept-Encoding", "gzip", "If-None-Match", small.Get("ETag"))
	if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("got %d with %d bytes, want 304 with none", w.Code, w.Body.Len())
	}
}

// TestPagesAreSmall holds the budget of the pages' programs: 120 kB squeezed.
func TestPagesAreSmall(t *testing.T) {
	w := get(t, open(t, web.Options{}), "/app.js", "Accept-Encoding", "gzip")
	if got, most := w.Body.Len(), 120_000; w.Code != http.StatusOK || got > most {
		t.Errorf("app.js has %d bytes squeezed (status %d), the budget is %d", got, w.Code, most)
	}
}
