package runbooks_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/runbooks"
)

// growing is the reference group while 14.7/s arrive and 2.7/s are consumed.
func growing() *tidemark.View {
	at := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	const group, topic = "crm-events-sse", "aetherlink.events"
	s := &tidemark.Snapshot{
		Cluster: "main", Began: at.Add(-5 * time.Second), Ended: at.Add(-4 * time.Second),
		Brokers: []tidemark.Broker{{ID: 1, Address: "kafka:9092", Up: true}},
		Topics:  []tidemark.Topic{{Name: topic, Partitions: []tidemark.Log{{ID: 0, Replicas: 1, InSync: 1}, {ID: 1, Replicas: 1, InSync: 1}, {ID: 2, Replicas: 1, InSync: 1}}}},
		Groups:  []tidemark.Group{{Name: group, Phase: "Stable", Members: []tidemark.Member{{ID: "1", Client: "crm", Host: "/10.0.0.1", Assigned: []tidemark.Assignment{{Topic: topic, Partitions: []int32{0, 1, 2}}}}}}},
		Partitions: []tidemark.Partition{
			{Group: group, Topic: topic, ID: 0, Committed: 100, LogEnd: 3100},
			{Group: group, Topic: topic, ID: 1, Committed: 100, LogEnd: 3100},
			{Group: group, Topic: topic, ID: 2, Committed: 100, LogEnd: 4100},
		},
	}
	e := tidemark.Estimate{
		Cluster: "main", Group: group, State: tidemark.Growing, Because: "14.7/s arrive and 2.7/s are consumed",
		Lag: s.Total(s.Groups[0]), TimeLag: tidemark.TimeLag{Value: 11 * time.Minute, Error: 3 * time.Second, Known: true},
		Arrivals: tidemark.Rate{PerSecond: 14.7, Known: true}, Consumption: tidemark.Rate{PerSecond: 2.7, Known: true},
		ReplicaCapacity: tidemark.Rate{PerSecond: 2.7, Known: true}, Skew: 1.2,
		Replicas: tidemark.Replicas{Have: 1, Needed: 12, Useful: 3, PartitionsNeeded: 12, Known: true},
	}
	return &tidemark.View{
		At: at, Observations: []tidemark.Observation{{Cluster: "main", Snapshot: s, Estimates: []tidemark.Estimate{e}}},
		Pipelines: []tidemark.Pipeline{{Name: "crm-events", Cluster: "main", Group: group, Scrape: tidemark.Scrape{Job: "crm-events"}}},
		Alerts: []tidemark.Alert{{
			Name: "CrmEventsConsumerLagHigh", State: tidemark.AlertFiring, ActiveSince: at.Add(-12 * time.Minute),
			Labels:      map[string]string{"cluster": "main", "consumergroup": group},
			Annotations: map[string]string{"summary": group + " is 10000 messages behind"},
		}},
	}
}

