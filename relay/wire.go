package relay

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// socket is a client's connection, by either transport.
type socket interface {
	io.Writer
	Flush() error
	SetWriteDeadline(time.Time) error
}

// plain is the socket of a client that net/http serves, by HTTP/1.1 or 2.
type plain struct {
	http.ResponseWriter
	*http.ResponseController
}

// wire writes frames to one client. Nothing of it is safe for concurrent use. The
// first error stays and is returned by flush.
type wire struct {
	filter
	socket  socket
	timeout time.Duration
	latest  *frame // it stands past this one, or
	id      []byte // where this says
	unsaid  int    // records that it passed over since
	scratch []byte
	wrote   time.Time // when something was written last
	armed   bool      // a write deadline is set
	err     error
}

func streamHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold frames back
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
}

func (o *wire) write(b []byte) {
	if !o.armed {
		o.armed, o.wrote = true, time.Now()
		o.deadline(o.wrote.Add(o.timeout))
	}
	if o.err == nil {
		_, o.err = o.socket.Write(b)
	}
}

// frame writes a frame, or passes over it, with its own id or, not nil, another.
// It says whether it was written.
func (o *wire) frame(f *frame, at *cursor) bool {
	if o.latest = f; at != nil {
		o.stand(at)
	}
	if !o.wants(f) {
		if o.unsaid++; o.unsaid >= checkpointEvery {
			o.checkpoint()
		}
		return false
	}
	o.unsaid = 0
	if at == nil && !o.typed {
		o.write(f.text)
		return true
	}
	o.scratch = o.appendOwnID(o.scratch[:0])
	if o.typed {
		o.scratch = append(o.scratch, f.about.event()...)
	}
	o.scratch = append(o.scratch, f.text[f.id:]...)
	o.write(o.scratch)
	return true
}

// stand sets where the client stands.
func (o *wire) stand(at *cursor) {
	o.latest, o.id = nil, at.append(o.id[:0])
}

// position is where the client stands: past the latest frame that was written or
// that its filter passed over, as an id. Most frames bring their own.
func (o *wire) position() []byte {
	if o.latest != nil {
		o.id = append(o.id[:0], o.latest.text[len("id: "):o.latest.id-1]...)
		o.latest = nil
	}
	return o.id
}

func (o *wire) appendOwnID(b []byte) []byte {
	b = append(b, "id: "...)
	b = append(b, o.position()...)
	return append(b, '\n')
}

// checkpoint tells the client where it stands.
func (o *wire) checkpoint() {
	o.unsaid = 0
	o.scratch = o.appendOwnID(o.scratch[:0])
	o.write(append(o.scratch, "event: "+checkpoint+"\ndata: {}\n\n"...))
}

// heartbeat shows that the stream is alive.
func (o *wire) heartbeat() {
	if o.unsaid > 0 {
		o.checkpoint()
		return
	}
	o.write([]byte(": hb\n\n"))
}

// control writes a frame that is no record, with the client's new cursor or, nil,
// the one it has.
func (o *wire) control(at *cursor, content any) {
	if at != nil {
		o.stand(at)
	}
	o.scratch = appendControl(o.scratch[:0], o.position(), content)
	o.write(o.scratch)
}

// retry tells a browser after how long to reconnect.
func (o *wire) retry(d time.Duration) {
	o.write([]byte("retry: " + strconv.FormatInt(d.Milliseconds(), 10) + "\n\n"))
}

// flush sends what was written, if anything was, and takes the deadline away again:
// HTTP/2 ends a stream at its deadline even if nothing is being written.
func (o *wire) flush() error {
	if !o.armed {
		return o.err
	}
	if o.err == nil {
		o.err = o.socket.Flush()
	}
	o.deadline(time.Time{})
	o.armed = false
	return o.err
}

func (o *wire) deadline(at time.Time) {
	if o.err == nil {
		o.err = o.socket.SetWriteDeadline(at)
	}
}
