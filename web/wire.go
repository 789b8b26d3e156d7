package web

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"time"
)

// event is one message of a stream, as it is and squeezed. The squeezed form ends
// on a whole byte and looks back at nothing before itself: pieces that were made
// apart, once for all readers, are one valid stream when they follow each other.
// A squeezer for each reader would cost 1 MB, and the work a hundred times over.
type event struct{ plain, small []byte }

func eventOf(name string, id uint64, object any) (event, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return event{}, fmt.Errorf("encode %s: %w", name, err)
	}
	plain := fmt.Appendf(nil, "event: %s\nid: %d\ndata: %s\n\n", name, id, data)
	var small bytes.Buffer
	z, _ := flate.NewWriter(&small, flate.BestSpeed) // the level is a valid one, and a buffer takes all
	_, _ = z.Write(plain)
	_ = z.Flush()
	return event{plain, small.Bytes()}, nil
}

// asIs is a short message, which squeezing would only make longer: a stored block
// (RFC 1951, 3.2.4), and an empty one, at which readers hand over what they have.
func asIs(text string) event {
	n := uint16(len(text))
	small := binary.LittleEndian.AppendUint16([]byte{0}, n)
	small = binary.LittleEndian.AppendUint16(small, ^n)
	return event{[]byte(text), append(append(small, text...), 0, 0, 0, 0xff, 0xff)}
}

// wire writes events to one reader.
type wire struct {
	body    io.Writer
	control *http.ResponseController
	small   bool // the reader takes gzip

	sum, length uint32 // of what was sent, for the end of a gzip stream
}

// open writes what comes before the first event: the header of RFC 1952, and how
// long a reader should wait before trying again.
func (l *wire) open() error {
	if l.small {
		if err := l.write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}); err != nil {
			return err
		}
	}
	return l.send(asIs("retry: 3000\n\n"), nil)
}

// send hands an event over and waits until it is on its way.
func (l *wire) send(e event, err error) error {
	if err != nil {
		return err
	}
	if !l.small {
		return l.write(e.plain)
	}
	l.sum, l.length = crc32.Update(l.sum, crc32.IEEETable, e.plain), l.length+uint32(len(e.plain))
	return l.write(e.small)
}

// farewell ends the stream with a word, so that the reader knows it was meant. Who
// does not get it finds the connection closed.
func (l *wire) farewell(m *moment) {
	err := l.send(eventOf("bye", m.summary.Sequence, Object{apiVersion, "Bye", m.summary.Sequence, m.summary.ObservedAt}))
	if err != nil || !l.small {
		return
	}
	end := []byte{1, 0, 0, 0xff, 0xff} // the last block, and it is empty
	end = binary.LittleEndian.AppendUint32(end, l.sum)
	_ = l.write(binary.LittleEndian.AppendUint32(end, l.length))
}

func (l *wire) write(text []byte) error {
	// Only a recorder in a test has no deadline to set.
	_ = l.control.SetWriteDeadline(time.Now().Add(patience))
	if _, err := l.body.Write(text); err != nil {
		return err
	}
	return l.control.Flush()
}
