package runbooks

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// unknown stands where nobody told us.
const unknown = "unknown"

// whole writes 12345 as 12,345.
func whole(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// perSecond writes 2.7012 as 2.7/s.
func perSecond(v float64) string { return significant(v) + "/s" }

// significant rounds to three digits, and never shows more than are known.
func significant(v float64) string {
	if math.Abs(v) >= 100 {
		return whole(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// span writes durations as people say them: 20s, 1m15s, 2h5m.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		d = d.Round(time.Second)
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.String()
}

// several writes 1 member, 12,345 records.
func several[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return whole(int64(n)) + " " + what + "s"
}

// code makes a name inline code, which Markdown takes literally: a name may hold
// anything its owner liked, also links and markup.
func code(name string) string {
	name = oneLine(name)
	if name == "" {
		return unknown
	}
	fence := "`"
	for strings.Contains(name, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + name + " " + fence
	}
	return fence + name + fence
}

// plain takes the markup out of a sentence that may hold names.
func plain(text string) string {
	return strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`, "<", `\<`, "|", `\|`, "&", `\&`).Replace(oneLine(text))
}

// oneLine keeps control characters out of terminals and tables.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

var (
	bare     = regexp.MustCompile(`^[\w./:][\w./:@+-]*$`)
	quotable = regexp.MustCompile(`^[\w./:@+ ,=~#(){}*?!&;|<>%^\[\]$-]+$`)
)

// argument is a name as bash and PowerShell both take it, else the word to replace
// by hand: no quoting holds in both for quotes, backslashes and control characters,
// and a name that begins with a dash would be an option.
func argument(name, otherwise string) string {
	switch {
	case bare.MatchString(name):
		return name
	case quotable.MatchString(name) && !strings.HasPrefix(name, "-"):
		return "'" + name + "'"
	}
	return otherwise
}
