package web_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

// object reads a JSON answer and walks to one place in it.
func object(t *testing.T, text []byte, path ...any) any {
	t.Helper()
	var at any
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			value, found := at.(map[string]any)[step]
			if !found {
				t.Fatalf("no %q in %s", step, text)
			}
			at = value
		case int:
			at = at.([]any)[step]
		}
	}
	return at
}

func TestUnknownIsNullAndNeverZero(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	list := get(t, s, "/api/tidemark/v1/groups").Body.Bytes()
	for _, path := range [][]any{
		{"groups", 0, "lag", "records"},
		{"groups", 0, "lag", "known"},
		{"groups", 0, "members"},
		{"groups", 0, "arrivals", "perSecond"},
		{"groups", 0, "slope"},
		{"groups", 0, "drain", "p50"},
		{"groups", 0, "replicas", "needed"},
		{"groups", 0, "trend", 0},
		{"groups", 0, "observedAt"},
		{"groups", 1, "timeLag", "seconds"},
		{"groups", 1, "drain", "p50"},
		{"groups", 1, "skew"},
	} {
		if got := object(t, list, path...); got != nil {
			t.Errorf("%v = %v, want null", path, got)
		}
	}
	detail := get(t, s, "/api/tidemark/v1/groups/main/crm-events-sse").Body.Bytes()
	for _, field := range []string{"lag", "committed"} {
		if got := object(t, detail, "partitions", 1, field); got != nil {
			t.Errorf("%s of a partition never committed = %v, want null", field, got)
		}
	}
	if got, want := object(t, detail, "partitions", 1, "reason"), any("uncommitted"); got != want {
		t.Errorf("reason = %v, want %v", got, want)
	}
	if got, want := object(t, detail, "partitions", 2, "lag"), any(0.0); got != want {
		t.Errorf("lag of a partition at its end = %v, want %v", got, want)
	}
}

func TestPartIsNeverTheWhole(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	view := get(t, s, "/api/tidemark/v1/view").Body.Bytes()
	if got := object(t, view, "lag", "records"); got != nil {
		t.Errorf("the lag of all groups = %v, though one was not seen", got)
	}
	if got, want := object(t, view, "lag", "known"), any(600.0); got != want {
		t.Errorf("known lag = %v, want %v", got, want)
	}
	if got, want := object(t, view, "timeLagUnknown"), any(2.0); got != want {
		t.Errorf("groups whose time lag is not known = %v, want %v", got, want)
	}
	if got, want := object(t, view, "errors", 0, "text"), any("GROUP_AUTHORIZATION_FAILED"); got != want {
		t.Errorf("errors = %v, want %v", got, want)
	}
}

func TestGroupTellsAllAboutItself(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	s.Publish(world(noon.Add(15*time.Second), 780))
	text := get(t, s, "/api/tidemark/v1/groups/main/crm-events-sse").Body.Bytes()
	for _, c := range []struct {
		want any
		path []any
	}{
		{"Group", []any{"kind"}},
		{"2026-11-23T12:00:15.000Z", []any{"observedAt"}},
		{"2026-11-23T12:00:00.000Z", []any{"group", "since"}},
		{780.0, []any{"group", "lag", "records"}},
		{600.0, []any{"group", "trend", 0}},
		{780.0, []any{"group", "trend", 1}},
		{12.0, []any{"group", "slope"}},
		{12.0, []any{"group", "replicas", "needed"}},
		{1.0, []any{"group", "alerts"}},
		{7.0, []any{"group", "lag", "uncommittedRecords"}},
		{500.0, []any{"thresholds", "lagRecords"}},
		{"crm", []any{"group", "pipeline"}},
		{"team-crm", []any{"group", "owner"}},
		{1.0, []any{"partitions", 0, "leader"}},
		{-1.0, []any{"partitions", 1, "leader"}},
		{nil, []any{"partitions", 1, "lost"}},
		{nil, []any{"partitions", 0, "heldSince"}},
		{"2026-11-23T11:59:15.000Z", []any{"partitions", 2, "heldSince"}},
		{40.0, []any{"partitions", 2, "stable"}},
		{"m-1", []any{"partitions", 0, "owner"}},
		{"", []any{"partitions", 1, "owner"}},
		{"10.1.4.17", []any{"members", 0, "host"}},
		{780.0, []any{"members", 0, "lag"}},
		{"critical", []any{"alerts", 0, "severity"}},
	} {
		if got := object(t, text, c.path...); got != c.want {
			t.Errorf("%v = %v, want %v", c.path, got, c.want)
		}
	}
}

