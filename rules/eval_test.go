package rules_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/rules"
)

const lagHigh = "CrmEventsConsumerLagHigh"

func reference() rules.Options {
	return rules.Options{
		Config: rules.Config{Packs: []string{"crm-events", "kafka-lag"}},
		Pipelines: []tidemark.Pipeline{{
			Name: "crm-events", Cluster: "main", Group: "crm-events-sse", Owner: "team-crm",
			Thresholds: tidemark.Thresholds{LagRecords: 500, Drain: 30 * time.Minute, TimeLag: 5 * time.Minute, Skew: 4, MembersMin: 2},
		}},
		ExternalURL: "http://tidemark:9308",
	}
}

func TestLagAbove500IsPendingUntil4m45AndFiringAt5m(t *testing.T) {
	b := newBed(t, reference())
	b.look()
	b.want(lagHigh, "")
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(4*time.Minute + 45*time.Second)
	b.want(lagHigh, tidemark.AlertPending)
	b.look()
	fired := b.want(lagHigh, tidemark.AlertFiring)
	for name, want := range map[string]string{"cluster": "main", "consumergroup": "crm-events-sse", "severity": "warning", "owner": "team-crm"} {
		if got := fired.Labels[name]; got != want {
			t.Errorf("label %s = %q, want %q", name, got, want)
		}
	}
	if got, want := fired.Annotations["runbook_url"], "http://tidemark:9308/runbooks/CrmEventsConsumerLagHigh?cluster=main&group=crm-events-sse"; got != want {
		t.Errorf("runbook_url = %q, want %q", got, want)
	}
	if got, want := fired.Value, 600.0; got != want {
		t.Errorf("value = %v, want %v", got, want)
	}
	if got, want := fired.FiredAt.Sub(fired.ActiveSince), 5*time.Minute; got != want {
		t.Errorf("fired %s after it began, want %s", got, want)
	}
}

func TestResolvedIsToldOnceWhenTheLagIsGone(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)
	b.want(lagHigh, tidemark.AlertFiring)
	b.world.lag, b.world.state = 0, tidemark.Idle
	b.look()
	b.want(lagHigh, tidemark.AlertResolved)
	b.look()
	b.want(lagHigh, "")
}

func TestMissingDataResolvesNothing(t *testing.T) {
	for name, lose := range map[string]func(*world){
		"a partition is out of sight":   func(w *world) { w.silent = true },
		"the cluster is out of sight":   func(w *world) { w.failed = errors.New("no route to host") },
		"the estimate knows too little": func(w *world) { w.silent, w.state = true, tidemark.Unknown },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, reference())
			b.world.lag, b.world.state = 600, tidemark.Steady
			b.looks(5 * time.Minute)
			seen := b.want(lagHigh, tidemark.AlertFiring)
			if !seen.DataMissingSince.IsZero() {
				t.Errorf("data is missing since %s, want not", seen.DataMissingSince)
			}

			whole := b.world
			since := b.now
			lose(&b.world)
			b.looks(6 * time.Minute) // longer than a series without samples lives
			held := b.want(lagHigh, tidemark.AlertFiring)
			if got, want := held.DataMissingSince, since; !got.Equal(want) {
				t.Errorf("data is missing since %s, want %s", got, want)
			}
			if held.Annotations["data_missing_since"] == "" {
				t.Error("the annotation data_missing_since is not there")
			}
			if got, want := held.Value, 600.0; got != want {
				t.Errorf("value = %v, want the last seen %v", got, want)
			}

			b.world = whole
			b.look()
			if back := b.want(lagHigh, tidemark.AlertFiring); !back.DataMissingSince.IsZero() {
				t.Errorf("data is missing since %s although it is back", back.DataMissingSince)
			}
			b.world.lag, b.world.state = 0, tidemark.Idle
			b.look()
			b.want(lagHigh, tidemark.AlertResolved)
		})
	}
}

