// Package record keeps what was seen of a cluster: a stream of snapshots in one file,
// small enough to record for weeks and to send to somebody who shall explain a night.
//
// It hides the format (docs/recording.md): versioned, compressed, every name written
// once, every number as what it changed by. A recording that was cut off is good up to
// the cut, and the reader says so. It holds one snapshot in memory and the names of the
// latest ones, however long the recording. It never writes what a snapshot does not
// hold: no record, no key, no credentials; but names of groups, topics, clients, hosts.
//
// May change until version 1; a reader reads all versions up to its own.
package record

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"time"

	"github.com/aetherlink/tidemark"
)

// The beginning of a recording, after decompression, and the version written here.
const (
	magic   = "tidemark recording\n"
	version = 1
)

// What is refused beyond, in bytes: a snapshot, of which 30 MB are a million partitions;
// and all names together. A writer whose names have grown to that begins anew with none,
// since members that come and go bring new ones for ever.
const (
	largest  = 64 << 20
	allNames = 16 << 20
)

// Writer writes a recording. It is not safe for concurrent use.
type Writer struct {
	out    *gzip.Writer
	memory memory
}

// NewWriter begins a recording.
func NewWriter(out io.Writer) (*Writer, error) {
	w := &Writer{out: gzip.NewWriter(out)}
	if _, err := w.out.Write(binary.AppendUvarint([]byte(magic), version)); err != nil {
		return nil, fmt.Errorf("begin recording: %w", err)
	}
	return w, nil
}

// Write adds a snapshot. When it returns, the snapshot is on its way whole: what is
// cut off later does not touch it. 1,000 partitions cost 3 to 4 kB.
func (w *Writer) Write(s *tidemark.Snapshot) error {
	e := &encoder{memory: &w.memory}
	e.begin(e.size >= allNames)
	e.snapshot(s)
	head := binary.AppendUvarint(nil, uint64(len(e.bytes)))
	head = binary.BigEndian.AppendUint32(head, crc32.ChecksumIEEE(e.bytes))
	for _, part := range [][]byte{head, e.bytes} {
		if _, err := w.out.Write(part); err != nil {
			return fmt.Errorf("record the look at %s: %w", s.Began.Format(time.RFC3339), err)
		}
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("record the look at %s: %w", s.Began.Format(time.RFC3339), err)
	}
	return nil
}

// Close ends the recording, by which a reader knows that nothing is missing. It does
// not close what the recording is written to.
func (w *Writer) Close() error {
	if err := w.out.Close(); err != nil {
		return fmt.Errorf("end recording: %w", err)
	}
	return nil
}

// Reader reads a recording. It is not safe for concurrent use.
type Reader struct {
	in     *bufio.Reader
	memory memory
	frame  bytes.Buffer
	read   int
	latest time.Time
	failed error
}

// Cut says that a recording ends in the middle: who wrote it was stopped, or the file
// is not whole. All snapshots before were returned.
type Cut struct {
	Snapshots int       // that are good
	Latest    time.Time // when the last of these began; zero: there is none
	Err       error     // what was wrong with the next one
}

// Error implements error.
func (c *Cut) Error() string {
	return fmt.Sprintf("recording is cut off after %d snapshots, the last of %s: %v", c.Snapshots, c.Latest.Format(time.RFC3339), c.Err)
}

// Unwrap returns what was wrong.
func (c *Cut) Unwrap() error { return c.Err }

// NewReader opens a recording. A newer version is refused: it may hold what this one
// would take for something else.
func NewReader(in io.Reader) (*Reader, error) {
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	z.Multistream(false)
	r := &Reader{in: bufio.NewReader(z)}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r.in, head); err != nil || string(head) != magic {
		return nil, errors.New("open recording: this is no recording of tidemark's")
	}
	written, err := binary.ReadUvarint(r.in)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open recording: read its version: %w", err)
	case written > version:
		return nil, fmt.Errorf("open recording: it has version %d, this tidemark reads up to %d; use a newer one", written, version)
	}
	return r, nil
}

// Next returns the next snapshot. At the end the error is [io.EOF], or a [*Cut] if the
// recording was not ended by its writer.
func (r *Reader) Next() (*tidemark.Snapshot, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	size, err := binary.ReadUvarint(r.in)
	if errors.Is(err, io.EOF) {
		r.failed = io.EOF
		return nil, io.EOF
	}
	var s *tidemark.Snapshot
	if err == nil {
		s, err = r.snapshot(size)
	}
	if err != nil {
		r.failed = &Cut{Snapshots: r.read, Latest: r.latest, Err: notTheEnd(err)}
		return nil, r.failed
	}
	r.read, r.latest = r.read+1, s.Began
	return s, nil
}

// notTheEnd makes an end in the middle of something what it is.
func notTheEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// snapshot reads a frame. Its size is not believed: the buffer grows with what comes.
func (r *Reader) snapshot(size uint64) (*tidemark.Snapshot, error) {
	if size > largest {
		return nil, fmt.Errorf("a snapshot of %d bytes, %d are allowed", size, largest)
	}
	var sum [4]byte
	if _, err := io.ReadFull(r.in, sum[:]); err != nil {
		return nil, err
	}
	r.frame.Reset()
	if _, err := io.CopyN(&r.frame, r.in, int64(size)); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(r.frame.Bytes()) != binary.BigEndian.Uint32(sum[:]) {
		return nil, errors.New("its checksum does not match")
	}
	d := &decoder{memory: &r.memory, bytes: r.frame.Bytes()}
	d.begin()
	s := d.snapshot()
	if d.err == nil && len(d.bytes) > 0 {
		d.err = errors.New("it is longer than what it holds")
	}
	return s, d.err
}

// All yields the snapshots, and last the error if it is not [io.EOF].
func (r *Reader) All() iter.Seq2[*tidemark.Snapshot, error] {
	return func(yield func(*tidemark.Snapshot, error) bool) {
		for {
			s, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// Player shows a recording as if it happened now: a source of snapshots, each when its
// time has come.
type Player struct {
	Reader *Reader
	Speed  float64 // times as fast as it was; 0: once
	began  time.Time
	offset time.Time // of the first snapshot
}

// Snapshot waits until the next snapshot is due, and returns it as it was, with the
// times of the recording. The error is that of [Reader.Next], or that of the context.
func (p *Player) Snapshot(ctx context.Context) (*tidemark.Snapshot, error) {
	s, err := p.Reader.Next()
	if err != nil {
		return nil, err
	}
	if p.began.IsZero() {
		p.began, p.offset = time.Now(), s.Began
	}
	speed := p.Speed
	if speed <= 0 {
		speed = 1
	}
	due := p.began.Add(time.Duration(float64(s.Began.Sub(p.offset)) / speed))
	wait := time.NewTimer(time.Until(due))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return s, nil
	}
}
