package drill

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError is one place of a script that cannot be read.
type SyntaxError struct {
	File         string
	Line, Column int    // from 1; the column counts characters
	Message      string // what is wrong
	Hint         string // what may have been meant; may be empty
	Source       string // the line
	Length       int    // how many characters are wrong; 0: something is missing
}

// Error returns the message with the line, a caret and the hint.
func (e *SyntaxError) Error() string {
	number := strconv.Itoa(e.Line)
	indent := strings.Repeat(" ", len(number))
	lead := strings.Repeat(" ", e.Column-1) + strings.Repeat("^", max(e.Length, 1))
	return strings.TrimRight(fmt.Sprintf("%s:%d:%d: %s\n > %s | %s\n   %s | %s %s", e.File, e.Line, e.Column, e.Message,
		number, strings.ReplaceAll(e.Source, "\t", " "), indent, lead, e.Hint), " ")
}

// Parse reads a script. The file's name is for messages only. All problems are
// reported at once, joined, each a [*SyntaxError].
func Parse(file string, text []byte) (*Script, error) {
	p := parser{file: file, script: &Script{}}
	for line := range strings.Lines(string(text)) {
		p.number++
		p.line = strings.TrimRight(line, "\r\n")
		p.read()
	}
	p.finish()
	if len(p.problems) > 0 {
		return nil, errors.Join(p.problems...)
	}
	return p.script, nil
}

// parser goes through a script line by line.
type parser struct {
	file     string
	number   int    // of the current line
	line     string // the current line
	script   *Script
	problems []error
	named    bool // the drill line was there
	measured bool // a drain is measured
	within   int  // line of the always block we are in; 0: none
	ended    bool // the always block is closed
}

func (p *parser) read() {
	words, ok := p.words()
	if !ok || len(words) == 0 {
		return
	}
	s, ok := p.match(words)
	if !ok {
		return
	}
	if problem := p.put(s); problem != "" {
		p.complain(words[0], problem, "")
	}
}

// match finds the rule that the words follow, or complains about the first word
// that the best of them cannot take.
func (p *parser) match(words []word) (Statement, bool) {
	furthest, wanted := -1, []string(nil)
	for _, rule := range grammar() {
		s, fits, wants, ok := rule.match(words)
		if ok {
			return s, true
		}
		if fits > furthest {
			furthest, wanted = fits, nil
		}
		if fits == furthest {
			wanted = append(wanted, wants...)
		}
	}
	at := word{column: utf8.RuneCountInString(p.line) + 2}
	if furthest < len(words) {
		at = words[furthest]
	}
	p.complain(at, complaint(at, furthest, wanted), didYouMean(at.text, wanted))
	return Statement{}, false
}

// put adds the statement to the script, and returns why it cannot.
func (p *parser) put(s Statement) (problem string) {
	switch {
	case s.rule.run != nil:
		return p.putStep(s)
	case s.rule.form == "always" && (p.within > 0 || p.ended):
		return "there can be one always block only"
	case s.rule.form == "always":
		p.within = p.number
	case s.rule.form == "end" && p.within == 0:
		return "end without always"
	case s.rule.form == "end":
		p.within, p.ended = 0, true
	default:
		return p.putHeader(s)
	}
	return ""
}

func (p *parser) putHeader(s Statement) (problem string) {
	verb, _, _ := strings.Cut(s.rule.form, " ")
	switch {
	case verb == "drill" && p.named:
		return "a file holds one drill"
	case len(p.script.Steps) > 0 || p.within > 0 || p.ended:
		return verb + " must stand before the first step"
	case verb == "drill":
		p.named, p.script.Name, p.script.Title = true, s.name, s.title
	case verb == "group":
		p.script.Group = s.name
	case verb == "topic":
		p.script.Topic = s.name
	}
	return ""
}

func (p *parser) putStep(s Statement) (problem string) {
	switch {
	case p.ended:
		return "nothing can follow the always block"
	case (s.rule.form == expectPredicted || s.rule.form == expectDrained) && !p.measured:
		return "no drain is measured yet: put measure drain before this line"
	case p.within > 0:
		p.script.Always = append(p.script.Always, s)
	default:
		p.script.Steps = append(p.script.Steps, s)
	}
	p.measured = p.measured || s.rule.form == measureDrain
	return ""
}

// finish complains about what the script as a whole lacks.
func (p *parser) finish() {
	if p.within > 0 {
		p.complain(word{column: 1}, fmt.Sprintf("the always block of line %d has no end", p.within), "")
	}
	if len(p.problems) > 0 {
		return
	}
	p.number, p.line = 1, ""
	switch {
	case !p.named:
		p.complain(word{column: 1}, "the drill has no name", `begin with: drill NAME "what it shows"`)
	case len(p.script.Steps) == 0:
		p.complain(word{column: 1}, "the drill has no steps", "")
	}
}

func (p *parser) complain(at word, message, hint string) {
	p.problems = append(p.problems, &SyntaxError{
		File: p.file, Line: max(p.number, 1), Column: at.column,
		Message: message, Hint: hint, Source: p.line, Length: at.length,
	})
}

// word is one word of a line and where it stands, in characters from 1.
type word struct {
	text           string
	column, length int
}

// words splits the current line. A word in double quotes may contain anything;
// # begins a comment where a word could begin.
func (p *parser) words() (words []word, ok bool) {
	rest := p.line
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" || rest[0] == '#' {
			return words, true
		}
		column := utf8.RuneCountInString(p.line[:len(p.line)-len(rest)]) + 1
		source, text, ok := firstWord(rest)
		if !ok {
			p.complain(word{column: column, length: utf8.RuneCountInString(rest)}, "the quote does not end", "")
			return nil, false
		}
		words = append(words, word{text: text, column: column, length: utf8.RuneCountInString(source)})
		rest = rest[len(source):]
	}
}
