package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

// The built pages. They are committed, so that building Tidemark needs no Node.
//
//go:embed dist
var dist embed.FS

// page is one embedded file, as it is and squeezed.
type page struct {
	kind         string
	plain, small []byte
	tag          string // quoted hash of plain
}

// openPages squeezes every file once. Their names never change; a browser that
// has one asks whether its ETag still holds.
func openPages() (http.Handler, error) {
	pages := map[string]page{}
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		pages[name[len("dist"):]], err = pageOf(name, text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded pages: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, found := pages[r.URL.Path]
		if !found && path.Dir(r.URL.Path) == "/" && path.Ext(r.URL.Path) != "" {
			http.NotFound(w, r)
			return
		}
		if !found {
			p = pages["/index.html"] // the rest are pages of the router in the browser
		}
		p.serve(w, r)
	}), nil
}

func pageOf(name string, text []byte) (page, error) {
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return page{}, err
	}
	if _, err := z.Write(text); err != nil {
		return page{}, err
	}
	if err := z.Close(); err != nil {
		return page{}, err
	}
	kind, sum := mime.TypeByExtension(path.Ext(name)), sha256.Sum256(text)
	return page{kind: kind, plain: text, small: small.Bytes(), tag: hex.EncodeToString(sum[:8])}, nil
}

func (p page) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	// The squeezed form has other bytes, so a strong ETag must differ.
	body, tag := p.plain, `"`+p.tag+`"`
	if takesGzip(r) {
		body, tag = p.small, `"`+p.tag+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
