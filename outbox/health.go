package outbox

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// health is what does not work now. A change is one line of the log.
type health struct {
	log *slog.Logger

	mu       sync.Mutex
	troubles map[string]error
}

func newHealth(log *slog.Logger) *health { return &health{log: log, troubles: map[string]error{}} }

func (h *health) report(what string, err error) {
	h.mu.Lock()
	_, was := h.troubles[what]
	if err == nil {
		delete(h.troubles, what)
	} else {
		h.troubles[what] = err
	}
	h.mu.Unlock()
	switch {
	case err != nil && !was:
		h.log.Warn("does not work; trying again", "what", what, "err", err)
	case err == nil && was:
		h.log.Info("works again", "what", what)
	}
}

// Troubles says what does not work now, each in a sentence; empty: all is well.
func (r *Relay) Troubles() []string {
	r.health.mu.Lock()
	defer r.health.mu.Unlock()
	sentences := []string{}
	for _, what := range slices.Sorted(maps.Keys(r.health.troubles)) {
		sentences = append(sentences, what+": "+r.health.troubles[what].Error())
	}
	return sentences
}

// halted is how many shards stand still.
func (h *health) halted() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for what := range h.troubles {
		if strings.HasPrefix(what, "shard ") {
			n++
		}
	}
	return n
}
