package rules_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/rules"
)

func TestThePacksPassTheirUnitTestsWithoutPromtool(t *testing.T) {
	files, _ := filepath.Glob("builtin/tests/*.yaml")
	for _, tested := range rules.RunTests(t.Context(), files) {
		if err := errors.Join(tested.Failures...); err != nil || tested.Tests == 0 {
			t.Errorf("%s: %d tests, failures: %v", tested.File, tested.Tests, err)
		}
	}
}

// Each expectation and time of a shipped test is changed in turn; what promtool says
// of each copy must be what we say.
func TestChangedUnitTestsHavePromtoolsVerdict(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("TIDEMARK_INTEGRATION") != "" {
			t.Fatalf("the comparison needs promtool: %v", err)
		}
		t.Skip("NOT TESTED: the comparison needs promtool (apt-get install prometheus)")
	}
	files := changedTests(t)
	out, _ := exec.CommandContext(t.Context(), promtool, append([]string{"test", "rules"}, files...)...).CombinedOutput()
	failed := 0
	for _, tested := range rules.RunTests(t.Context(), files) {
		_, after, _ := strings.Cut(string(out), tested.File+"\n")
		theirs := strings.HasPrefix(strings.TrimSpace(after), "SUCCESS")
		if ours := len(tested.Failures) == 0; ours != theirs {
			t.Errorf("%s: we say %t, promtool %t: %v", filepath.Base(tested.File), ours, theirs, errors.Join(tested.Failures...))
		}
		if !theirs {
			failed++
		}
	}
	if failed == 0 || failed == len(files) {
		t.Errorf("%d of %d fail; the comparison needs some of each", failed, len(files))
	}
}

// changedTests writes copies of the first shipped test, each with one thing changed.
func changedTests(t *testing.T) (files []string) {
	t.Helper()
	text, err := os.ReadFile("builtin/tests/crm-events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("builtin")
	if err != nil {
		t.Fatal(err)
	}
	one := strings.Join(strings.SplitAfter(string(text), "  - name:")[:2], "")
	one = strings.Replace(strings.TrimSuffix(one, "  - name:"), "../", here+"/", 1)
	dir := t.TempDir()
	for i, at := range regexp.MustCompile(`value: \d|eval_time: \d|severity: \w|summary: \w|partition="\d|20\dx`).FindAllStringIndex(one, -1) {
		file := filepath.Join(dir, fmt.Sprintf("changed-%d.yaml", i))
		write(t, file, one[:at[1]-1]+"2"+one[at[1]-1:])
		files = append(files, file)
	}
	return files
}

func TestUnitTestFilesThatCannotBeReadSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		"tests: [{interval: 1m, input_serie: []}]":                                          "input_serie",
		"group_eval_order: [a, a]":                                                          "group a stands twice",
		"tests: [{input_series: [{series: 'up{', values: '1'}]}]":                           "parse error",
		"tests: [{alert_rule_test: [{eval_time: 1m}]}]":                                     "has no alertname",
		"tests: [{promql_expr_test: [{expr: 'up +', eval_time: 1m}]}]":                      "up +",
		"tests: [{start_timestamp: yesterday}]":                                             "yesterday",
		"tests: [{promql_expr_test: [{expr: up, exp_samples: [{labels: '{', value: 1}]}]}]": "labels",
	} {
		file := filepath.Join(t.TempDir(), "test.yaml")
		write(t, file, text)
		got := errors.Join(rules.RunTests(t.Context(), []string{file})[0].Failures...)
		if got == nil || !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v, want %q", text, got, want)
		}
	}
}

func TestAFailureShowsWhatWasThereAndWhatWasWanted(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.yaml"), `groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 1m, annotations: {summary: "{{ $labels.job }} is down"}}]}]`)
	write(t, filepath.Join(dir, "test.yaml"), `
rule_files: [rules.yaml]
tests:
- name: a service that is away
  start_timestamp: 2025-11-02T10:00:00Z
  input_series: [{series: 'up{job="crm"}', values: "0x10"}]
  alert_rule_test: [{alertname: Down, eval_time: 2m, exp_alerts: [{exp_labels: {job: crm}, exp_annotations: {summary: "crm is up"}}]}]
  promql_expr_test: [{expr: timestamp(up), eval_time: 1m, exp_samples: [{labels: '{job="crm"}', value: 1762077660}]}]
`)
	failures := rules.RunTests(t.Context(), []string{filepath.Join(dir, "test.yaml")})[0].Failures
	if len(failures) != 1 {
		t.Fatalf("failures = %v, want one", failures)
	}
	for _, want := range []string{"a service that is away", "Down at 2m", "crm is down", "crm is up"} {
		if !strings.Contains(failures[0].Error(), want) {
			t.Errorf("it says %v, want %q", failures[0], want)
		}
	}
}
