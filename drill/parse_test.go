package drill_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/drill"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is different (go test ./drill -update writes it anew)\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

func TestMistakesAreShownWithLineCaretAndWhatMayHaveBeenMeant(t *testing.T) {
	text, err := os.ReadFile("testdata/wrong.drill")
	if err != nil {
		t.Fatal(err)
	}
	_, err = drill.Parse("wrong.drill", text)
	if err == nil {
		t.Fatal("parsed")
	}
	golden(t, "wrong.golden", err.Error()+"\n")
}

func TestAMistakeSaysWhereItIs(t *testing.T) {
	_, err := drill.Parse("a.drill", []byte("drill a \"ä\"\nwait 10s\nwait ever\n"))
	var wrong *drill.SyntaxError
	if !errors.As(err, &wrong) {
		t.Fatalf("error %v is no syntax error", err)
	}
	if wrong.Line != 3 || wrong.Column != 6 || wrong.Length != 4 {
		t.Errorf("at %d:%d, %d long, want 3:6, 4 long", wrong.Line, wrong.Column, wrong.Length)
	}
}

func TestAScriptPrintsAsItReads(t *testing.T) {
	text := `drill  "two words"   "A \"quoted\" title"   # comment
group	crm-events-sse
topic "a # b"
publish 600 events with key k
publish 600 events over 90s with key "two words"
wait 60m
expect skew >= 2.50 within 1h0m5s
always
thaw partition 1
end`
	want := `drill "two words" "A \"quoted\" title"
group crm-events-sse
topic "a # b"

publish 600 events with key k
publish 600 events over 1m30s with key "two words"
wait 1h
expect skew >= 2.5 within 1h0m5s

always
  thaw partition 1
end
`
	script, err := drill.Parse("a.drill", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := script.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestAnEmptyFileSaysHowToBegin(t *testing.T) {
	_, err := drill.Parse("a.drill", nil)
	if err == nil || !strings.Contains(err.Error(), `begin with: drill NAME "what it shows"`) {
		t.Errorf("error %v does not say how to begin", err)
	}
}

func TestABuiltInDrillIsFoundByNameAndNearlyByName(t *testing.T) {
	if _, err := drill.Find("hot-key"); err != nil {
		t.Error(err)
	}
	for name, hint := range map[string]string{"hotkey": `did you mean "hot-key"?`, "x": "there are hot-key, lag-and-recovery"} {
		if _, err := drill.Find(name); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: error %v does not say %q", name, err, hint)
		}
	}
}

func FuzzParse(f *testing.F) {
	scripts, err := drill.Builtin()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range scripts {
		f.Add(s.String())
	}
	wrong, err := os.ReadFile("testdata/wrong.drill")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(wrong))
	f.Fuzz(func(t *testing.T, text string) {
		first, err := drill.Parse("a.drill", []byte(text))
		if err != nil {
			_ = err.Error()
			return
		}
		second, err := drill.Parse("a.drill", []byte(first.String()))
		if err != nil {
			t.Fatalf("%v\nin what was printed:\n%s", err, first)
		}
		if got, want := second.String(), first.String(); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}
