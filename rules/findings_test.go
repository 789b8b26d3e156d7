package rules_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/rules"
)

func TestRulesThatNeverReturnAnythingAreFound(t *testing.T) {
	b := newBed(t, ownRules(t, `
groups:
- name: seed
  rules:
  - {record: "lag_sum", expr: "sum(kafka_consumergroup_lag)"}
  - {record: "seed:eta", expr: "lag_sum / clamp_min(rate(tidemark_look_age_seconds[1m]), 0.0001)"}
  - {alert: NeverFires, expr: "seed:eta > 1800", labels: {severity: critical}, annotations: {runbook_url: /a}}
  - {alert: Quiet, expr: "lag_sum > 1000000", labels: {severity: critical}, annotations: {runbook_url: /b}}
  - {alert: Joined, expr: "tidemark_group_lag_records > on (consumergroup) tidemark_group_complete", labels: {severity: critical}, annotations: {runbook_url: /c}}
  - {alert: Unless, expr: "tidemark_group_lag_records > 9 unless on (consumergroup) tidemark_group_complete == 0", labels: {severity: critical}, annotations: {runbook_url: /d}}
  - {alert: Apart, expr: "tidemark_group_lag_records > kafka_brokers", labels: {severity: critical}, annotations: {runbook_url: /e}}
  - {alert: Gone, expr: "absent(up)", labels: {severity: critical}, annotations: {runbook_url: /f}}
  - {alert: Bare, expr: "kafka_brokers > 5"}
`))
	b.looks(time.Minute)
	findings, err := b.engine.Findings(t.Context(), b.now.Add(-b.every))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range findings {
		got = append(got, f.Name+" "+strings.Join(strings.Fields(f.Says)[:3], " "))
	}
	want := []string{"seed:eta records nothing: no", "NeverFires can never fire", "Apart can never fire", "Bare has no runbook_url:", "Bare has no severity:"}
	if !slices.Equal(got, want) {
		t.Errorf("findings = %q, want %q", got, want)
	}
}

func TestThePacksHaveNoFindingButWhatIsNotThere(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state, b.world.rate = 600, tidemark.Draining, 2.5
	b.looks(time.Minute)
	findings, err := b.engine.Findings(t.Context(), b.now.Add(-b.every))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings { // nothing scrapes the service here, and the bed estimates little
		if strings.Contains(f.Says, "runbook_url") || strings.Contains(f.Says, "severity") || strings.Contains(f.Says, "cannot be evaluated") || f.Name == lagHigh {
			t.Errorf("%s %s", f.Name, f.Says)
		}
	}
}

func TestLoadedRulesAreListedInTheirOrder(t *testing.T) {
	b := newBed(t, reference())
	all := b.engine.List()
	at := slices.IndexFunc(all, func(l rules.Listed) bool { return l.Name == lagHigh })
	if at < 0 || all[at].For != 5*time.Minute || all[at].Group != "crm_events_lag_alerts" || all[at].Records || !all[0].Records {
		t.Errorf("rules = %+v, want the pack's", all)
	}
}

func TestMutatedRuleFilesAreLoadedOrRefusedWhole(t *testing.T) {
	o := ownRules(t, shortAndKept)
	random := rand.New(rand.NewPCG(7, 8))
	b := newBed(t, o)
	good := 0
	for range 1000 {
		text := []byte(shortAndKept)
		for range 1 + random.IntN(3) {
			at := random.IntN(len(text))
			switch random.IntN(3) {
			case 0:
				text[at] = byte(random.IntN(256))
			case 1:
				text = slices.Delete(text, at, min(len(text), at+1+random.IntN(20)))
			default:
				text = slices.Insert(text, at, shortAndKept[random.IntN(len(shortAndKept))])
			}
		}
		write(t, filepath.Clean(o.Files[0]), string(text))
		engine, err := rules.Open(b.options)
		if (engine == nil) == (err == nil) {
			t.Fatalf("open says %v and gives %v for\n%s", err, engine, text)
		}
		if err == nil {
			good++
		}
	}
	t.Logf("%d of 1000 were still good", good)
}
