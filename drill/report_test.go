package drill_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/drill"
)

var start = time.Date(2026, 11, 23, 14, 2, 10, 0, time.UTC)

func passed() *drill.Report {
	return &drill.Report{
		Drill: "lag-and-recovery", Title: "Lag grows and goes", Group: "crm-events-sse", Topic: "aetherlink.events",
		Speed: 30, Started: start, Took: 75 * time.Second, Passed: true,
		Steps: []drill.Step{
			{Number: 1, Text: "stop consumers", Verdict: drill.Passed, Started: start, Took: 312 * time.Millisecond},
			{Number: 2, Text: "expect lag >= 600 within 30s", Verdict: drill.Passed, Seen: "lag 612", Started: start.Add(time.Second), Took: 1200 * time.Millisecond},
			{Number: 3, Text: "measure drain", Verdict: drill.Passed, Seen: "1260 records in 1m", Started: start.Add(3 * time.Second), Took: time.Minute},
			{Number: 4, Text: "start consumers", Always: true, Verdict: drill.Passed, Started: start.Add(64 * time.Second), Took: time.Millisecond},
		},
		Drain: &drill.Drain{
			From: 1260, Began: start.Add(4 * time.Second), Took: time.Minute, Replicas: 1,
			Capacity:  tidemark.Rate{PerSecond: 81, Error: 1.25, Known: true},
			Predicted: &drill.Prediction{At: start.Add(8 * time.Second), Lag: 1200, P10: 51 * time.Second, P50: 58 * time.Second, P90: 66 * time.Second, Actual: 56 * time.Second},
		},
	}
}

func failed() *drill.Report {
	return &drill.Report{
		Drill: "lag-and-recovery", Title: "Lag grows and goes", Group: "crm-events-sse", Topic: "aetherlink.events",
		Speed: 1, Started: start, Took: 6*time.Minute + 2*time.Second,
		Steps: []drill.Step{
			{Number: 1, Text: "stop consumers", Verdict: drill.Passed, Started: start, Took: 2 * time.Second},
			{Number: 2, Text: "expect alert Lag|High is firing within 6m", Verdict: drill.Failed, Seen: "Lag|High pending since 14:02:20", Started: start.Add(2 * time.Second), Took: 6 * time.Minute},
			{Number: 3, Text: "measure drain", Verdict: drill.Skipped},
			{Number: 4, Text: "start consumers", Always: true, Verdict: drill.Passed, Started: start.Add(6*time.Minute + 2*time.Second), Took: time.Second},
		},
	}
}

func TestReportsReadAsTheGoldenFilesSay(t *testing.T) {
	for name, report := range map[string]*drill.Report{"passed": passed(), "failed": failed()} {
		golden(t, name+".txt", report.Text())
		golden(t, name+".md", report.Markdown())
		text, err := report.JSON()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", string(text))
		text, err = report.JUnit()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".xml", string(text))
	}
}

func TestWhatIsNotKnownIsNullInJSON(t *testing.T) {
	report := passed()
	report.Drain.Predicted, report.Drain.Capacity = nil, tidemark.Rate{}
	text, err := report.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var read struct{ Drain map[string]any }
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"predicted", "replicaCapacityPerSecond"} {
		if value, there := read.Drain[field]; !there || value != nil {
			t.Errorf("%s is %v, there: %t; want null", field, value, there)
		}
	}
}
