//go:build linux

package integration

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/sandbox"
)

// How far the two engines may be apart. Both look every five seconds, not at the
// same moments, and the older Prometheus' range selectors are closed on both ends
// where ours are open on the left: a rate over a minute may differ by one sample's
// share of twelve. A backlog of 600 changes by up to 2.7 records a second, over at
// most ten seconds between two evaluations.
const (
	rateTolerance = 1.0 / 12
	lagTolerance  = 0.05
	etaTolerance  = lagTolerance + rateTolerance
)

// TestARealPrometheusComputesTheSame gives the shipped rule files, as they are, to
// Debian's Prometheus. It scrapes the sandbox's tidemark and its crm-events, whose
// consumers stop, leave a backlog, and work it off again.
func TestARealPrometheusComputesTheSame(t *testing.T) {
	program, promtool := debian(t, "prometheus"), debian(t, "promtool")
	world, inside := openWorld(t)
	config := prometheusFor(t, inside, crmEvents(t, inside))
	for _, args := range [][]string{{"check", "config", config}, append([]string{"check", "rules"}, shippedRules(t)...)} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	outside := launch(t, regexp.MustCompile(`msg="Listening on" address=(\S+)`), program,
		"--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0")
	engines := engines{inside, outside}

	// What was never committed to is no lag.
	await(t, "commits on all partitions", func() bool { return len(truths(world, []string{sandbox.Group})) == 3 })
	act(t, world, drill.Action{Verb: drill.Stop})
	act(t, world, drill.Action{Verb: drill.Publish, Count: 600})
	engines.awaitSame(t, `ALERTS{alertname="CrmEventsConsumerLagHigh", alertstate="pending"}`, 0)
	// CrmEventsPartitionStuck is about ten minutes back, and Prometheus came a moment
	// later: it may have missed the only commit.
	engines.awaitSame(t, `ALERTS{alertname!="CrmEventsPartitionStuck"}`, 0)
	engines.awaitSame(t, `kafka:group_lag_sum`, lagTolerance)

	act(t, world, drill.Action{Verb: drill.Start})
	await(t, "a minute of work in the rates", func() bool {
		for _, engine := range engines {
			if n := query(t, engine, `sum(count_over_time(crm_events_messages_total[1m])) >= 12`); len(n) == 0 {
				return false
			}
		}
		return true
	})
	engines.awaitSame(t, `crm_events:consumer_rate_1m`, rateTolerance)
	engines.awaitSame(t, `kafka:group_lag_sum`, lagTolerance)
	engines.awaitSame(t, `kafka:group_drain_eta_seconds`, etaTolerance)
}

// engines are the addresses of those who evaluate the same rules.
type engines [2]string

// awaitSame waits until both have the same series, with values that differ by no
// more than the given share. Nothing at all is not the same.
func (e engines) awaitSame(t *testing.T, expression string, tolerance float64) {
	t.Helper()
	var inside, outside map[string]float64
	defer func() { t.Logf("%s: inside %v, Prometheus %v", expression, inside, outside) }()
	await(t, expression+" to be the same in both", func() bool {
		inside, outside = query(t, e[0], expression), query(t, e[1], expression)
		return len(inside) > 0 && same(inside, outside, tolerance)
	})
}

func same(a, b map[string]float64, tolerance float64) bool {
	if len(a) != len(b) {
		return false
	}
	for series, value := range a {
		other, there := b[series]
		if !there || math.Abs(value-other) > tolerance*math.Abs(value) {
			return false
		}
	}
	return true
}

func act(t *testing.T, world *sandbox.World, a drill.Action) {
	t.Helper()
	if err := world.Do(t.Context(), a); err != nil {
		t.Fatalf("%s: %v", a.Verb, err)
	}
}

// crmEvents asks tidemark where it scrapes crm-events.
func crmEvents(t *testing.T, address string) (target string) {
	t.Helper()
	await(t, "crm-events among the targets", func() bool {
		var answer struct {
			Data struct {
				ActiveTargets []struct{ Labels map[string]string }
			}
		}
		into(t, "http://"+address+"/api/v1/targets", &answer)
		for _, found := range answer.Data.ActiveTargets {
			if found.Labels["job"] == "crm-events" {
				target = found.Labels["instance"]
			}
		}
		return target != ""
	})
	return target
}

// shippedRules are the files of the repository: what is built in.
func shippedRules(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../rules/builtin/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("rule files are %v (%v), want two", files, err)
	}
	for i, file := range files {
		if files[i], err = filepath.Abs(file); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// prometheusFor writes a configuration that scrapes as the sandbox does.
func prometheusFor(t *testing.T, tidemark, crmEvents string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 5s, scrape_timeout: 5s, evaluation_interval: 5s}
rule_files: [%q, %q]
scrape_configs:
  - {job_name: tidemark, static_configs: [{targets: [%q]}]}
  - {job_name: crm-events, static_configs: [{targets: [%q]}]}
`, shippedRules(t)[0], shippedRules(t)[1], tidemark, crmEvents)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
