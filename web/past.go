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
	q, err := questionOf(r.URL.Query(), m.summary.ObservedAt.Time)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	firings, err := s.Replay(r.Context(), q)
	if err != nil {
		problem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, r, Replay{m.object("Replay"), q.Expr, number(q.For.Seconds()), Time{q.From}, Time{q.To}, some(firings)})
}

// longestReplay bounds what one request may cost: 31 days are 180,000 steps of 15 s.
const longestReplay = 31 * 24 * time.Hour

func questionOf(q url.Values, now time.Time) (Question, error) {
	question := Question{Expr: q.Get("expr"), To: now}
	if question.Expr == "" {
		return question, fmt.Errorf("expr is missing; write the alert's condition, as expr=kafka:group_lag_sum > 500")
	}
	hold, err := time.ParseDuration(cmp.Or(q.Get("for"), "0s"))
	if err != nil || hold < 0 {
		return question, fmt.Errorf("for is %q; it must be a duration, as 5m", q.Get("for"))
	}
	long, err := time.ParseDuration(cmp.Or(q.Get("range"), "24h"))
	if err != nil || long <= 0 || long > longestReplay {
		return question, fmt.Errorf("range is %q; it must be a duration up to %s, as 24h", q.Get("range"), short(longestReplay))
	}
	if text := q.Get("to"); text != "" {
		if question.To, err = time.Parse(time.RFC3339, text); err != nil {
			return question, fmt.Errorf("to is %q; it must look like 2026-11-23T12:00:00Z", text)
		}
	}
	question.For, question.From = hold, question.To.Add(-long)
	return question, nil
}
