package saved_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/saved"
)

func written(t *testing.T, version uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := saved.NewWriter(&b, "tides", version)
	w.Uint(math.MaxUint64)
	w.Int(-7)
	w.Float(2.7)
	w.Bool(true)
	w.Text("orders\x00\xff")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatWasWrittenIsReadBack(t *testing.T) {
	r, version, err := saved.NewReader(bytes.NewReader(written(t, 3)), "tides", 4)
	if err != nil {
		t.Fatal(err)
	}
	if version != 3 || r.Uint() != math.MaxUint64 || r.Int() != -7 || r.Float() != 2.7 || !r.Bool() || r.Text(100) != "orders\x00\xff" {
		t.Error("what was read is not what was written")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestEveryChangedByteAndEveryCutIsNoticed(t *testing.T) {
	whole := written(t, 1)
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x10
		for _, b := range [][]byte{damaged, whole[:i]} {
			if _, _, err := saved.NewReader(bytes.NewReader(b), "tides", 1); !errors.Is(err, saved.ErrDamaged) {
				t.Fatalf("byte %d: %v, want it to be damaged", i, err)
			}
		}
	}
}

func TestNewerVersionAndAnotherKindAreRefusedWithWhatToDo(t *testing.T) {
	_, _, err := saved.NewReader(bytes.NewReader(written(t, 9)), "tides", 2)
	if err == nil || !strings.Contains(err.Error(), "version 9 is newer than 2") || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("%v, want it to name both versions and what to do", err)
	}
	if _, _, err := saved.NewReader(bytes.NewReader(written(t, 1)), "moons", 2); err == nil || !strings.Contains(err.Error(), `"tides"`) {
		t.Errorf("%v, want it to name what it is", err)
	}
}

func TestReadingBeyondTheEndOrTooMuchIsDamage(t *testing.T) {
	for name, read := range map[string]func(*saved.Reader){
		"beyond the end": func(r *saved.Reader) {
			for range 50 {
				r.Uint()
			}
		},
		"too many":    func(r *saved.Reader) { r.Count(10) },
		"not all":     func(*saved.Reader) {},
		"no fraction": func(r *saved.Reader) { r.Uint(); r.Float(); r.Float(); r.Float() },
	} {
		r, _, err := saved.NewReader(bytes.NewReader(written(t, 1)), "tides", 1)
		if err != nil {
			t.Fatal(err)
		}
		if read(r); !errors.Is(r.Close(), saved.ErrDamaged) {
			t.Errorf("%s: no damage seen", name)
		}
	}
}
