package drill

import (
	"strconv"
	"strings"
	"time"
)

// Script is a drill as written.
type Script struct {
	Name, Title  string
	Group, Topic string      // what it is about; a caller may put others in
	Steps        []Statement // run in order, up to the first that fails
	Always       []Statement // run at the end in any case
}

// Statement is one line that does or expects something.
type Statement struct {
	rule      rule
	number    float64 // COUNT, NUMBER, PERCENT
	duration  time.Duration
	partition int32
	name      string
	title     string
	word      string
	operator  string
}

// String returns the script in canonical form: no comments, one space between
// words. Parse reads it back to the same script.
func (s *Script) String() string {
	var b strings.Builder
	line := func(words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }
	line("drill", quoted(s.Name), strconv.Quote(s.Title))
	if s.Group != "" {
		line("group", quoted(s.Group))
	}
	if s.Topic != "" {
		line("topic", quoted(s.Topic))
	}
	line()
	for _, step := range s.Steps {
		line(step.String())
	}
	if len(s.Always) > 0 {
		line("\nalways")
		for _, step := range s.Always {
			line(" ", step.String())
		}
		line("end")
	}
	return b.String()
}

// String returns the statement in canonical form.
func (s Statement) String() string {
	var words []string
	for _, part := range s.rule.parts() {
		if part.optional && !s.has(part) {
			continue
		}
		for _, word := range part.words {
			if slot, is := slots()[word]; is {
				word = slot.write(s)
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// has says whether the statement fills an optional part.
func (s Statement) has(p part) bool {
	for _, word := range p.words {
		if slot, is := slots()[word]; is && slot.write(s) != slot.write(Statement{}) {
			return true
		}
	}
	return false
}

// quoted returns a name as it must be written: in quotes if it would otherwise
// be read as several words, as none, or as a comment.
func quoted(name string) string {
	if name == "" || strings.ContainsAny(name, " \t#\"\\") {
		return strconv.Quote(name)
	}
	return name
}

// brief writes a duration without trailing zero units: 6m, not 6m0s.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