func TestVerdictNamesTheWorst(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	view := get(t, s, "/api/tidemark/v1/view").Body.Bytes()
	if got, want := object(t, view, "verdict", "text"), any("1 of 2 groups will not catch up."); got != want {
		t.Errorf("verdict = %v, want %v", got, want)
	}
	if got, want := object(t, view, "verdict", "worst", "group"), any("crm-events-sse"); got != want {
		t.Errorf("worst = %v, want %v", got, want)
	}
}

func TestFailedLookLeavesTheLastValuesMarked(t *testing.T) {
	s := open(t, web.Options{})
	v := world(noon, 600)
	s.Publish(v)
	later := &tidemark.View{At: noon.Add(time.Minute), Observations: []tidemark.Observation{v.Observations[0]}}
	later.Observations[0].Failed = errors.New("dial kafka:9092: connection refused")
	s.Publish(later)
	list := get(t, s, "/api/tidemark/v1/groups").Body.Bytes()
	if got, want := object(t, list, "groups", 1, "fresh"), any(false); got != want {
		t.Errorf("fresh = %v, want %v", got, want)
	}
	if got, want := object(t, list, "groups", 1, "observedAt"), any("2026-11-23T12:00:00.000Z"); got != want {
		t.Errorf("observedAt = %v, want %v", got, want)
	}
	if got, want := len(object(t, list, "groups", 1, "trend").([]any)), 1; got != want {
		t.Errorf("the trend has %d points, want %d: a failed look adds none", got, want)
	}
}

func TestReadyOnceEveryClusterWasSeen(t *testing.T) {
	s := open(t, web.Options{})
	waiting := func(why string) {
		t.Helper()
		w := get(t, s, "/readyz")
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), why) {
			t.Errorf("got %d %q, want 503 with %q", w.Code, w.Body, why)
		}
	}
	waiting("no look at Kafka has ended yet")
	v := world(noon, 0)
	v.Observations = append(v.Observations, tidemark.Observation{Cluster: "edge", Failed: errors.New("connection refused")})
	s.Publish(v)
	waiting("cluster edge: connection refused")
	s.Publish(world(noon, 0))
	if got, want := get(t, s, "/-/ready").Code, http.StatusOK; got != want {
		t.Errorf("status = %d, want %d", got, want)
	}
}

func TestWhatIsNotThereIsAProblem(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 0))
	for path, want := range map[string]string{
		"/api/tidemark/v1/groups/main/nobody": `no group "nobody"`,
		"/api/tidemark/v7/groups":             "The API has no GET /api/tidemark/v7/groups.",
	} {
		w := get(t, s, path)
		if got, want := w.Code, http.StatusNotFound; got != want {
			t.Errorf("%s: status = %d, want %d", path, got, want)
		}
		if got, _ := object(t, w.Body.Bytes(), "detail").(string); !strings.Contains(got, want) {
			t.Errorf("%s: detail = %q, want %q", path, got, want)
		}
	}
}

