package relay

import (
	"net/http"
	"strconv"
	"time"
)

// wire writes frames to one client. Nothing of it is safe for concurrent use. The
// first error stays and is returned by flush.
type wire struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	id      []byte // of the latest frame
	scratch []byte
	armed   bool // a write deadline is set
	err     error
}

func (s *Service) newWire(w http.ResponseWriter) *wire {
	streamHeader(w.Header())
	return &wire{w: w, rc: http.NewResponseController(w), timeout: s.o.WriteTimeout}
}

func streamHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold frames back
	h.Add("Vary", "Accept-Encoding")
}

func (o *wire) write(b []byte) {
	if !o.armed {
		o.armed = true
		o.deadline(time.Now().Add(o.timeout))
	}
	if o.err == nil {
		_, o.err = o.w.Write(b)
	}
}

// frame writes a frame of the ring as it is.
func (o *wire) frame(f *frame) {
	o.id = append(o.id[:0], f.text[len("id: "):f.id-1]...)
	o.write(f.text)
}

// frameAs writes a frame of the ring with another id.
func (o *wire) frameAs(at *cursor, f *frame) {
	o.id = at.append(o.id[:0])
	o.scratch = appendID(o.scratch[:0], *at)
	o.write(append(o.scratch, f.text[f.id:]...))
}

// control writes a frame that is no record, with the client's new cursor or, nil,
// the one it has.
func (o *wire) control(at *cursor, content any) {
	if at != nil {
		o.id = at.append(o.id[:0])
	}
	o.scratch = appendControl(o.scratch[:0], o.id, content)
	o.write(o.scratch)
}

func (o *wire) comment(text string) { o.write([]byte(": " + text + "\n\n")) }

// retry tells a browser after how long to reconnect.
func (o *wire) retry(d time.Duration) {
	o.write([]byte("retry: " + strconv.FormatInt(d.Milliseconds(), 10) + "\n\n"))
}

// flush sends what was written and takes the deadline away again: HTTP/2 ends a
// stream at its deadline even if nothing is being written.
func (o *wire) flush() error {
	if o.err == nil {
		o.err = o.rc.Flush()
	}
	o.deadline(time.Time{})
	o.armed = false
	return o.err
}

func (o *wire) deadline(at time.Time) {
	if o.err == nil {
		o.err = o.rc.SetWriteDeadline(at)
	}
}
