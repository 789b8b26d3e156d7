package web

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

func (s *Server) drills(w http.ResponseWriter, r *http.Request) {
	list := DrillList{s.now.Load().object("DrillList"), []Drill{}}
	if s.Drills != nil {
		for _, d := range s.Drills() {
			d.Reports = some(d.Reports)
			for i := range d.Reports {
				d.Reports[i].Steps = some(d.Reports[i].Steps)
			}
			list.Drills = append(list.Drills, d)
		}
	}
	answer(w, r, list)
}

// some is the list, or an empty one instead of none, which would be null.
func some[T any](list []T) []T { return append([]T{}, list...) }

// replay answers what an alert would have done.
func (s *Server) replay(w http.ResponseWriter, r *http.Request) {
	if s.Replay == nil {
		problem(w, http.StatusNotImplemented, "This Tidemark keeps no history to replay alerts on.")
		return
	}
	m := s.now.Load()
	from, to, err := spanOf(r.URL.Query(), m.summary.ObservedAt.Time)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	replay, err := s.Replay(r.Context(), r.URL.Query().Get("rule"), from, to)
	if err != nil {
		problem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	replay.Object, replay.Firings = m.object("Replay"), some(replay.Firings)
	answer(w, r, replay)
}

// longestReplay bounds what one request may cost: 31 days are 180,000 steps of 15 s.
const longestReplay = 31 * 24 * time.Hour

// spanOf reads over which time to replay.
func spanOf(q url.Values, now time.Time) (from, to time.Time, err error) {
	long, err := time.ParseDuration(cmp.Or(q.Get("range"), "24h"))
	if err != nil || long <= 0 || long > longestReplay {
		return from, to, fmt.Errorf("range is %q; it must be a duration up to %s, as 24h", q.Get("range"), short(longestReplay))
	}
	to = now
	if text := q.Get("to"); text != "" {
		if to, err = time.Parse(time.RFC3339, text); err != nil {
			return from, to, fmt.Errorf("to is %q; it must look like 2026-11-23T12:00:00Z", text)
		}
	}
	return to.Add(-long), to, nil
}