func TestAnswersAreSqueezedForWhoTakesIt(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	w := get(t, s, "/api/tidemark/v1/alerts", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := object(t, text, "alerts", 0, "name"), any("CrmEventsConsumerLagHigh"); got != want {
		t.Errorf("name = %v, want %v", got, want)
	}
}

func TestDocNamesEveryCallAndType(t *testing.T) {
	var page strings.Builder
	if err := web.WriteDoc(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"`GET /api/tidemark/v1/groups/{cluster}/{group}`", "`/readyz`", "type GroupDetail struct", "type Patch struct"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestWhoHasAnAnswerGetsItNotAgainUntilSomethingIsNew(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	const path = "/api/tidemark/v1/groups/main/crm-events-sse"
	tag := get(t, s, path).Header().Get("ETag")
	again := get(t, s, path, "If-None-Match", tag)
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("got %d with %d bytes, want 304 with none", again.Code, again.Body.Len())
	}
	s.Publish(world(noon.Add(15*time.Second), 780))
	if got, want := get(t, s, path, "If-None-Match", tag).Code, http.StatusOK; got != want {
		t.Errorf("after a new View: %d, want %d", got, want)
	}
	other := open(t, web.Options{})
	other.Publish(world(noon, 600))
	if got, want := get(t, other, path, "If-None-Match", tag).Code, http.StatusOK; got != want {
		t.Errorf("of a server that was started anew: %d, want %d", got, want)
	}
}

func TestClusterTellsHowFarItCanBeTrusted(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	text := get(t, s, "/api/tidemark/v1/clusters").Body.Bytes()
	for _, c := range []struct {
		want any
		path []any
	}{
		{"main", []any{"name"}},
		{1.0, []any{"brokersUp"}},
		{"kafka:9093", []any{"nodes", 1, "address"}},
		{false, []any{"nodes", 1, "up"}},
		{1.0, []any{"states", "growing"}},
		{12.0, []any{"requests", 0, "count"}},
		{"group audit", []any{"errors", 0, "what"}},
	} {
		if got := object(t, text, append([]any{"clusters", 0}, c.path...)...); got != c.want {
			t.Errorf("%v = %v, want %v", c.path, got, c.want)
		}
	}
}

func TestTopologySaysWhoReadsWhat(t *testing.T) {
	s := open(t, web.Options{})
	s.Publish(world(noon, 600))
	text := get(t, s, "/api/tidemark/v1/topology").Body.Bytes()
	for _, c := range []struct {
		want any
		path []any
	}{
		{"aetherlink.events", []any{"topics", 0, "name"}},
		{1.0, []any{"topics", 0, "leaderless"}},
		{1.0, []any{"topics", 0, "outOfSync"}},
		{"crm-events-sse", []any{"reads", 0, "group"}},
		{3.0, []any{"reads", 0, "partitions"}},
		{600.0, []any{"reads", 0, "lag", "records"}},
		{nil, []any{"reads", 0, "arrivals"}},
	} {
		if got := object(t, text, c.path...); got != c.want {
			t.Errorf("%v = %v, want %v", c.path, got, c.want)
		}
	}
}

// The reports lie in the data directory as `drill run` wrote them.
func TestReportOfADrillIsReadAsItWasWritten(t *testing.T) {
	var report web.DrillReport
	err := json.Unmarshal([]byte(`{"apiVersion":"tidemark/v1","kind":"DrillReport","drill":"backlog","startedAt":"2026-11-20T09:00:00Z","tookSeconds":611,"passed":true,
		"drain":{"fromRecords":10000,"tookSeconds":590,"replicas":3,"replicaCapacityPerSecond":null,"predicted":null},"steps":null}`), &report)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, web.Options{Drills: func() []web.Drill {
		return []web.Drill{{Name: "backlog", Reports: []web.DrillReport{report}}, {Name: "crash"}}
	}})
	text := get(t, s, "/api/tidemark/v1/drills").Body.Bytes()
	if got, want := object(t, text, "drills", 0, "reports", 0, "startedAt"), any("2026-11-20T09:00:00.000Z"); got != want {
		t.Errorf("startedAt = %v, want %v", got, want)
	}
	if got := object(t, text, "drills", 0, "reports", 0, "drain", "replicaCapacityPerSecond"); got != nil {
		t.Errorf("a capacity that is not known = %v, want null", got)
	}
	for _, path := range [][]any{{"drills", 1, "reports"}, {"drills", 0, "reports", 0, "steps"}} {
		if got := object(t, text, path...); got == nil {
			t.Errorf("%v is null, want an empty list", path)
		}
	}
}

func TestReplayAsksWhatThePersonAsked(t *testing.T) {
	var asked [3]any
	s := open(t, web.Options{Replay: func(_ context.Context, rule string, from, to time.Time) (web.Replay, error) {
		asked = [3]any{rule, from, to}
		if rule == "Nobody" {
			return web.Replay{}, errors.New(`there is no alerting rule "Nobody"`)
		}
		return web.Replay{Rule: rule}, nil
	}})
	s.Publish(world(noon, 600))
	w := get(t, s, "/api/tidemark/v1/replay?rule=LagHigh&range=6h")
	if got, want := asked, [3]any{"LagHigh", noon.Add(-6 * time.Hour), noon}; got != want {
		t.Errorf("asked %v, want %v", got, want)
	}
	if got := object(t, w.Body.Bytes(), "firings"); got == nil {
		t.Error("firings is null, want an empty list")
	}
	if got := object(t, w.Body.Bytes(), "threshold"); got != nil {
		t.Errorf("a threshold that nobody proposed = %v, want null", got)
	}
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"?rule=Nobody":              {http.StatusUnprocessableEntity, "no alerting rule"},
		"?rule=LagHigh&range=9000h": {http.StatusBadRequest, "a duration up to 744h"},
		"?rule=LagHigh&range=-1h":   {http.StatusBadRequest, `range is "-1h"`},
		"?rule=LagHigh&to=noon":     {http.StatusBadRequest, `to is "noon"`},
	} {
		w := get(t, s, "/api/tidemark/v1/replay"+path)
		if got, _ := object(t, w.Body.Bytes(), "detail").(string); w.Code != want.status || !strings.Contains(got, want.says) {
			t.Errorf("%s: %d %q, want %d with %q", path, w.Code, got, want.status, want.says)
		}
	}
	if got, want := get(t, open(t, web.Options{}), "/api/tidemark/v1/replay?rule=LagHigh").Code, http.StatusNotImplemented; got != want {
		t.Errorf("without a history: %d, want %d", got, want)
	}
}
