package config

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Problem is one mistake in a configuration file.
type Problem struct {
	File         string
	Line, Column int // from 1; 0: about the whole file
	Width        int // columns the caret underlines
	Says         string
	Hint         string // what to do, or what was probably meant
	source       []string
}

// Error is the problem in one line: "tidemark.yaml:3:5: unknown field "broker"".
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Says
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Says)
}

// Problems are all mistakes of one file. As an error it shows each with its line
// and a caret below it.
type Problems []Problem

// Error shows every problem and counts them.
func (ps Problems) Error() string {
	var b strings.Builder
	for _, p := range ps {
		p.show(&b)
	}
	fmt.Fprintf(&b, "%s in %s", count(len(ps)), ps[0].File)
	return b.String()
}

func (p Problem) show(b *strings.Builder) {
	b.WriteString(p.Error() + "\n")
	if p.Line == 0 || p.Line > len(p.source) {
		if p.Hint != "" {
			b.WriteString("  " + p.Hint + "\n")
		}
		return
	}
	if p.Line > 1 {
		fmt.Fprintf(b, "%5d | %s\n", p.Line-1, p.source[p.Line-2])
	}
	fmt.Fprintf(b, " >%3d | %s\n", p.Line, p.source[p.Line-1])
	caret := strings.Repeat(" ", p.Column-1) + strings.Repeat("^", max(1, p.Width)) + " " + p.Hint
	b.WriteString("      | " + strings.TrimRight(caret, " ") + "\n")
}

func count(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

// closest returns the candidate that differs least from word, if it is close
// enough to be what was meant.
func closest(word string, candidates []string) (best string, found bool) {
	limit := max(1, len(word)/3) + 1
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(word, c); d < limit {
			best, limit, found = c, d, true
		}
	}
	return best, found
}
