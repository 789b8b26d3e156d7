package drill

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// firstWord returns the first word of a text that begins with one, as written
// and as meant.
func firstWord(rest string) (source, meant string, ok bool) {
	if rest[0] != '"' {
		source, _, _ = strings.Cut(strings.ReplaceAll(rest, "\t", " "), " ")
		return source, source, true
	}
	source, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", "", false
	}
	meant, err = strconv.Unquote(source)
	return source, meant, err == nil
}

// complaint says what stands at a word, and what should.
func complaint(at word, position int, wanted []string) string {
	if position == 0 {
		return fmt.Sprintf("no verb is called %q", at.text)
	}
	got := strconv.Quote(at.text)
	if at.length == 0 {
		got = "the end of the line"
	}
	return fmt.Sprintf("expected %s, got %s", alternatives(wanted), got)
}

func alternatives(wanted []string) string {
	var texts []string
	for _, want := range wanted {
		text := strconv.Quote(want)
		if slot, is := slots()[want]; is {
			text = slot.want
		} else if want == endOfLine {
			text = "the end of the line"
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, " or ")
}

// didYouMean returns a hint if one of the wanted words is near to what was written.
func didYouMean(written string, wanted []string) string {
	best, distance := "", 3 // two slips of the finger; beyond that it is a guess
	for _, want := range wanted {
		candidates := []string{want}
		if slot, is := slots()[want]; is {
			candidates = slot.words
		}
		for _, candidate := range candidates {
			if d := levenshtein.ComputeDistance(written, candidate); d < distance && d < len(candidate) {
				best, distance = candidate, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}
