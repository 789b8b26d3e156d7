// Package doctor looks at what stands between tidemark and the truth, and says of each
// thing whether it is in order, and if not, what most likely ails it and what to type.
//
// It hides which checks there are, in which order, and which need another first. It
// touches nothing itself: how to look is handed in. It never repairs, and what it could
// not look at it never calls in order.
//
// It is a package, and not a part of its command, so that every ailment can be had
// without having it.
//
// May change until version 1.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
)

// Verdict is what a check came to.
type Verdict string

// The verdicts.
const (
	Fine    Verdict = "fine"
	Doubt   Verdict = "doubt"   // it goes on, but something is missing
	Wrong   Verdict = "wrong"   // it does not go on so
	Skipped Verdict = "skipped" // something else has to be in order first
)

// Check is one thing that was looked at.
type Check struct {
	Section string  `json:"section"`
	Verdict Verdict `json:"verdict"`
	Says    string  `json:"says"`
	Cure    string  `json:"cure"` // the likely cause and what to do; empty: nothing, or not known
}

// Report is all that was looked at.
type Report []Check

// Well says that nothing was found. What was skipped is no finding: what it waits for is.
func (r Report) Well() bool {
	for _, c := range r {
		if c.Verdict == Doubt || c.Verdict == Wrong {
			return false
		}
	}
	return true
}

// Text is the report for a terminal.
func (r Report) Text() string {
	marks := map[Verdict]string{Fine: "✓", Doubt: "!", Wrong: "×", Skipped: "–"}
	var b strings.Builder
	section, found := "", 0
	for _, c := range r {
		if c.Section != section {
			section = c.Section
			fmt.Fprintln(&b, section)
		}
		fmt.Fprintf(&b, "  %s %s\n", marks[c.Verdict], c.Says)
		for line := range strings.Lines(c.Cure) {
			fmt.Fprintf(&b, "      %s\n", strings.TrimSpace(line))
		}
		if c.Verdict == Doubt || c.Verdict == Wrong {
			found++
		}
	}
	if found > 0 {
		fmt.Fprintf(&b, "\n%s found\n", count(found, "thing"))
	}
	return b.String()
}

// Kafka is how to look at a cluster.
type Kafka struct {
	Bootstrap string // what was dialled first
	Look      func(context.Context) (*tidemark.Snapshot, error)
	Lacks     func(context.Context) []Lack // the rights that the latest look lacked
	Interval  time.Duration                // between two looks of a running tidemark
}

// Lack is a right that would show more.
type Lack struct{ Shows, Command string }

// Check looks twice: the first look also opens connections, and says nothing about how
// long one takes.
func (k Kafka) Check(ctx context.Context) Report {
	if _, err := k.Look(ctx); err != nil {
		return k.unreachable(err)
	}
	seen, err := k.Look(ctx)
	if err != nil {
		return k.unreachable(err)
	}
	return append(append(k.reached(seen), k.rights(ctx, seen)...), k.pace(seen)...)
}

func (k Kafka) unreachable(err error) Report {
	const first = "skipped: Kafka has to answer first"
	what, cure, _ := strings.Cut(err.Error(), "\n")
	return Report{
		{"Kafka", Wrong, k.Bootstrap + ": " + what, strings.TrimSpace(cure)},
		{"Permissions", Skipped, first, ""},
		{"Collector", Skipped, first, ""},
	}
}

// reached says who answers, and of who does not what is known about it. Brokers tell
// where they are themselves, so that one may answer at the address that was dialled
// and at none of those that it told.
func (k Kafka) reached(s *tidemark.Snapshot) (r Report) {
	up := 0
	for _, b := range s.Brokers {
		if b.Up {
			up++
			continue
		}
		r = append(r, Check{"Kafka", Wrong, fmt.Sprintf("broker %d does not answer at %s, the address that it advertises", b.ID, b.Address), cureOf(s, b)})
	}
	if up == len(s.Brokers) {
		return Report{{"Kafka", Fine, fmt.Sprintf("%s answers: %s, each at the address that it advertises", k.Bootstrap, count(up, "broker")), ""}}
	}
	return r
}

// cureOf is what the gaps of a look say about a broker.
func cureOf(s *tidemark.Snapshot, b tidemark.Broker) string {
	for _, gap := range s.Gaps {
		if gap.Reason == tidemark.Unreachable && gap.Err != nil && strings.HasSuffix(gap.What, fmt.Sprintf(" broker %d", b.ID)) {
			return gap.Err.Error()
		}
	}
	return ""
}

func (k Kafka) rights(ctx context.Context, s *tidemark.Snapshot) (r Report) {
	for _, l := range k.Lacks(ctx) {
		r = append(r, Check{"Permissions", Doubt, "we are not shown " + l.Shows, l.Command})
	}
	if len(r) == 0 {
		return Report{{"Permissions", Fine, fmt.Sprintf("nothing is known to be hidden from us: %s, %s", count(len(s.Topics), "topic"), count(len(s.Groups), "group")), ""}}
	}
	return most(r)
}

// pace says how long a look takes, and what it did not see, but for what would take
// more rights.
func (k Kafka) pace(s *tidemark.Snapshot) Report {
	took := (s.Ended.Sub(s.Began) + time.Millisecond - 1).Truncate(time.Millisecond)
	r := Report{{"Collector", Fine, fmt.Sprintf("a look takes %s, every %s", took, k.Interval), ""}}
	if took > k.Interval/2 {
		r[0].Verdict, r[0].Cure = Doubt, "Looks will be late. Watch fewer groups or topics, or look less often."
	}
	for _, gap := range s.Gaps {
		if gap.Reason == tidemark.Denied {
			continue
		}
		c := Check{"Collector", Doubt, "not seen: " + gap.What + " (" + gap.Reason.String() + ")", ""}
		if gap.Err != nil {
			c.Cure = gap.Err.Error()
		}
		r = append(r, c)
	}
	if len(s.Gaps) == 0 {
		r = append(r, Check{"Collector", Fine, "everything was seen", ""})
	}
	return most(r)
}

// most leaves off what nobody reads any more.
func most(r Report) Report {
	const enough = 12
	if len(r) <= enough {
		return r
	}
	last := r[enough]
	last.Says, last.Cure = fmt.Sprintf("and %d more", len(r)-enough), ""
	return append(r[:enough:enough], last)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
