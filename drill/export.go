package drill

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Markdown returns the report for a ticket or a wiki.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drill %s: %s\n\n", r.Drill, strings.ToLower(r.result()))
	if r.Title != "" {
		fmt.Fprintf(&b, "%s.\n\n", strings.TrimSuffix(r.Title, "."))
	}
	fmt.Fprintf(&b, "- group `%s`, topic `%s`\n- started %s, took %s\n", r.Group, r.Topic, r.Started.Format(time.RFC3339), rounded(r.Took))
	if pace := r.pace(); pace != "" {
		fmt.Fprintf(&b, "- %s\n", pace)
	}
	for _, f := range r.facts() {
		fmt.Fprintf(&b, "- %s: %s\n", f.name, f.text)
	}
	b.WriteString("\n| # | step | verdict | took | seen |\n|---:|---|---|---:|---|\n")
	for _, s := range r.Steps {
		text := "`" + s.Text + "`"
		if s.Always {
			text = "always: " + text
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", s.Number, cell(text), s.Verdict, rounded(s.Took), cell(s.Seen))
	}
	return b.String()
}

// cell keeps a text within one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

func (r *Report) result() string {
	if r.Passed {
		return string(Passed)
	}
	return string(Failed)
}

// MarshalJSON writes durations in seconds, and null for what is not known.
func (r *Report) MarshalJSON() ([]byte, error) {
	type step struct {
		Number  int       `json:"number"`
		Text    string    `json:"text"`
		Always  bool      `json:"always"`
		Verdict Verdict   `json:"verdict"`
		Seen    string    `json:"seen"`
		Started time.Time `json:"startedAt,omitzero"`
		Took    float64   `json:"tookSeconds"`
	}
	steps := []step{}
	for _, s := range r.Steps {
		steps = append(steps, step{s.Number, s.Text, s.Always, s.Verdict, s.Seen, s.Started, s.Took.Seconds()})
	}
	return json.Marshal(struct {
		APIVersion string     `json:"apiVersion"`
		Kind       string     `json:"kind"`
		Drill      string     `json:"drill"`
		Title      string     `json:"title"`
		Group      string     `json:"group"`
		Topic      string     `json:"topic"`
		Speed      float64    `json:"speed"`
		Started    time.Time  `json:"startedAt"`
		Took       float64    `json:"tookSeconds"`
		Passed     bool       `json:"passed"`
		Drain      *drainJSON `json:"drain"`
		Steps      []step     `json:"steps"`
	}{"tidemark/v1", "DrillReport", r.Drill, r.Title, r.Group, r.Topic, r.Speed, r.Started, r.Took.Seconds(), r.Passed, r.Drain.json(), steps})
}

type drainJSON struct {
	From      int64           `json:"fromRecords"`
	Began     time.Time       `json:"beganAt"`
	Took      float64         `json:"tookSeconds"`
	Replicas  int             `json:"replicas"`
	Capacity  *float64        `json:"replicaCapacityPerSecond"`
	Error     *float64        `json:"replicaCapacityErrorPerSecond"`
	Predicted *predictionJSON `json:"predicted"`
}

type predictionJSON struct {
	At     time.Time `json:"at"`
	Lag    int64     `json:"lagRecords"`
	P10    float64   `json:"p10Seconds"`
	P50    float64   `json:"p50Seconds"`
	P90    float64   `json:"p90Seconds"`
	Actual float64   `json:"actualSeconds"`
	Off    float64   `json:"offRatio"`
}

func (d *Drain) json() *drainJSON {
	if d == nil {
		return nil
	}
	j := &drainJSON{From: d.From, Began: d.Began, Took: d.Took.Seconds(), Replicas: d.Replicas}
	if d.Capacity.Known {
		j.Capacity, j.Error = &d.Capacity.PerSecond, &d.Capacity.Error
	}
	if p := d.Predicted; p != nil {
		j.Predicted = &predictionJSON{p.At, p.Lag, p.P10.Seconds(), p.P50.Seconds(), p.P90.Seconds(), p.Actual.Seconds(), p.Off()}
	}
	return j
}

// JSON returns the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }

// JUnit returns the report for a build server: one test case per step.
func (r *Report) JUnit() ([]byte, error) {
	suite := junitSuite{Name: "drill " + r.Drill, Tests: len(r.Steps), Time: seconds(r.Took), Timestamp: r.Started.UTC().Format(time.RFC3339)}
	for _, s := range r.Steps {
		c := junitCase{Name: fmt.Sprintf("%d %s", s.Number, s.Text), Class: "drill." + r.Drill, Time: seconds(s.Took), Output: s.Seen}
		switch s.Verdict {
		case Failed:
			suite.Failures++
			c.Failure, c.Output = &junitMessage{Message: s.Seen}, ""
		case Skipped:
			suite.Skipped++
			c.Skipped = &junitMessage{Message: "an earlier step failed"}
		case Passed, Running:
		}
		suite.Cases = append(suite.Cases, c)
	}
	text, err := xml.MarshalIndent(suite, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

type junitSuite struct {
	XMLName   xml.Name    `xml:"testsuite"`
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
}
