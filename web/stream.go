package web

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	pace      = time.Second      // no reader gets more than one message in this time
	heartbeat = 15 * time.Second // under the 30 s after which the stricter proxies give up on silence
	patience  = 10 * time.Second // how long a reader may take to accept a message
	readers   = 500              // at once; beyond that something opens them and forgets
)

// stream sends a snapshot, then what has changed, until the reader is gone or the
// server stops. It keeps no queue: whoever reads slowly finds the latest moment
// when ready for it, and the difference to the one it has.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	defer s.streams.Add(-1)
	if s.streams.Add(1) > readers {
		problem(w, http.StatusServiceUnavailable, fmt.Sprintf("%d streams are open, which is the limit. The same data: /api/tidemark/v1/groups.", readers))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	h.Set("Vary", "Accept-Encoding")
	line := wire{body: w, control: http.NewResponseController(w), small: takesGzip(r)}
	if line.small {
		h.Set("Content-Encoding", "gzip")
	}
	var sent *moment
	next := s.now.Load()
	for err := line.open(); err == nil; next = s.now.Load() {
		switch {
		case sent == nil:
			err = line.send(next.opening())
		case next != sent:
			err = line.send(next.following(sent))
		default:
			err = line.send(asIs(": still here\n\n"), nil)
		}
		sent = next
		if err == nil && !wait(r, sent) {
			line.farewell(sent)
			return
		}
	}
}

// wait returns after the pace when there is something new, or when it is time for
// a heartbeat. It returns false when the request is over.
func wait(r *http.Request, sent *moment) bool {
	select {
	case <-r.Context().Done():
		return false
	case <-time.After(pace):
	}
	select {
	case <-r.Context().Done():
		return false
	case <-sent.superseded:
	case <-time.After(heartbeat - pace):
	}
	return true
}

// since returns what a reader who has seen old needs to know.
func (m *moment) since(old *moment) Patch {
	return m.patch(old.summary.Sequence, m.missing(old))
}

// missing are the groups of old that are no longer there.
func (m *moment) missing(old *moment) []Name {
	gone := []Name{}
	for name := range old.at {
		if _, still := m.at[name]; !still {
			gone = append(gone, name)
		}
	}
	return gone
}

func (m *moment) patch(sequence uint64, gone []Name) Patch {
	p := Patch{Object: m.object("Patch"), Summary: m.summary, Groups: []Row{}, Gone: gone}
	for _, r := range m.rows {
		if r.changed > sequence {
			p.Groups = append(p.Groups, r.Row)
		}
	}
	return p
}

// share prepares the two events that most readers of a moment get, so that each
// is made once for all of them, and only if somebody reads.
func (m *moment) share(before *moment) {
	sequence, gone := before.summary.Sequence, m.missing(before)
	m.opening = sync.OnceValues(func() (event, error) {
		return eventOf("snapshot", m.summary.Sequence, Snapshot{m.object("Snapshot"), m.summary, m.groups()})
	})
	patch := sync.OnceValues(func() (event, error) {
		return eventOf("patch", m.summary.Sequence, m.patch(sequence, gone))
	})
	m.following = func(old *moment) (event, error) {
		if old.summary.Sequence == sequence {
			return patch()
		}
		return eventOf("patch", m.summary.Sequence, m.since(old)) // for one who was slow
	}
}
