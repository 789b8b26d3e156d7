package runbooks

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/aetherlink/tidemark"
)

//go:embed page
var pages embed.FS

// at is where the handler expects to be mounted.
const at = "/runbooks/"

// Handler answers /runbooks/ with the list, and /runbooks/ALERT?cluster=&group=
// with the alert's runbook: as a page, or as Markdown for whoever asks for it by
// name (ALERT.md) or does not take HTML. It needs the pages' app.css beside it.
func Handler(view func() *tidemark.View) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+at+"{$}", func(w http.ResponseWriter, r *http.Request) {
		write(w, r, "Runbooks", list(view()))
	})
	mux.HandleFunc("GET "+at+"{alert}", func(w http.ResponseWriter, r *http.Request) {
		alert := strings.TrimSuffix(r.PathValue("alert"), ".md")
		query := r.URL.Query()
		text, err := Render(alert, Subject{View: view(), Cluster: query.Get("cluster"), Group: query.Get("group")})
		switch {
		case errors.Is(err, ErrNone):
			http.Error(w, "No alert of the shipped packs has this name; "+at+" lists them.", http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			write(w, r, alert, text)
		}
	})
	for _, name := range []string{"runbook.css", "runbook.js"} {
		mux.HandleFunc("GET "+at+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, pages, "page/"+name)
		})
	}
	return mux
}

// list is the index: what is active first.
func list(view *tidemark.View) string {
	var active, quiet strings.Builder
	for _, name := range Names() {
		f := facts{alert: name, view: view}
		line := fmt.Sprintf("- [%s](%s%s): %s\n", name, at, name, Meaning(name))
		if n := len(f.active()); n > 0 {
			fmt.Fprintf(&active, "- **%d active**, %s", n, line[2:])
			continue
		}
		quiet.WriteString(line)
	}
	text := "# Runbooks\n\nWhat to do when an alert of the shipped packs fires, with live values.\n\n"
	if active.Len() > 0 {
		text += "## Active now\n\n" + active.String() + "\n"
	}
	return text + "## All others\n\n" + quiet.String()
}

// write answers in the form that the reader takes.
func write(w http.ResponseWriter, r *http.Request, title, text string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	if strings.HasSuffix(r.URL.Path, ".md") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.Set("Content-Type", "text/markdown; charset=utf-8")
		_, _ = w.Write([]byte(text))
		return
	}
	page, err := page(title, text, plainOf(r.URL))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

// plainOf is where the same page is Markdown; the list has no such name.
func plainOf(u *url.URL) string {
	if u.Path == at {
		return ""
	}
	plain := url.URL{Path: u.Path + ".md", RawQuery: u.RawQuery}
	return plain.String()
}

// page turns Markdown into HTML. Raw HTML and dangerous links in it are dropped by
// goldmark unless it is told otherwise.
func page(title, text, plain string) ([]byte, error) {
	frame, err := template.ParseFS(pages, "page/page.html")
	if err != nil {
		return nil, fmt.Errorf("read the frame of runbooks: %w", err)
	}
	var body, whole bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.Table)).Convert([]byte(text), &body); err != nil {
		return nil, fmt.Errorf("make runbook %s a page: %w", title, err)
	}
	err = frame.Execute(&whole, struct {
		Title, Plain string
		Body         template.HTML
	}{title, plain, template.HTML(body.String())})
	return whole.Bytes(), err
}