func render(t *testing.T, alert string, s runbooks.Subject) string {
	t.Helper()
	text, err := runbooks.Render(alert, s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEachAlertOfThePacksHasARunbookAndEachRunbookAnAlert(t *testing.T) {
	packs, err := filepath.Glob("../rules/builtin/*.yaml")
	if err != nil || len(packs) != 2 {
		t.Fatalf("packs are %v (%v), want two", packs, err)
	}
	var alerts []string
	for _, pack := range packs {
		text, err := os.ReadFile(pack)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`- alert: (\w+)`).FindAllSubmatch(text, -1) {
			alerts = append(alerts, string(found[1]))
		}
	}
	slices.Sort(alerts)
	if got, want := runbooks.Names(), alerts; !slices.Equal(got, want) {
		t.Errorf("runbooks are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEachRunbookReadsWithAndWithoutLiveValues(t *testing.T) {
	for _, alert := range runbooks.Names() {
		live, still := render(t, alert, runbooks.Subject{View: growing()}), render(t, alert, runbooks.Subject{})
		for _, text := range []string{live, still} {
			if got, want := strings.SplitN(text, "\n", 2)[0], "# "+alert; got != want {
				t.Errorf("%s begins with %q, want %q", alert, got, want)
			}
			for _, wants := range []string{"docker compose", "kubectl", "```sh", "the same in bash and in PowerShell"} {
				if !strings.Contains(text, wants) {
					t.Errorf("%s has no %s", alert, wants)
				}
			}
			if strings.Count(text, "```")%2 != 0 {
				t.Errorf("%s has a block of commands that does not end", alert)
			}
		}
		if strings.ContainsAny(still, "✓✗") || strings.Contains(still, "unknown: ") {
			t.Errorf("%s without a View claims to have checked something:\n%s", alert, still)
		}
	}
}

func TestStepsSayWhatWasCheckedAlready(t *testing.T) {
	text := render(t, "CrmEventsConsumerLagHigh", runbooks.Subject{View: growing()})
	for _, want := range []string{
		"firing since 02:48:00 UTC (12m0s)",
		"✓ the consumer's rate is 2.7/s, not 0 → not crashed",
		"✗ 14.7/s arrive and 2.7/s are consumed → too little capacity",
		"✓ 1 member, assignment stable",
		"✓ 1 broker of 1 answer",
		"✗ 12 replicas needed, and 3 partitions let only 3 work → infeasible by 9",
		"| Behind | 10,000 records |",
		"--scale crm-events=3",
		"--group crm-events-sse",
		"add-partitions aetherlink.events --num 9",
		"| Caught up in | never, as it is |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestAlertsThatNameNoGroupAreAboutThePipelines(t *testing.T) {
	view := growing()
	view.Alerts = []tidemark.Alert{{Name: "CrmEventsServiceDown", State: tidemark.AlertFiring, ActiveSince: view.At, Labels: map[string]string{"job": "crm-events"}}}
	text := render(t, "CrmEventsServiceDown", runbooks.Subject{View: view})
	for _, want := range []string{"- firing since 03:00:00 UTC", "**`crm-events-sse` on `main`**", "docker compose up -d crm-events"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestWhatIsNotKnownIsUnknownAndNeverZero(t *testing.T) {
	blind := growing()
	blind.Observations[0].Failed = errors.New("dial tcp 10.0.0.1:9092: connection refused")
	for name, view := range map[string]*tidemark.View{
		"a look that failed": blind,
		"no look yet":        {At: blind.At, Observations: []tidemark.Observation{{Cluster: "main"}}},
	} {
		for _, alert := range runbooks.Names() {
			text := render(t, alert, runbooks.Subject{View: view, Cluster: "main", Group: "crm-events-sse"})
			if !strings.Contains(text, "| Behind | unknown |") || !strings.Contains(text, "| Arrivals, consumption | unknown, unknown |") {
				t.Errorf("%s, %s: unknown is not said:\n%s", name, alert, text)
			}
			if found := regexp.MustCompile(`\b0/s|\b0 records|✓ (\d|every|no) `).FindString(text); found != "" {
				t.Errorf("%s, %s: says %q", name, alert, found)
			}
		}
	}
}

func TestPartOfTheLagIsNotTheLag(t *testing.T) {
	view := growing()
	view.Observations[0].Snapshot.Partitions[1].Reason = tidemark.Unreachable
	text := render(t, "KafkaLagDataMissing", runbooks.Subject{View: view})
	for _, want := range []string{"| Behind | unknown: 1 of 3 partitions are not known, the others hold 7,000 records |", "✗ of 3 partitions 1 are not known and 0 were never committed", "with 4,000 records, of those that were seen"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestNamesStayNames(t *testing.T) {
	const evil = "x'; rm -rf / #`[a](javascript:b)<script>alert(1)</script>|\n```\n"
	view := growing()
	s := view.Observations[0].Snapshot
	s.Groups[0].Name, view.Observations[0].Estimates[0].Group = evil, evil
	for i := range s.Partitions {
		s.Partitions[i].Group = evil
	}
	h := runbooks.Handler(func() *tidemark.View { return view })
	for _, alert := range runbooks.Names() {
		page := get(h, "/runbooks/"+alert+"?cluster=main&group="+strings.NewReplacer(" ", "%20", "#", "%23", "\n", "%0A", ";", "%3B").Replace(evil), "text/html")
		for _, bad := range []string{"<script>alert", `href="javascript`} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %s", alert, bad)
			}
		}
		for _, block := range regexp.MustCompile(`(?s)<pre>.*?</pre>`).FindAllString(page, -1) {
			if strings.Contains(block, "rm -rf") {
				t.Errorf("%s: the name became a command: %s", alert, block)
			}
		}
	}
}

func TestNamesWithSpacesAreQuotedInCommands(t *testing.T) {
	text := render(t, "KafkaConsumerGroupStopped", runbooks.Subject{View: growing(), Cluster: "main", Group: "my group; ls"})
	if want := "--group 'my group; ls'"; !strings.Contains(text, want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
	text = render(t, "KafkaConsumerGroupStopped", runbooks.Subject{View: growing(), Cluster: "main", Group: "--all-groups"})
	if want := "--group GROUP"; !strings.Contains(text, want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
}

func get(h http.Handler, path, accept string) string {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String()
}

func TestReadersGetTheFormTheyTake(t *testing.T) {
	h := runbooks.Handler(growing)
	for _, c := range []struct{ path, accept, want string }{
		{"/runbooks/CrmEventsConsumerLagHigh", "text/html,*/*", "<h1>CrmEventsConsumerLagHigh</h1>"},
		{"/runbooks/CrmEventsConsumerLagHigh", "*/*", "# CrmEventsConsumerLagHigh\n"},
		{"/runbooks/CrmEventsConsumerLagHigh", "text/markdown", "# CrmEventsConsumerLagHigh\n"},
		{"/runbooks/CrmEventsConsumerLagHigh.md", "text/html", "# CrmEventsConsumerLagHigh\n"},
		{"/runbooks/", "text/html", `<strong>1 active</strong>, <a href="/runbooks/CrmEventsConsumerLagHigh">`},
		{"/runbooks/runbook.css", "text/css", ".runbook pre"},
		{"/runbooks/CrmEventsConsumerLagHihg", "text/html", "/runbooks/ lists them"},
	} {
		if got := get(h, c.path, c.accept); !strings.Contains(got, c.want) {
			t.Errorf("%s as %s: no %q in:\n%s", c.path, c.accept, c.want, got)
		}
	}
}

// The guard's Content-Security-Policy lets pages run and style only what lies in
// files of ours.
func TestPagesNeedNothingInline(t *testing.T) {
	h := runbooks.Handler(growing)
	for _, alert := range append(runbooks.Names(), "") {
		page := get(h, "/runbooks/"+alert, "text/html")
		if found := regexp.MustCompile(`<script>|<style|style=| on\w+=|https?://[^\s<]*\.(js|css)`).FindString(page); found != "" {
			t.Errorf("%s has %s", alert, found)
		}
	}
}