func TestFreshDataResolvesAfterTheSecondGoodLook(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)
	b.world.failed = errors.New("no route to host")
	b.looks(time.Minute)
	b.world = world{state: tidemark.Idle, end: b.world.end}
	b.look()
	b.want(lagHigh, tidemark.AlertFiring) // a rate would not be there yet
	b.look()
	b.want(lagHigh, tidemark.AlertResolved)
}

func TestPendingGoesOnOverARestart(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(4 * time.Minute)
	began := b.want(lagHigh, tidemark.AlertPending).ActiveSince
	b.restart(30 * time.Second)
	b.look()
	if got, want := b.want(lagHigh, tidemark.AlertPending).ActiveSince.Sub(began), 45*time.Second; got != want {
		t.Errorf("it began %s later, want %s: as long as nobody looked", got, want)
	}
	b.looks(45 * time.Second)
	b.want(lagHigh, tidemark.AlertFiring)
}

func TestWhatFiredFiresAtOnceAfterARestart(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)
	began := b.want(lagHigh, tidemark.AlertFiring).ActiveSince
	b.restart(time.Minute)
	b.look()
	if got, want := b.want(lagHigh, tidemark.AlertFiring).ActiveSince, began; !got.Equal(want) {
		t.Errorf("it began at %s, want %s", got, want)
	}
}

func TestARestartWhileDataIsMissingResolvesNothing(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)
	b.world.failed = errors.New("no route to host")
	for range 2 {
		b.looks(time.Minute)
		b.restart(time.Minute)
		b.look()
		held := b.want(lagHigh, tidemark.AlertFiring)
		if held.DataMissingSince.IsZero() {
			t.Error("nothing says that data is missing")
		}
		if got, want := held.Value, 600.0; got != want {
			t.Errorf("value = %v, want %v", got, want)
		}
	}
}

func TestAClusterThatIsNoLongerConfiguredLosesItsAlerts(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)
	b.restart(6 * time.Minute) // its samples are too old to count
	b.world.absent = true
	b.looks(45 * time.Second)
	b.want(lagHigh, tidemark.AlertFiring) // it may only not have been looked at yet
	b.looks(15 * time.Second)
	b.want(lagHigh, tidemark.AlertResolved)
}

func TestWhatIsNotAboutKafkaResolvesWhileKafkaIsOutOfSight(t *testing.T) {
	const down = "CrmEventsServiceDown"
	b := newBed(t, reference())
	b.world.failed = errors.New("no route to host")
	for range 9 {
		b.put(`up{job="crm-events",instance="crm-events:9010"}`, 0)
		b.look()
	}
	b.want(down, tidemark.AlertFiring)
	b.put(`up{job="crm-events",instance="crm-events:9010"}`, 1)
	b.look()
	b.want(down, tidemark.AlertResolved)
}

func TestDrainTimeIsThereWhileDrainingAndAbsentAtRest(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state, b.world.rate = 600, tidemark.Draining, 2.5
	b.looks(time.Minute)
	if got, want := b.query("kafka:group_drain_eta_seconds"), []float64{240}; !same(got, want) {
		t.Errorf("drain eta = %v, want %v", got, want)
	}
	b.world.lag, b.world.state, b.world.rate = 39, tidemark.CaughtUp, 0.0001
	b.looks(10 * time.Minute)
	if got := b.query("kafka:group_drain_eta_seconds"); len(got) > 0 {
		t.Errorf("drain eta = %v at rest, want none", got)
	}
	b.want("CrmEventsDrainEtaBreached", "")
	b.want(lagHigh, "")
}

func TestAConsumerThatDiesDoesNotResolveItsDrainAlert(t *testing.T) {
	const breached = "CrmEventsDrainEtaBreached"
	b := newBed(t, reference())
	b.world.lag, b.world.state, b.world.rate = 9000, tidemark.Steady, 2.5 // an hour
	b.looks(5 * time.Minute)
	b.want(breached, tidemark.AlertFiring)
	b.world.state, b.world.rate = tidemark.Stopped, 0
	b.looks(time.Minute)
	b.want(breached, tidemark.AlertFiring)
}

