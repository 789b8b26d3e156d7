package notify_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/notify"
)

// alertmanager is one that somebody else runs.
type alertmanager struct {
	down  atomic.Bool
	posts atomic.Int64

	mu     sync.Mutex
	active map[string]bool // by name, as it was told last
}

func (a *alertmanager) knows() map[string]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.active)
}

func (a *alertmanager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Authorization") != "":
		w.WriteHeader(http.StatusUnauthorized)
	case a.down.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Method == http.MethodPost && r.URL.Path == "/am/api/v2/alerts":
		var alerts []struct {
			Labels map[string]string
			EndsAt time.Time
		}
		if json.NewDecoder(r.Body).Decode(&alerts) != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		a.posts.Add(1)
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, one := range alerts {
			a.active[one.Labels["alertname"]] = one.EndsAt.After(time.Now())
		}
	case r.URL.Path == "/am/api/v2/silences":
		_, _ = w.Write([]byte(`["theirs"]`))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestExternalAlertmanagersAreAllToldOnceTheyAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first, second := &alertmanager{active: map[string]bool{}}, &alertmanager{active: map[string]bool{}}
		w.serve("localhost:9093", first)
		w.serve("localhost:9094", second)
		n, stop := w.run(notify.Options{Config: notify.Config{External: []string{"http://localhost:9093/am", "http://localhost:9094/am/"}}})
		defer stop()

		second.down.Store(true)
		lag, stopped := firing("LagHigh", "billing", "warning"), firing("Stopped", "billing", "critical")
		n.Send(t.Context(), []tidemark.Alert{lag, stopped})
		time.Sleep(time.Second)
		n.Send(t.Context(), []tidemark.Alert{resolved(lag)})
		time.Sleep(time.Second)
		second.down.Store(false)
		n.Send(t.Context(), []tidemark.Alert{stopped})
		time.Sleep(time.Second)

		want := map[string]bool{"LagHigh": false, "Stopped": true}
		if !maps.Equal(first.knows(), want) || !maps.Equal(second.knows(), want) {
			t.Errorf("they know %v and %v, want %v", first.knows(), second.knows(), want)
		}
	})
}

func TestWithExternalAlertmanagersTheirSilencesAreTheOnesThatCount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve("localhost:9093", &alertmanager{})
		n, stop := w.run(notify.Options{Config: notify.Config{External: []string{"http://localhost:9093/am"}}})
		defer stop()
		var got []string
		w.call(n, http.MethodGet, "/api/v2/silences", "", &got)
		if want := []string{"theirs"}; !slices.Equal(got, want) {
			t.Errorf("silences = %v, want %v", got, want)
		}
	})
}
