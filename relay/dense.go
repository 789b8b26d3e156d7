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
	chunk   int     // where in pending the chunk begins
	chunked bool    // else the end of the connection is the end of the answer, however it came
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
	if r.ProtoAtLeast(1, 1) {
		h.Set("Transfer-Encoding", "chunked")
	}
	fmt.Fprint(d, "HTTP/1.1 200 OK\r\n")
	_ = h.Write(d) // into memory
	fmt.Fprint(d, "\r\n")
	if d.chunked = r.ProtoAtLeast(1, 1); d.chunked {
		d.begin()
	}
	return d
}

// chunkHead is where the length of a chunk goes, in hex: enough for any frame.
const chunkHead = "00000000\r\n"

func (d *dense) begin() {
	d.chunk = len(*d.pending)
	*d.pending = append(*d.pending, chunkHead...)
}

// end completes the chunk.
func (d *dense) end() {
	const digits = "0123456789abcdef"
	head := (*d.pending)[d.chunk:]
	for i, n := 7, len(head)-len(chunkHead); i >= 0; i, n = i-1, n>>4 {
		head[i] = digits[n&0xf]
	}
	*d.pending = append(*d.pending, "\r\n"...)
}

// Write keeps what is written until Flush, as long as it is little.
func (d *dense) Write(b []byte) (int, error) {
	if d.pending == nil {
		d.pending = d.buffers.Get().(*[]byte)
		if d.chunked {
			d.begin()
		}
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
	if d.chunked {
		d.end()
	}
	_, err := d.Conn.Write(*d.pending)
	if cap(*d.pending) <= 2*maxFlush {
		*d.pending = (*d.pending)[:0]
		d.buffers.Put(d.pending)
	}
	d.pending = nil
	return err
}

// Close says that the answer is complete, which a client can tell from a connection
// that was cut, and closes it.
func (d *dense) Close() error {
	if d.chunked {
		_, _ = d.Conn.Write([]byte("0\r\n\r\n")) // a client that left needs no end
	}
	return d.Conn.Close()
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
