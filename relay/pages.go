package relay

import (
	"embed"
	"net/http"
)

// pages is a page that shows the live events, and what lets the tabs of a browser
// share one stream.
//
//go:embed pages
var pages embed.FS

// pageFiles are the files of pages, by their names below /crm-events/.
var pageFiles = [...]string{"live.html", "live.js", "tabs.js"}

func servePage(file string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, pages, "pages/"+file)
	})
}
