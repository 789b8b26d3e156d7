package lag_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/saved"
)

func file(t *testing.T, h *lag.History) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := h.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHistoryThatWasSavedTellsTheSameAfterwards(t *testing.T) {
	ends := wild()
	h := lag.New(lag.Options{})
	for i, end := range ends {
		s := wide(start.Add(time.Duration(i)*tick), end, 3)
		s.Topics[0].Partitions[0].Start = end / 2 / 1e6 * 1e6
		h.Observe(s)
	}
	again := reloaded(t, h)
	now, end := start.Add(time.Duration(len(ends)-1)*tick), ends[len(ends)-1]
	for offset := int64(0); offset < end; offset += end / 1000 {
		p := reading(offset, end)
		if got, want := again.TimeLag(p, now), h.TimeLag(p, now); got != want {
			t.Fatalf("record %d: %+v, want %+v", offset, got, want)
		}
		if got, want := again.Loss(p, now), h.Loss(p, now); got != want {
			t.Fatalf("record %d: loss %+v, want %+v", offset, got, want)
		}
	}
	if !bytes.Equal(file(t, h), file(t, again)) {
		t.Error("the file of what was loaded differs from the file it was loaded from")
	}
}

func TestWeekOfAPartitionIsSavedInAKilobyte(t *testing.T) {
	h := lag.New(lag.Options{})
	for i, end := range wild() {
		h.Observe(wide(start.Add(time.Duration(i)*tick), end, 10))
	}
	each := len(file(t, h)) / 10
	t.Logf("%d bytes a partition", each)
	if each > 1200 {
		t.Errorf("%d bytes a partition, want about 1 KB", each)
	}
}

func TestFileThatCannotBeReadChangesNothing(t *testing.T) {
	h, at, end := watched(steady(100), time.Hour)
	good := file(t, h)
	newer := newerFile(t)
	damaged := bytes.Clone(good)
	damaged[len(damaged)/2]++
	for name, c := range map[string]struct {
		bytes []byte
		says  string
	}{
		"cut off": {good[:len(good)/2], "damaged"}, "a changed byte": {damaged, "damaged"},
		"nothing": {nil, "damaged"}, "a newer version": {newer, "newer than 1"},
	} {
		err := h.Load(bytes.NewReader(c.bytes))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v, want it to say %q and what to do", name, err, c.says)
		}
		within(t, h.TimeLag(reading(end-60_000, end), at), 10*time.Minute, tick/2)
	}
}

func newerFile(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := saved.NewWriter(&b, "tidemark lag history", 2).Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestDiskThatIsFullIsSaid(t *testing.T) {
	h, _, _ := watched(steady(100), time.Hour)
	if err := h.Save(fullDisk{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v, want it to be told", err)
	}
}

// FuzzLoad: whatever is read, it is refused or gives time lags that can be.
func FuzzLoad(f *testing.F) {
	h := lag.New(lag.Options{})
	for i := range 40 {
		s := wide(start.Add(time.Duration(i)*tick), int64(i)*100, 2)
		s.Topics[0].Partitions[0].Start = int64(i / 10 * 100)
		h.Observe(s)
	}
	var b bytes.Buffer
	if err := h.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes()[:b.Len()-4], int64(300), int64(100))
	f.Fuzz(func(t *testing.T, body []byte, offset, more int64) {
		h := lag.New(lag.Options{})
		if err := h.Load(bytes.NewReader(summed(body))); err != nil {
			return
		}
		var again bytes.Buffer
		if err := h.Save(&again); err != nil {
			t.Fatal(err)
		}
		at, end := start.Add(time.Hour), offset+more
		s := look(at, end)
		p := reading(offset, end)
		s.Partitions = append(s.Partitions, p)
		h.Observe(s)
		h.Wants(s)
		if got := h.TimeLag(p, at); got.Value < 0 || got.Error < 0 {
			t.Errorf("time lag %+v", got)
		}
		if got := h.Loss(p, at); got.In < 0 {
			t.Errorf("loss %+v", got)
		}
	})
}

// summed is a body with the checksum that it should have, so that what the fuzzer
// makes up gets past it.
func summed(body []byte) []byte {
	return append(bytes.Clone(body), saved.Sum(body)...)
}
