package record_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/record"
)

var nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// fill gives every field of a value something that is not zero, lists two elements.
func fill(t *testing.T, v reflect.Value, next *int64) {
	t.Helper()
	*next++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(nine.Add(time.Duration(*next) * time.Millisecond)))
		return
	case error:
		t.Fatal("an error that is not nil cannot be filled")
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "Err" {
				v.Field(i).Set(reflect.ValueOf(fmt.Errorf("error %d", *next)))
				continue
			}
			fill(t, v.Field(i), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), next)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("name %d", *next))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(*next % 5))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(*next)
	default:
		t.Fatalf("a snapshot has a %s: say how it is recorded", v.Kind())
	}
}

// written is a recording of those snapshots.
func written(t testing.TB, snapshots ...*tidemark.Snapshot) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := record.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range snapshots {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// looks are looks 15 s apart at a group whose member changes with each.
func looks(n, partitions int) (all []*tidemark.Snapshot) {
	for k := range n {
		at := nine.Add(time.Duration(k) * 15 * time.Second)
		s := &tidemark.Snapshot{Cluster: "main", Began: at, Ended: at.Add(20 * time.Millisecond)}
		s.Groups = []tidemark.Group{{Name: "billing", At: at, Members: []tidemark.Member{{ID: fmt.Sprintf("billing-%d", k)}}}}
		topic := tidemark.Topic{Name: "orders"}
		for i := range int64(partitions) {
			end := int64(k) * (1500 + i*7%100)
			topic.Partitions = append(topic.Partitions, tidemark.Log{ID: int32(i), End: end, At: at})
			s.Partitions = append(s.Partitions, tidemark.Partition{Group: "billing", Topic: "orders", ID: int32(i), Committed: end - i*13%500, LogEnd: end})
		}
		s.Topics = []tidemark.Topic{topic}
		all = append(all, s)
	}
	return all
}

// read returns what can be read, and how it ended.
func read(t testing.TB, recording []byte) (all []*tidemark.Snapshot, err error) {
	t.Helper()
	r, err := record.NewReader(bytes.NewReader(recording))
	if err != nil {
		return nil, err
	}
	for s, err := range r.All() {
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

func TestEveryFieldOfASnapshotIsRecorded(t *testing.T) {
	s := &tidemark.Snapshot{}
	next := int64(0)
	fill(t, reflect.ValueOf(s).Elem(), &next)
	got, err := read(t, written(t, s, &tidemark.Snapshot{}, s))
	if err != nil || len(got) != 3 {
		t.Fatalf("%d snapshots, %v; want 3", len(got), err)
	}
	if want := fmt.Sprintf("%+v", s); fmt.Sprintf("%+v", got[0]) != want || fmt.Sprintf("%+v", got[2]) != want {
		t.Errorf("first %+v\nthird %+v\n want %s", got[0], got[2], want)
	}
	if got, want := fmt.Sprintf("%+v", got[1]), fmt.Sprintf("%+v", &tidemark.Snapshot{}); got != want {
		t.Errorf("second %s, want %s", got, want)
	}
}

func TestRecordingCutAnywhereIsGoodUpToTheCut(t *testing.T) {
	want := looks(5, 20)
	whole := written(t, want...)
	before := 0
	for n := range whole {
		got, err := read(t, whole[:n])
		if err == nil {
			t.Fatalf("cut after %d of %d bytes: no error", n, len(whole))
		}
		var cut *record.Cut
		if errors.As(err, &cut) && (cut.Snapshots != len(got) || errors.Is(err, io.EOF)) {
			t.Fatalf("cut after %d bytes: %v, but %d snapshots were read", n, err, len(got))
		}
		if len(got) < before {
			t.Fatalf("cut after %d bytes: %d snapshots, after fewer bytes %d", n, len(got), before)
		}
		before = len(got)
		for i := range got {
			if got, want := fmt.Sprintf("%+v", got[i]), fmt.Sprintf("%+v", want[i]); got != want {
				t.Fatalf("cut after %d bytes: snapshot %d is %s, want %s", n, i, got, want)
			}
		}
	}
	if got, want := before, 5; got != want {
		t.Errorf("without its last byte: %d snapshots, want %d", got, want)
	}
}

func TestCutSaysWhatIsGood(t *testing.T) {
	whole := written(t, looks(3, 2000)...)
	_, err := read(t, whole[:len(whole)-500])
	if got, want := fmt.Sprint(err), "recording is cut off after 2 snapshots, the last of 2026-03-02T09:00:15Z: unexpected EOF"; got != want {
		t.Errorf("error = %q, want %q", got, want)
	}
}

func TestNewerRecordingIsRefusedWithASentence(t *testing.T) {
	_, err := record.NewReader(bytes.NewReader(compressed(t, []byte("tidemark recording\n\x02"))))
	if got, want := fmt.Sprint(err), "open recording: it has version 2, this tidemark reads up to 1; use a newer one"; got != want {
		t.Errorf("error = %q, want %q", got, want)
	}
	if _, err := record.NewReader(strings.NewReader("PK\x03\x04 something else entirely")); err == nil {
		t.Error("a file of another kind was opened")
	}
}

func TestFlippedBitIsFound(t *testing.T) {
	whole := written(t, looks(4, 50)...)
	for i := 40; i < len(whole)-8; i += 7 {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x10
		if got, err := read(t, broken); err == nil && len(got) == 4 {
			if fmt.Sprintf("%+v", got[3]) != fmt.Sprintf("%+v", looks(4, 50)[3]) {
				t.Fatalf("bit flipped in byte %d: read as if nothing were wrong", i)
			}
		}
	}
}

// A day of 1,000 partitions shall fit in an e-mail: 5,760 looks of 4 kB are 23 MB.
func TestLookAtThousandPartitionsTakesFourKilobytes(t *testing.T) {
	few, more := len(written(t, looks(10, 1000)...)), len(written(t, looks(110, 1000)...))
	if got, want := (more-few)/100, 4096; got > want {
		t.Errorf("one look takes %d bytes, want at most %d", got, want)
	}
}

func TestRecordingPlaysInItsOwnTimeOrFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := record.NewReader(bytes.NewReader(written(t, looks(5, 1)...)))
		if err != nil {
			t.Fatal(err)
		}
		p, began := record.Player{Reader: r, Speed: 10}, time.Now()
		for range 5 {
			if _, err := p.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := time.Since(began), 6*time.Second; got != want {
			t.Errorf("a minute at ten times the speed took %s, want %s", got, want)
		}
		if _, err := p.Snapshot(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the last: %v, want EOF", err)
		}
	})
}

func TestPlayerStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := record.NewReader(bytes.NewReader(written(t, looks(2, 1)...)))
		if err != nil {
			t.Fatal(err)
		}
		p := record.Player{Reader: r}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Snapshot(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want that of the context", err)
		}
	})
}

// FuzzReader reads snapshots that somebody made up, in frames whose checksum is right.
func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5})
	f.Add(append([]byte{1, 0, 4, 'm', 'a', 'i', 'n'}, make([]byte, 20)...))
	f.Add([]byte{1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, content []byte) {
		frame := binary.AppendUvarint([]byte("tidemark recording\n\x01"), uint64(len(content)))
		frame = append(binary.BigEndian.AppendUint32(frame, crc32.ChecksumIEEE(content)), content...)
		all, err := read(t, compressed(t, frame))
		if err != nil {
			return
		}
		again, err := read(t, written(t, all...))
		if err != nil || len(again) != 1 || fmt.Sprintf("%+v", again[0]) != fmt.Sprintf("%+v", all[0]) {
			t.Fatalf("read %+v, wrote it, read %+v: %v", all, again, err)
		}
	})
}

// compressed is a gzip member, as fast as it can be made.
func compressed(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
