package rules

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// Problem is one mistake in a rule file.
type Problem struct {
	File         string
	Line, Column int // from 1; 0: about the whole file
	Says         string
	Source       string // the line
}

// Error is the problem with its line and a caret below it.
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Says
	}
	text := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Says)
	if p.Source == "" {
		return text
	}
	return fmt.Sprintf("%s\n >%3d | %s\n      | %s^", text, p.Line, p.Source, strings.Repeat(" ", p.Column-1))
}

// Problems are all mistakes of some rule files.
type Problems []Problem

// Error shows every problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// CheckFiles says what is wrong with rule files: form, expressions, templates.
func CheckFiles(files []string) (all Problems) {
	for _, file := range files {
		text, err := read(file)
		if err != nil {
			all = append(all, Problem{File: file, Says: err.Error()})
			continue
		}
		_, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		for _, err := range errs {
			all = append(all, problem(file, strings.Split(string(text), "\n"), err))
		}
	}
	return all
}

// position finds where Prometheus or its YAML reader says that an error is. They
// say it in text only: "12:5: group …" and "yaml: line 12: …" or "line 12: …".
var position = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s+)?(?:line )?(\d+)(?::(\d+))?: (?:\d+:\d+: )?`)

func problem(file string, source []string, err error) Problem {
	p := Problem{File: file, Says: err.Error()}
	at := position.FindStringSubmatch(p.Says)
	if at == nil {
		return p
	}
	p.Says = p.Says[len(at[0]):]
	p.Line, _ = strconv.Atoi(at[1])
	p.Column, _ = strconv.Atoi(at[2])
	p.Column = max(1, p.Column)
	if p.Line < 1 || p.Line > len(source) {
		return p
	}
	var syntax parser.ParseErrors
	if errors.As(err, &syntax) && len(syntax) > 0 {
		p.Line, p.Column = locate(source, p.Line, p.Column, syntax[0])
	}
	p.Source = source[p.Line-1]
	return p
}

// locate finds the place of an expression's error in its file. A plain expression
// begins at its node. One in a block ("expr: |") begins on the next line, and its
// lines are the file's without the indentation.
func locate(source []string, line, column int, syntax parser.ParseErr) (errLine, errColumn int) {
	start := min(int(syntax.PositionRange.Start), len(syntax.Query))
	before := syntax.Query[:start]
	if strings.TrimSpace(syntax.Query[start:]) == "" { // it ends too early: after its last word
		before = strings.TrimRight(before, " \n")
	}
	down := strings.Count(before, "\n")
	right := len(before) - strings.LastIndex(before, "\n") - 1
	begin := source[line-1][min(column-1, len(source[line-1])):]
	switch {
	case !strings.HasPrefix(begin, "|") && !strings.HasPrefix(begin, ">"):
		if strings.HasPrefix(begin, `"`) || strings.HasPrefix(begin, "'") {
			column++
		}
		return line, column + right
	case line+down >= len(source):
		return line, column
	}
	text := source[line+down]
	return line + down + 1, len(text) - len(strings.TrimLeft(text, " ")) + right + 1
}
