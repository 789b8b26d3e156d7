// Package journal keeps records in a file so that what was acknowledged is still
// there after a kill or a power cut: a record counts once it has reached the disk.
//
// It hides the form of the file (one JSON document a line, each behind a checksum
// that follows from all before it), the repair of one that was not written to its
// end, and how a long file is replaced by a short one. It never takes a damaged
// record for a good one, and never loses one that it has acknowledged.
//
// May change until version 1.
package journal

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// head is the first line of a journal, and where its chain of checksums begins.
const head = "tidemark journal 1\n"

// short is the size in bytes below which a journal is not worth rewriting.
const short = 1 << 20

// File is a journal of records of one type. One goroutine at a time may use it.
type File[T any] struct {
	path  string
	file  *os.File // nil before the first record and after a failure
	chain checksum // of the last good record
	size  int64    // up to the end of the last good record
	base  int64    // the size after the last Rewrite
	cut   string
	taint error // why nothing can be appended until a Rewrite
}

// checksum is half a SHA-256, in hex: no accident repeats it, and nobody changes a
// record without changing all that follow.
type checksum [32]byte

func (c checksum) next(record []byte) (n checksum) {
	h := sha256.New()
	h.Write(c[:])
	h.Write(record)
	hex.Encode(n[:], h.Sum(nil)[:len(n)/2])
	return n
}

// Open reads the records of a journal, oldest first. A file that does not exist has
// none, and is not made before there is one: a disk that cannot be written can still
// be read. With an empty path nothing is kept.
//
// What comes after the last good record is left out, and gone with the next write;
// [File.Cut] says what it was. An error means that the file cannot be read, or that
// a newer version wrote it.
func Open[T any](path string) (*File[T], []T, error) {
	f := &File[T]{path: path}
	f.restart()
	if path == "" {
		return f, nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read journal: %w", err)
	}
	records, err := f.replay(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	return f, records, nil
}

func (f *File[T]) restart() {
	f.chain, f.size = checksum{}.next([]byte(head)), 0
}

// replay follows the chain as far as it goes.
func (f *File[T]) replay(text []byte) (records []T, err error) {
	rest, ok := bytes.CutPrefix(text, []byte(head))
	if !ok && bytes.HasPrefix(text, []byte("tidemark journal ")) && bytes.IndexByte(text, '\n') > 0 {
		return nil, fmt.Errorf("it begins with %.40q and this tidemark knows %q: a newer version wrote it", text, head)
	}
	if !ok {
		f.describeCut(text, 0)
		return nil, nil
	}
	f.size = int64(len(head))
	for len(rest) > 0 {
		line, more, whole := bytes.Cut(rest, []byte("\n"))
		record, follows := f.follow(line)
		if !whole || !follows {
			f.describeCut(rest, len(records))
			break
		}
		var one T
		if err := json.Unmarshal(record, &one); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		records = append(records, one)
		f.chain, f.size, rest = f.chain.next(record), f.size+int64(len(line))+1, more
	}
	f.base = f.size
	return records, nil
}

// follow takes the record out of a line, if it is the one that was written there.
func (f *File[T]) follow(line []byte) (record []byte, ok bool) {
	sum, record, found := bytes.Cut(line, []byte(" "))
	want := f.chain.next(record)
	return record, found && bytes.Equal(sum, want[:])
}

func (f *File[T]) describeCut(rest []byte, good int) {
	if len(rest) == 0 {
		return
	}
	why := "they do not follow from it, so the disk or somebody has changed them"
	if !bytes.Contains(rest, []byte("\n")) {
		why = "their write was never finished, so nobody was told that they are kept"
	}
	f.cut = fmt.Sprintf("%d bytes behind record %d of %s are cut off: %s", len(rest), good, f.path, why)
}

// Cut is a sentence about what [Open] had to leave out; empty if that was nothing.
func (f *File[T]) Cut() string { return f.cut }

// Append adds records. When it returns nil they are on the disk, all of them. Else
// any part of them may be, and nothing more is taken until a [File.Rewrite] has
// succeeded: after a write that failed nobody knows what the disk holds.
func (f *File[T]) Append(records ...T) error {
	if f.path == "" || len(records) == 0 {
		return nil
	}
	if f.taint != nil {
		return f.taint
	}
	if err := f.append(records); err != nil {
		f.taint = fmt.Errorf("append to journal: %w", err)
		return errors.Join(f.taint, f.Close())
	}
	return nil
}

func (f *File[T]) append(records []T) error {
	if err := f.open(); err != nil {
		return err
	}
	text, chain, err := encode(f.chain, records)
	if err != nil {
		return err
	}
	if _, err := f.file.WriteAt(text, f.size); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	f.chain, f.size = chain, f.size+int64(len(text))
	return nil
}

// open makes the file ready to be written behind its last good record.
func (f *File[T]) open() error {
	if f.file != nil {
		return nil
	}
	if f.size == 0 {
		return f.replace(nil)
	}
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	f.file = file
	return file.Truncate(f.size)
}

func encode[T any](chain checksum, records []T) (text []byte, end checksum, err error) {
	for _, one := range records {
		record, err := json.Marshal(one)
		if err != nil {
			return nil, chain, err
		}
		chain = chain.next(record)
		text = append(text, chain[:]...)
		text = append(append(append(text, ' '), record...), '\n')
	}
	return text, chain, nil
}

// Due says that a [File.Rewrite] is due: the file is over a megabyte and four times
// as long as after the last one, or it takes nothing any more.
func (f *File[T]) Due() bool {
	return f.taint != nil || f.size > max(short, 4*f.base)
}

// Rewrite replaces all records by these: in a new file, which takes the old one's
// place once it is on the disk. When it fails, either the old ones are there or these.
func (f *File[T]) Rewrite(records ...T) error {
	if f.path == "" {
		return nil
	}
	if err := f.replace(records); err != nil {
		f.taint = fmt.Errorf("rewrite journal: %w", err)
		return errors.Join(f.taint, f.Close())
	}
	return nil
}

func (f *File[T]) replace(records []T) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	fresh := &File[T]{}
	fresh.restart()
	text, chain, err := encode(fresh.chain, records)
	if err != nil {
		return err
	}
	text = append([]byte(head), text...)
	file, err := os.OpenFile(f.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := f.settle(file, text); err != nil {
		return errors.Join(err, file.Close(), os.Remove(f.path+".new"))
	}
	_ = f.Close() // of the old one, which is no longer there
	f.file, f.chain, f.size, f.base, f.taint = file, chain, int64(len(text)), int64(len(text)), nil
	return nil
}

// settle writes a new file and puts it in the old one's place. A name is on the disk
// only once its directory is.
func (f *File[T]) settle(file *os.File, text []byte) error {
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), f.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	return cmp.Or(dir.Sync(), dir.Close())
}

// Close lets go of the file. What was acknowledged is kept.
func (f *File[T]) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
