package relay

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// health is what keeps the service from being ready.
type health struct {
	log *slog.Logger

	mu       sync.Mutex
	troubles map[string]string // what is tried, and what comes of it
}

func newHealth(log *slog.Logger) *health {
	return &health{log: log, troubles: map[string]string{}}
}

// report notes how an attempt went. Only changes are logged.
func (h *health) report(what string, err error) {
	h.mu.Lock()
	_, was := h.troubles[what]
	if err == nil {
		delete(h.troubles, what)
	} else {
		h.troubles[what] = err.Error()
	}
	h.mu.Unlock()
	switch {
	case err != nil && !was:
		h.log.Warn("does not work; trying again", "what", what, "err", err)
	case err == nil && was:
		h.log.Info("works again", "what", what)
	}
}

func (h *health) reasons() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	reasons := []string{}
	for _, what := range slices.Sorted(maps.Keys(h.troubles)) {
		reasons = append(reasons, what+": "+h.troubles[what])
	}
	return reasons
}
