package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal says whether w is one that a person looks at.
func terminal(w io.Writer) bool {
	if a, is := w.(ascii); is {
		w = a.Writer
	}
	f, is := w.(*os.File)
	return is && term.IsTerminal(int(f.Fd()))
}

// columns is how wide a line may be: as $COLUMNS or the terminal says; 0: any.
func columns(w io.Writer) int {
	if told, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil {
		return told
	}
	if !terminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// bindASCII gives every command the flag for consoles without our signs.
func bindASCII(root *cobra.Command) {
	plain := root.PersistentFlags().Bool("ascii", false, "print with ASCII signs only, for old consoles")
	root.PersistentPreRun = func(*cobra.Command, []string) {
		if *plain {
			root.SetOut(ascii{root.OutOrStdout()})
			root.SetErr(ascii{root.ErrOrStderr()})
		}
	}
}

// ascii writes with what every console can show. Each sign becomes one letter, so
// that columns stay where they are.
type ascii struct{ io.Writer }

func (a ascii) Write(p []byte) (int, error) {
	_, err := io.WriteString(a.Writer, strings.Map(letter, string(p)))
	return len(p), err
}

func letter(sign rune) rune {
	const signs, letters = "✓×–—→▲≥±·…‼▁▂▃▄▅▆▇█", "+x--" + ">^>~|.!" + "_.-=+*#@"
	if sign < utf8.RuneSelf {
		return sign
	}
	if i := slices.Index([]rune(signs), sign); i >= 0 {
		return rune(letters[i])
	}
	return '?'
}

// paint colours text by meaning, if w is a terminal and nobody asked for none
// (NO_COLOR, no-color.org). The meaning is always in the words too.
func paint(w io.Writer, level, text string) string {
	colours := map[string]string{"bad": "31", "warn": "33", "good": "32", "quiet": "2", "never": "35"}
	code, known := colours[level]
	if _, plain := os.LookupEnv("NO_COLOR"); plain || !known || !terminal(w) || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// pause waits, and says for what: on a terminal with a line that goes away again.
func pause(ctx context.Context, talk io.Writer, d time.Duration, what string) error {
	if !terminal(talk) {
		fmt.Fprintln(talk, what)
		return wait(ctx, d)
	}
	defer fmt.Fprint(talk, "\r\x1b[K")
	for left := d; left > 0; left -= 200 * time.Millisecond {
		fmt.Fprintf(talk, "\r\x1b[K%s … %.0f s", what, left.Seconds())
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