func TestATotalWithAPartitionMissingIsNoTotal(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag = 600
	b.look()
	if got, want := b.query("kafka:group_lag_sum"), []float64{600}; !same(got, want) {
		t.Errorf("lag sum = %v, want %v", got, want)
	}
	b.world.silent = true
	b.look()
	if got := b.query("kafka:group_lag_sum"); len(got) > 0 {
		t.Errorf("lag sum = %v with a partition missing, want none", got)
	}
}

func TestSpeed30FiresA5mAlertAfter10s(t *testing.T) {
	o := reference()
	o.Speed = 30
	b := newBed(t, o)
	b.every = 500 * time.Millisecond
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(9500 * time.Millisecond)
	b.want(lagHigh, tidemark.AlertPending)
	b.look()
	b.want(lagHigh, tidemark.AlertFiring)
}

func TestAGroupIsEvaluatedInItsOwnTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slow.yaml")
	write(t, file, "groups:\n- name: slow\n  interval: 1m\n  rules:\n  - {record: slow, expr: timestamp(max(kafka_brokers))}\n")
	b := newBed(t, rules.Options{Config: rules.Config{Files: []string{file}}})
	b.looks(2*time.Minute + 30*time.Second)
	if got, want := b.query("count_over_time(slow[2m31s])"), []float64{3}; !same(got, want) {
		t.Errorf("evaluated %v times, want %v", got, want)
	}
}

func TestARuleThatCannotBeEvaluatedKeepsItsAlerts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, `groups:
- name: fragile
  rules:
  - alert: Fragile
    expr: tidemark_group_lag_records / on (cluster) tidemark_group_replicas_needed > 0 or tidemark_group_lag_records > 500
`)
	b := newBed(t, rules.Options{Config: rules.Config{Files: []string{file}}})
	b.world.lag = 600
	b.look()
	b.want("Fragile", tidemark.AlertFiring)
	b.world.lag = 0
	b.put(`tidemark_group_replicas_needed{cluster="main",job="a"}`, 1)
	b.put(`tidemark_group_replicas_needed{cluster="main",job="b"}`, 1) // two on the right: many to many
	since := b.now
	b.look()
	if got, want := b.want("Fragile", tidemark.AlertFiring).DataMissingSince, since; !got.Equal(want) {
		t.Errorf("data is missing since %s, want %s", got, want)
	}
}

func TestTheSeedsRulesLoadAsTheyAreWrittenAndAreHeldToo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prometheus-crm-events-rules.yml")
	write(t, file, `groups:
- name: seed
  rules:
  - record: kafka:group_lag_sum
    expr: sum(kafka_consumergroup_lag{consumergroup=~"crm-events.*"})
  - alert: LagHigh
    expr: kafka:group_lag_sum > 500
    for: 5m
`)
	b := newBed(t, rules.Options{Config: rules.Config{Files: []string{file}}})
	b.world.lag = 600
	b.looks(5 * time.Minute)
	b.want("LagHigh", tidemark.AlertFiring)
	b.world.failed = errors.New("no route to host")
	b.looks(time.Minute)
	b.want("LagHigh", tidemark.AlertFiring)
}

func TestMistakesInRuleFilesAreShownWhereTheyAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "broken.yaml")
	write(t, file, `groups:
- name: broken
  rules:
  - record: good
    expr: up
  - alert: Plain
    expr: up ==
  - alert: Block
    expr: |
      up
      == bool(
    for: 5m
`)
	_, err := rules.Open(rules.Options{Config: rules.Config{Files: []string{file}}, Storage: newBed(t, rules.Options{}).db})
	if err == nil {
		t.Fatal("a broken file was opened")
	}
	for _, want := range []string{"broken.yaml:7:16: ", " >  7 |     expr: up ==\n      |                ^", "broken.yaml:11:15: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func TestAnUnknownFieldIsShownWhereItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "typo.yaml")
	write(t, file, "groups:\n- name: typo\n  rules:\n  - {alert: A, expr: up, fro: 5m}\n")
	problems := rules.CheckFiles([]string{file})
	if len(problems) != 1 || problems[0].Line != 4 || !strings.Contains(problems[0].Says, "fro") {
		t.Errorf("problems = %v, want one in line 4 about fro", problems)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
