package web

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aetherlink/tidemark"
)

// object returns the head of an answer of the given kind.
func (m *moment) object(kind string) Object {
	o := m.summary.Object
	o.Kind = kind
	return o
}

func (s *Server) view(w http.ResponseWriter, r *http.Request) {
	m := s.now.Load()
	s.reply(w, r, m, func() any { return m.summary })
}

func (s *Server) groups(w http.ResponseWriter, r *http.Request) {
	m := s.now.Load()
	s.reply(w, r, m, func() any { return GroupList{m.object("GroupList"), m.groups(), m.summary.Errors} })
}

func (m *moment) groups() []Group {
	groups := make([]Group, len(m.rows))
	for i, r := range m.rows {
		groups[i] = r.Group
	}
	return groups
}

func (s *Server) group(w http.ResponseWriter, r *http.Request) {
	m, name := s.now.Load(), Name{r.PathValue("cluster"), r.PathValue("group")}
	i, found := m.at[name]
	if !found {
		noSuchGroup(w, name)
		return
	}
	s.reply(w, r, m, func() any { return m.detail(m.rows[i].Group) })
}

func noSuchGroup(w http.ResponseWriter, name Name) {
	problem(w, http.StatusNotFound, fmt.Sprintf("Cluster %q has no group %q that Tidemark can see.", name.Cluster, name.Group))
}

// detail tells all about one group that is in the moment.
func (m *moment) detail(row Group) GroupDetail {
	name := Name{row.Cluster, row.Row.Group}
	o, _ := m.view.Observation(name.Cluster)
	g, _ := o.Snapshot.Group(name.Group)
	e, _ := o.Estimate(name.Group)
	partitions := partitionsOf(o.Snapshot, g, e)
	return GroupDetail{
		Object: m.object("Group"), Group: row, Explanation: m.load(name).explain(g.Members), Assignor: g.Assignor,
		Thresholds: thresholdsOf(m.pipeline(name).Thresholds), Partitions: partitions, Members: membersOf(g, partitions),
		Alerts: alertsOf(m.view.Alerts, func(n Name) bool { return n == name }),
		Events: eventsOf(m.view.Events, func(e tidemark.Event) bool { return e.Cluster == name.Cluster && e.Group == name.Group }),
		Errors: gapsOf(shownErrors, o),
	}
}

func (s *Server) alerts(w http.ResponseWriter, r *http.Request) {
	m := s.now.Load()
	s.reply(w, r, m, func() any {
		list := AlertList{m.object("AlertList"), []Alert{}, m.summary.Errors}
		if m.view != nil {
			list.Alerts = alertsOf(m.view.Alerts, func(Name) bool { return true })
		}
		return list
	})
}

func noSuchCall(w http.ResponseWriter, r *http.Request) {
	problem(w, http.StatusNotFound, fmt.Sprintf("The API has no %s %s.", r.Method, r.URL.Path))
}

// reply answers what follows from a moment. Who has it already, as its ETag says,
// gets it not again, and it is not even made: polling costs next to nothing.
// The tag is a weak one because squeezed and plain are the same answer.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, m *moment, object func() any) {
	tag := fmt.Sprintf(`W/"%s-%d"`, s.run, m.summary.Sequence)
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if slices.Contains(strings.Split(r.Header.Get("If-None-Match"), ", "), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, r, object())
}

// answer writes JSON. An error can only mean that the reader is gone.
func answer(w http.ResponseWriter, r *http.Request, object any) {
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	body, done := squeezed(w, r)
	defer done()
	_ = json.NewEncoder(body).Encode(object)
}

// squeezed returns where a body goes: through gzip if the reader takes it. A list
// of 10,000 groups is 13 MB of JSON, and a twentieth of that squeezed.
func squeezed(w http.ResponseWriter, r *http.Request) (body io.Writer, done func()) {
	w.Header().Set("Vary", "Accept-Encoding")
	if !takesGzip(r) {
		return w, func() {}
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
	return z, func() { _ = z.Close() }
}

func takesGzip(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// problem writes an error as RFC 9457 has it.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail})
}
