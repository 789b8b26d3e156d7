package web

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	pace      = time.Second      // no reader gets more than one message in this time
	heartbeat = 15 * time.Second // under the 30 s after which the stricter proxies give up on silence
	patience  = 10 * time.Second // how long a reader may take to accept a message
	readers   = 500              // at once; each costs up to 1 MB, most of it for squeezing
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
	body, done := squeezed(w, r)
	defer done()
	line := wire{body: body, control: http.NewResponseController(w)}
	var sent *moment
	next := s.now.Load()
	for err := line.write("retry: 3000\n\n"); err == nil; next = s.now.Load() {
		switch {
		case sent == nil:
			err = line.event("snapshot", next.summary.Sequence, Snapshot{next.object("Snapshot"), next.summary, next.groups()})
		case next != sent:
			err = line.event("patch", next.summary.Sequence, next.since(sent))
		default:
			err = line.write(": still here\n\n")
		}
		sent = next
		if err == nil && !wait(r, sent) {
			_ = line.event("bye", sent.summary.Sequence, Object{apiVersion, "Bye", sent.summary.Sequence, sent.summary.ObservedAt})
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
	p := Patch{Object: m.object("Patch"), Summary: m.summary, Groups: []Row{}, Gone: []Name{}}
	for _, r := range m.rows {
		if r.changed > old.summary.Sequence {
			p.Groups = append(p.Groups, r.Row)
		}
	}
	for name := range old.at {
		if _, still := m.at[name]; !still {
			p.Gone = append(p.Gone, name)
		}
	}
	return p
}

// wire writes events to one reader.
type wire struct {
	body    io.Writer
	control *http.ResponseController
}

func (l wire) event(name string, id uint64, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return l.write(fmt.Sprintf("event: %s\nid: %d\ndata: %s\n\n", name, id, data))
}

// write hands text over and waits until it is on its way.
func (l wire) write(text string) error {
	// Only a recorder in a test has no deadline to set.
	_ = l.control.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(l.body, text); err != nil {
		return err
	}
	if z, is := l.body.(*gzip.Writer); is {
		if err := z.Flush(); err != nil {
			return err
		}
	}
	return l.control.Flush()
}
