package drill

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Report is what a drill showed.
type Report struct {
	Drill, Title string
	Group, Topic string
	Speed        float64 // how many times faster than the script the world ran
	Started      time.Time
	Took         time.Duration
	Steps        []Step
	Drain        *Drain // nil: none was measured to its end
	Passed       bool   // all steps, and those of the always block
}

// Step is one line of the script, carried out.
type Step struct {
	Number  int // from 1
	Text    string
	Always  bool // it stands in the always block
	Verdict Verdict
	Seen    string // what was seen last; may be empty
	Started time.Time
	Took    time.Duration
}

// Verdict is what became of a step.
type Verdict string

// The verdicts.
const (
	Running Verdict = "running"
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped" // an earlier step failed
)

func newReport(o Options) *Report {
	return &Report{
		Drill: o.Script.Name, Title: o.Script.Title, Group: o.Script.Group, Topic: o.Script.Topic,
		Speed: o.Speed, Started: time.Now(),
	}
}

// close ends the report.
func (r *Report) close() {
	r.Took = time.Since(r.Started)
	r.Passed = true
	for _, s := range r.Steps {
		r.Passed = r.Passed && s.Verdict == Passed
	}
}

// String returns the step as one line: number, mark, time taken, what it says
// and what was seen.
func (s Step) String() string {
	marks := map[Verdict]string{Running: "·", Passed: "✓", Failed: "×", Skipped: "–"}
	took := ""
	if s.Verdict == Passed || s.Verdict == Failed {
		took = rounded(s.Took)
	}
	line := fmt.Sprintf("%3d %s %7s  %s", s.Number, marks[s.Verdict], took, s.Text)
	if s.Seen != "" {
		line += ": " + s.Seen
	}
	return line
}

// Text returns the report for a terminal.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Headline())
	always := false
	for _, s := range r.Steps {
		if s.Always && !always {
			fmt.Fprintln(&b, "    always")
		}
		always = s.Always
		fmt.Fprintln(&b, s)
	}
	fmt.Fprint(&b, r.Summary())
	return b.String()
}

// Headline returns what the drill is about, and how time ran.
func (r *Report) Headline() string {
	parts := []string{"Drill " + r.Drill}
	if r.Group != "" {
		parts = append(parts, strings.TrimSuffix(r.Group+" on "+r.Topic, " on "))
	}
	line := strings.Join(append(parts, "started "+r.Started.Format(time.TimeOnly)), "  ·  ") + "\n"
	if pace := r.pace(); pace != "" {
		line += "  " + pace + "\n"
	}
	return line
}

// pace says that time was shortened, with an example. Nobody should take a drill
// in seconds for one in minutes.
func (r *Report) pace() string {
	if r.Speed == 1 {
		return ""
	}
	return fmt.Sprintf("time ran %g× in this world: for: 5m took %s, and rates are %g× as high", r.Speed,
		rounded(time.Duration(float64(5*time.Minute)/r.Speed)), r.Speed)
}

// Summary returns the last lines of the report: the drain, the capacity and the verdict.
func (r *Report) Summary() string {
	var b strings.Builder
	fmt.Fprintln(&b)
	for _, fact := range r.facts() {
		fmt.Fprintf(&b, "  %-9s %s\n", fact.name, fact.text)
	}
	mark, failed := "✓", r.failed()
	if !r.Passed {
		mark = "×"
	}
	fmt.Fprintf(&b, "  %s %s\n", mark, r.verdict(failed))
	return b.String()
}

func (r *Report) verdict(failed []string) string {
	if r.Passed {
		return fmt.Sprintf("passed in %s", rounded(r.Took))
	}
	return fmt.Sprintf("failed after %s: step %s", rounded(r.Took), strings.Join(failed, ", "))
}

// failed returns the numbers of the steps that failed.
func (r *Report) failed() (numbers []string) {
	for _, s := range r.Steps {
		if s.Verdict == Failed {
			numbers = append(numbers, strconv.Itoa(s.Number))
		}
	}
	return numbers
}

// fact is a measured thing and its value in words.
type fact struct{ name, text string }

func (r *Report) facts() (facts []fact) {
	d := r.Drain
	if d == nil {
		return nil
	}
	facts = append(facts, fact{"drain", d.String()})
	if d.Capacity.Known {
		facts = append(facts, fact{"capacity", fmt.Sprintf("%.1f ± %.1f records/s per replica (replicas: %d)",
			d.Capacity.PerSecond, d.Capacity.Error, d.Replicas)})
	}
	return facts
}
