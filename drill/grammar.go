package drill

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
)

// rule is one form that a line can have, and what it means. Words in capitals
// are slots; what stands in brackets can be left out.
type rule struct {
	form string
	run  meaning // nil: the line is about the script itself
}

// grammar returns the whole language. docs/drills.md explains the same forms.
func grammar() []rule {
	return []rule{
		{"drill NAME TITLE", nil},
		{"group NAME", nil},
		{"topic NAME", nil},
		{"always", nil},
		{"end", nil},

		{"stop consumers", act(Stop)},
		{"start consumers", act(Start)},
		{"scale consumers to COUNT", act(Scale)},
		{"publish COUNT events [over DURATION] [with key NAME]", act(Publish)},
		{"freeze partition PARTITION", act(Freeze)},
		{"thaw partition PARTITION", act(Thaw)},
		{"wait DURATION", wait},

		{"expect lag OPERATOR COUNT within DURATION", expect(lag)},
		{"expect members OPERATOR COUNT within DURATION", expect(members)},
		{"expect replicas needed OPERATOR COUNT within DURATION", expect(needed)},
		{"expect skew OPERATOR NUMBER within DURATION", expect(skew)},
		{"expect state is STATE within DURATION", expect(state)},
		{"expect partition PARTITION is CONDITION within DURATION", expect(partition)},
		{"expect alert NAME is ALERTSTATE within DURATION", expect(alert)},

		{measureDrain, measure},
		{expectPredicted, drainPredicted},
		{expectDrained, drainTook},
	}
}

// The forms that the parser knows by name: one measures, the others need that.
const (
	measureDrain    = "measure drain [within DURATION]"
	expectPredicted = "expect drain within PERCENT of predicted"
	expectDrained   = "expect drain within DURATION"
)

// part is a run of words of a form that stand or are left out together.
type part struct {
	words    []string
	optional bool
}

func (r rule) parts() (parts []part) {
	for i, text := range strings.Split(r.form, " [") {
		parts = append(parts, part{words: strings.Fields(strings.TrimSuffix(text, "]")), optional: i > 0})
	}
	return parts
}

// match reads words by the rule's form. If they do not follow it, fits says how
// many of them do, and wanted what could come next.
func (r rule) match(words []word) (s Statement, fits int, wanted []string, ok bool) {
	s = Statement{rule: r}
	for _, part := range r.parts() {
		if part.optional && (fits == len(words) || words[fits].text != part.words[0]) {
			wanted = append(wanted, part.words[0])
			continue
		}
		for _, want := range part.words {
			if fits == len(words) || !fill(&s, want, words[fits]) {
				return s, fits, append(wanted, want), false
			}
			fits, wanted = fits+1, nil
		}
	}
	return s, fits, append(wanted, endOfLine), fits == len(words)
}

// endOfLine is wanted where a line is complete.
const endOfLine = "\n"

// fill puts a word into the statement's slot, or compares it with the literal.
func fill(s *Statement, want string, w word) bool {
	if slot, is := slots()[want]; is {
		return slot.read(s, w.text)
	}
	return w.text == want
}

// slot is a place in a form for a word of the author's own.
type slot struct {
	want  string   // what may stand here, for error messages
	words []string // the only ones that may; nil: too many to list
	read  func(*Statement, string) bool
	write func(Statement) string
}

func slots() map[string]slot {
	return map[string]slot{
		"NAME":       text("a name", func(s *Statement) *string { return &s.name }, quoted),
		"TITLE":      text("a title in quotes", func(s *Statement) *string { return &s.title }, strconv.Quote),
		"COUNT":      {want: "a whole number, such as 600", read: readCount, write: writeNumber},
		"PARTITION":  {want: "a partition's number, such as 0", read: readPartition, write: func(s Statement) string { return strconv.Itoa(int(s.partition)) }},
		"NUMBER":     {want: "a number, such as 2.5", read: readNumber, write: writeNumber},
		"PERCENT":    {want: "a percentage, such as 25%", read: readPercent, write: func(s Statement) string { return writeNumber(s) + "%" }},
		"DURATION":   {want: "a duration, such as 30s or 5m", read: readDuration, write: func(s Statement) string { return brief(s.duration) }},
		"OPERATOR":   choice([]string{"<=", ">=", "<", ">", "="}, func(s *Statement) *string { return &s.operator }),
		"STATE":      choice(stateWords(), func(s *Statement) *string { return &s.word }),
		"CONDITION":  choice(append(stateWords(), reasonWords()...), func(s *Statement) *string { return &s.word }),
		"ALERTSTATE": choice([]string{inactive, string(tidemark.AlertPending), string(tidemark.AlertFiring), string(tidemark.AlertResolved)}, func(s *Statement) *string { return &s.word }),
	}
}

// inactive is Prometheus' word for a rule that has no alert.
const inactive = "inactive"

func text(want string, field func(*Statement) *string, write func(string) string) slot {
	return slot{
		want:  want,
		read:  func(s *Statement, w string) bool { *field(s) = w; return w != "" },
		write: func(s Statement) string { return write(*field(&s)) },
	}
}

func choice(words []string, field func(*Statement) *string) slot {
	return slot{
		want:  "one of " + strings.Join(words, " "),
		words: words,
		read:  func(s *Statement, w string) bool { *field(s) = w; return slices.Contains(words, w) },
		write: func(s Statement) string { return *field(&s) },
	}
}

func stateWords() (words []string) {
	for _, s := range tidemark.States() {
		words = append(words, string(s))
	}
	return words
}

func reasonWords() (words []string) {
	for r := tidemark.Fine + 1; r <= tidemark.Unreachable; r++ {
		words = append(words, r.String())
	}
	return words
}

func readCount(s *Statement, w string) bool {
	n, err := strconv.ParseUint(w, 10, 31)
	s.number = float64(n)
	return err == nil
}

func readPartition(s *Statement, w string) bool {
	n, err := strconv.ParseUint(w, 10, 31)
	s.partition = int32(n)
	return err == nil
}

func readNumber(s *Statement, w string) bool {
	x, err := strconv.ParseFloat(w, 64)
	s.number = x
	return err == nil && x >= 0 && !math.IsInf(x, 1)
}

func readPercent(s *Statement, w string) bool {
	digits, is := strings.CutSuffix(w, "%")
	return is && readNumber(s, digits)
}

func readDuration(s *Statement, w string) bool {
	d, err := time.ParseDuration(w)
	s.duration = d
	return err == nil && d > 0
}

func writeNumber(s Statement) string { return strconv.FormatFloat(s.number, 'f', -1, 64) }
