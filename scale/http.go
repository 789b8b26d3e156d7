package scale

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aetherlink/tidemark"
)

// Status is one target as it stands.
type Status struct {
	Target   string            `json:"target"`
	Cluster  string            `json:"cluster"`
	Group    string            `json:"group"`
	Mode     Mode              `json:"mode"`
	Outlet   string            `json:"outlet"`
	Paused   string            `json:"paused"` // by whom and why; empty: not
	Frozen   string            `json:"frozen"` // the same for all targets at once
	Decision tidemark.Decision `json:"decision"`
	Shadow   string            `json:"shadow"`            // how its decisions would have done, or have
	Blind    string            `json:"blind"`             // why its size is not known; empty: it is
	Journal  []Entry           `json:"journal,omitempty"` // newest first; only when one target is asked for
}

// errUnknown says that nothing is called so.
var errUnknown = errors.New("no such scale target")

// Status returns all targets, in the order of the configuration.
func (s *Scaler) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, len(s.targets))
	for i, t := range s.targets {
		all[i] = s.status(t)
	}
	return all
}

func (s *Scaler) status(t *target) Status {
	st := Status{
		Target: t.Name, Cluster: t.Cluster, Group: t.Group, Mode: t.mode, Outlet: t.Outlet.Kind,
		Paused: t.paused, Frozen: s.frozen, Decision: t.last, Shadow: t.shadow.score(),
	}
	if t.blind != nil {
		st.Blind = t.blind.Error()
	}
	return st
}

// Why returns one target with its latest entries in the journal, newest first.
func (s *Scaler) Why(name string, most int) (Status, error) {
	s.mu.Lock()
	t, found := s.find(name)
	if !found {
		s.mu.Unlock()
		return Status{}, fmt.Errorf("%w: %s", errUnknown, name)
	}
	st := s.status(t)
	s.mu.Unlock()
	st.Journal = s.Journal.about(name, most)
	return st, nil
}

// Handler answers below /api/tidemark/v1/scale. Who may act is decided before it.
func (s *Scaler) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/tidemark/v1/scale", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Status()) })
	mux.HandleFunc("GET /api/tidemark/v1/scale/{target}", func(w http.ResponseWriter, r *http.Request) {
		st, err := s.Why(r.PathValue("target"), 200)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, st)
	})
	mux.HandleFunc("POST /api/tidemark/v1/scale/{target}", s.take)
	mux.HandleFunc("POST /api/tidemark/v1/scale", s.take)
	return mux
}

// take reads what a person wants: {"did":"paused","by":"kim","why":"deploy"}.
func (s *Scaler) take(w http.ResponseWriter, r *http.Request) {
	var h Hand
	reader := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	reader.DisallowUnknownFields()
	if err := reader.Decode(&h); err != nil {
		refuse(w, fmt.Errorf("read the request: %w", err))
		return
	}
	if err := s.Do(r.PathValue("target"), h); err != nil {
		refuse(w, err)
		return
	}
	answer(w, s.Status())
}

// mayDo says why a wish makes no sense; nil: it does.
func (s *Scaler) mayDo(name string, h Hand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, found := s.find(name)
	switch {
	case h.By == "":
		return errors.New("by is missing: who does this")
	case h.Did == froze || h.Did == thawed:
		if name != "" {
			return fmt.Errorf("%s is for all targets at once; for one it is paused or resumed", h.Did)
		}
		return nil
	case h.Did != paused && h.Did != resumed && h.Did != approved:
		return fmt.Errorf("did is %q; it must be paused, resumed, approved, froze or thawed", h.Did)
	case !found:
		return fmt.Errorf("%w: %s", errUnknown, name)
	case h.Did == approved && (t.order == nil || t.order.ID != h.Order):
		return fmt.Errorf("order %q does not wait for approval, or no longer: look again at what is wanted now", h.Order)
	}
	return nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone
}

// refuse answers in the form of RFC 9457.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if errors.Is(err, errUnknown) {
		status = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": err.Error(), "at": time.Now()})
}
