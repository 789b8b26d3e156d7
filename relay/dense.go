package relay

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// dense is the socket of a client that was taken off net/http, which keeps two
// goroutines and two buffers for each: one goroutine is left, and a buffer only
// while there is something to write. Nobody reads from the client any more, so
// that it left is noticed when a heartbeat cannot be written.
type dense struct {
	net.Conn
	buffers *sync.Pool
	pending *[]byte // nil: nothing
	slack   time.Duration
	until   time.Time // the deadline that is set
}

// take takes a client off net/http, if that is wanted and possible, and writes the
// head of the answer.
func (s *Service) take(w http.ResponseWriter, r *http.Request) *dense {
	if !s.o.Dense || r.ProtoMajor != 1 {
		return nil
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	d := &dense{Conn: conn, buffers: &s.buffers, slack: s.o.WriteTimeout / 16}
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	fmt.Fprint(d, "HTTP/1.1 200 OK\r\n")
	_ = h.Write(d) // into memory
	fmt.Fprint(d, "\r\n")
	return d
}

// Write keeps what is written until Flush, as long as it is little.
func (d *dense) Write(b []byte) (int, error) {
	if d.pending == nil {
		d.pending = d.buffers.Get().(*[]byte)
	}
	*d.pending = append(*d.pending, b...)
	if len(*d.pending) < maxFlush {
		return len(b), nil
	}
	return len(b), d.Flush()
}

// Flush sends what was written, in one system call if the client is quick.
func (d *dense) Flush() error {
	if d.pending == nil {
		return nil
	}
	_, err := d.Conn.Write(*d.pending)
	if cap(*d.pending) <= 2*maxFlush {
		*d.pending = (*d.pending)[:0]
		d.buffers.Put(d.pending)
	}
	d.pending = nil
	return err
}

// SetWriteDeadline sets one that is a little later, so that it need not be set
// again for every frame, and never takes it away: it does no harm while nothing is
// being written.
func (d *dense) SetWriteDeadline(at time.Time) error {
	if at.IsZero() || !at.After(d.until) {
		return nil
	}
	d.until = at.Add(d.slack)
	return d.Conn.SetWriteDeadline(d.until)
}
