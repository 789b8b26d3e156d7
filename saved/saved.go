// Package saved writes down what a part remembers, and reads it back whole or not
// at all. It hides how numbers and names become bytes, and how damage is noticed: a
// kind, a version, the numbers, and a checksum over all of it.
//
// It is a package of its own, small as it is, because two parts remember (lag,
// capacity) and neither should own the other's file. It opens no file: whoever
// keeps one hands in a writer or a reader.
//
// May change until version 1; what it wrote before can be read after.
package saved

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// ErrDamaged says that the bytes are not those that were written.
var ErrDamaged = errors.New("it is damaged; remove it to begin anew")

// Largest is how many bytes are read at most: 256 MiB, a hundred times what a large
// cluster needs.
const Largest = 256 << 20

// Writer writes numbers and names one after the other. Errors come out of Close.
type Writer struct {
	to      *bufio.Writer
	sum     uint32
	scratch []byte
	err     error
}

// NewWriter begins what a part of that kind remembers, in a version of its own.
func NewWriter(to io.Writer, kind string, version uint64) *Writer {
	w := &Writer{to: bufio.NewWriter(to)}
	w.Text(kind)
	w.Uint(version)
	return w
}

// Uint writes a number: small ones in one byte.
func (w *Writer) Uint(n uint64) { w.write(binary.AppendUvarint(w.scratch[:0], n)) }

// Int writes a number that may be negative.
func (w *Writer) Int(n int64) { w.write(binary.AppendVarint(w.scratch[:0], n)) }

// Float writes a number with its fraction, in 8 bytes.
func (w *Writer) Float(x float64) {
	w.write(binary.LittleEndian.AppendUint64(w.scratch[:0], math.Float64bits(x)))
}

// Bool writes yes or no.
func (w *Writer) Bool(yes bool) {
	if yes {
		w.Uint(1)
	} else {
		w.Uint(0)
	}
}

// Text writes a name, which may be any bytes.
func (w *Writer) Text(s string) {
	w.Uint(uint64(len(s)))
	w.write([]byte(s))
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		w.sum = crc32.Update(w.sum, crc32.MakeTable(crc32.Castagnoli), b)
		_, w.err = w.to.Write(b)
	}
	w.scratch = b[:0]
}

// Close ends it with the checksum. It does not close what was written to.
func (w *Writer) Close() error {
	w.write(binary.LittleEndian.AppendUint32(nil, w.sum))
	if w.err != nil {
		return w.err
	}
	return w.to.Flush()
}

// Reader reads what a Writer wrote, in the same order. After the first thing that
// cannot be it returns zeros, and Close says why.
type Reader struct {
	left []byte
	err  error
}

// NewReader reads everything and checks that it is of that kind, not newer than
// version, and undamaged. It returns the version that it was written in.
func NewReader(from io.Reader, kind string, version uint64) (r *Reader, written uint64, err error) {
	all, err := io.ReadAll(io.LimitReader(from, Largest+1))
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", kind, err)
	}
	body := len(all) - 4
	if body < 0 || len(all) > Largest || !bytes.Equal(Sum(all[:body]), all[body:]) {
		return nil, 0, fmt.Errorf("read %s: %w", kind, ErrDamaged)
	}
	r = &Reader{left: all[:body]}
	if is := r.Text(len(kind) + 64); is != kind {
		return nil, 0, fmt.Errorf("read %s: this is %q", kind, is)
	}
	if written = r.Uint(); written > version {
		return nil, 0, fmt.Errorf("read %s: version %d is newer than %d, the latest that this program knows; use the program that wrote it, or remove it to begin anew",
			kind, written, version)
	}
	return r, written, r.err
}

// Sum is the checksum that follows a body, so that tests can make one up.
func Sum(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	n, size := binary.Uvarint(r.left)
	return n * uint64(r.took(size))
}

// Int reads a number that may be negative.
func (r *Reader) Int() int64 {
	n, size := binary.Varint(r.left)
	return n * int64(r.took(size))
}

// Float reads a number with its fraction. One that is no number is damage.
func (r *Reader) Float() float64 {
	if len(r.left) < 8 {
		r.took(0)
		return 0
	}
	x := math.Float64frombits(binary.LittleEndian.Uint64(r.left))
	r.took(8)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		r.Refuse()
		return 0
	}
	return x
}

// Bool reads yes or no.
func (r *Reader) Bool() bool { return r.Uint() == 1 }

// Count reads how many things follow, at most so many. Each takes a byte at least:
// more than there are bytes left is damage, so nobody makes room for them.
func (r *Reader) Count(most int) int {
	n := r.Uint()
	if n > uint64(most) || n > uint64(len(r.left)) {
		r.Refuse()
		return 0
	}
	return int(n)
}

// Text reads a name of at most so many bytes.
func (r *Reader) Text(most int) string {
	n := r.Count(most)
	s := string(r.left[:n])
	r.left = r.left[n:]
	return s
}

// took goes on by the bytes that a number took, and returns 1; 0 if there was none.
func (r *Reader) took(size int) int {
	if size <= 0 {
		r.Refuse()
		return 0
	}
	r.left = r.left[size:]
	return 1
}

// Refuse says that what was read cannot be.
func (r *Reader) Refuse() {
	r.left, r.err = nil, ErrDamaged
}

// OK says that all was well so far.
func (r *Reader) OK() bool { return r.err == nil }

// Close says whether all was well, and read to the end.
func (r *Reader) Close() error {
	if r.err == nil && len(r.left) > 0 {
		r.Refuse()
	}
	return r.err
}
