package journal_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aetherlink/tidemark/journal"
)

func open(t *testing.T, path string) (*journal.File[string], []string) {
	t.Helper()
	f, records, err := journal.Open[string](path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, records
}

func add(t *testing.T, f *journal.File[string], records ...string) {
	t.Helper()
	if err := f.Append(records...); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, path string, want ...string) *journal.File[string] {
	t.Helper()
	f, got := open(t, path)
	if !slices.Equal(got, want) {
		t.Errorf("records = %q, want %q", got, want)
	}
	return f
}

func TestWhatWasAcknowledgedIsThereWithoutAClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts", "journal")
	f, _ := open(t, path)
	add(t, f, "one", "two\nwith a line end")
	f = want(t, path, "one", "two\nwith a line end")
	add(t, f, "three")
	want(t, path, "one", "two\nwith a line end", "three")
}

func TestReadingMakesNoFile(t *testing.T) {
	dir := t.TempDir()
	open(t, filepath.Join(dir, "sub", "journal"))
	if made, _ := os.ReadDir(dir); len(made) > 0 {
		t.Errorf("made %v, want nothing", made)
	}
}

func TestWithoutAPathNothingIsKept(t *testing.T) {
	f, _ := open(t, "")
	add(t, f, "one")
	if err := f.Rewrite("one"); err != nil || f.Due() {
		t.Errorf("rewrite: %v, due: %t, want neither", err, f.Due())
	}
}

func TestAnUnfinishedRecordIsCutAndTheNextOneStandsInItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f, _ := open(t, path)
	add(t, f, "one", "two")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for missing := 1; missing < 30; missing++ {
		if err := os.WriteFile(path, whole[:len(whole)-missing], 0o600); err != nil {
			t.Fatal(err)
		}
		f := want(t, path, "one")
		if !strings.Contains(f.Cut(), "behind record 1") || !strings.Contains(f.Cut(), "never finished") {
			t.Fatalf("it says %q, want what was cut and why", f.Cut())
		}
		add(t, f, "three")
		if f := want(t, path, "one", "three"); f.Cut() != "" {
			t.Fatalf("it says %q, want nothing cut any more", f.Cut())
		}
	}
}

func TestAFlippedBitEndsTheJournalBeforeIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f, _ := open(t, path)
	add(t, f, "one", "two", "three")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"one", "two", "three"}
	first := len("tidemark journal 1\n")
	for bit := first * 8; bit < len(whole)*8; bit++ {
		bad := slices.Clone(whole)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		f, got := open(t, path)
		good := strings.Count(string(whole[first:bit/8]), "\n")
		if !slices.Equal(got, all[:good]) || f.Cut() == "" {
			t.Fatalf("bit %d: records = %q (%s), want %q and a sentence", bit, got, f.Cut(), all[:good])
		}
	}
}

func TestARecordTakenOutOrExchangedIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f, _ := open(t, path)
	add(t, f, "one", "two", "three")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, changed := range []string{lines[0] + lines[1] + lines[3], lines[0] + lines[2] + lines[1] + lines[3]} {
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		f, got := open(t, path)
		if len(got) > 1 || !strings.Contains(f.Cut(), "has changed them") {
			t.Errorf("records = %q (%s), want what comes before the change", got, f.Cut())
		}
	}
}

func TestARewriteReplacesAllAndGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f, _ := open(t, path)
	for i := range 5 {
		add(t, f, strconv.Itoa(i))
	}
	if err := f.Rewrite("all of it"); err != nil {
		t.Fatal(err)
	}
	add(t, f, "and more")
	want(t, path, "all of it", "and more")
}

func TestALongJournalIsDueForARewrite(t *testing.T) {
	f, _ := open(t, filepath.Join(t.TempDir(), "journal"))
	long := strings.Repeat("x", 300<<10)
	for i := range 4 {
		if f.Due() {
			t.Errorf("due after %d records of 300 KiB, want not before a megabyte", i)
		}
		add(t, f, long)
	}
	if !f.Due() {
		t.Error("not due after 1.2 MB")
	}
	if err := f.Rewrite(long, long); err != nil || f.Due() {
		t.Errorf("rewrite: %v, due: %t, want neither", err, f.Due())
	}
}

func TestAnotherVersionsFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte("tidemark journal 2\nwhatever\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Open[string](path); err == nil || !strings.Contains(err.Error(), "a newer version wrote it") {
		t.Errorf("error = %v, want one that says that a newer version wrote it", err)
	}
}

func TestAfterAFailureNothingIsTakenUntilARewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f, _ := open(t, path)
	add(t, f, "one")

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	full := limit
	full.Cur = 100 // bytes that a file may have: the disk is full
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	first, second, rewritten := f.Append(strings.Repeat("x", 200)), f.Append("y"), f.Rewrite(strings.Repeat("x", 200))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if first == nil || second == nil || rewritten == nil || !f.Due() {
		t.Errorf("errors = %v, %v, %v, due = %t, want all of them", first, second, rewritten, f.Due())
	}
	want(t, path, "one")
	if err := f.Rewrite("one", "two"); err != nil {
		t.Fatal(err)
	}
	add(t, f, "three")
	want(t, path, "one", "two", "three")
}

func FuzzOpen(fuzz *testing.F) {
	path := filepath.Join(fuzz.TempDir(), "seed")
	f, _, err := journal.Open[string](path)
	if err != nil {
		fuzz.Fatal(err)
	}
	if err := f.Append("one", "two"); err != nil {
		fuzz.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		fuzz.Fatal(err)
	}
	fuzz.Add(text)
	fuzz.Add(text[:len(text)-3])
	fuzz.Add([]byte("tidemark journal 1\n"))
	fuzz.Add([]byte{})
	fuzz.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		f, records, err := journal.Open[string](path)
		if err != nil {
			return
		}
		if err := f.Append("last"); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		want(t, path, append(records, "last")...)
	})
}
