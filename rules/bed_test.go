package rules_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/rules"
)

// bed evaluates rules over a store of its own, one look every 15 seconds, at moments
// that the test chooses.
type bed struct {
	*testing.T
	options rules.Options
	engine  *rules.Engine
	dir     string
	db      *tsdb.DB
	now     time.Time
	every   time.Duration
	world   world
	alerts  map[string]tidemark.Alert
	known   map[tidemark.Series]bool // in the store since the last look
}

// world is what a look sees: one cluster, one group, one topic of three partitions.
type world struct {
	lag      int64
	state    tidemark.State
	failed   error // the look brings nothing
	absent   bool  // the cluster is not looked at
	silent   bool  // one partition cannot be seen
	rate     float64
	arrivals int64 // per look
	end      int64
}

func newBed(t *testing.T, o rules.Options) *bed {
	b := &bed{
		T: t, options: o, dir: t.TempDir(), every: 15 * time.Second,
		now:   time.Date(2025, 11, 2, 10, 0, 0, 0, time.UTC),
		world: world{state: tidemark.CaughtUp, end: 100_000},
	}
	b.open()
	t.Cleanup(func() { b.db.Close() })
	return b
}

func (b *bed) open() {
	b.Helper()
	options := tsdb.DefaultOptions()
	options.RetentionDuration = (365 * 24 * time.Hour).Milliseconds() * 100 // the bed's time is long ago
	db, err := tsdb.Open(b.dir, nil, nil, options, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.db, b.options.Storage, b.known = db, db, map[tidemark.Series]bool{}
	if b.options.Journal, err = rules.OpenJournal(filepath.Join(b.dir, "alerts"), slog.New(slog.DiscardHandler)); err != nil {
		b.Fatal(err)
	}
	if b.engine, err = rules.Open(b.options); err != nil {
		b.Fatal(err)
	}
}

// restart is a crash and a new start over the same store, some time later.
func (b *bed) restart(later time.Duration) {
	b.Helper()
	if err := b.db.Close(); err != nil {
		b.Fatal(err)
	}
	b.now = b.now.Add(later)
	b.open()
}

// look is one step of the daemon: a look, its samples, an evaluation.
func (b *bed) look() {
	b.Helper()
	b.world.end += b.world.arrivals
	v := b.view()
	b.append(v)
	alerts, err := b.engine.Eval(b.Context(), b.now, v)
	if err != nil {
		b.Fatal(err)
	}
	b.alerts = map[string]tidemark.Alert{}
	for _, a := range alerts {
		b.alerts[a.Name] = a
	}
	b.now = b.now.Add(b.every)
}

// looks goes on for some time; the last look is that long after the first.
func (b *bed) looks(length time.Duration) {
	b.Helper()
	for end := b.now.Add(length); !b.now.After(end); {
		b.look()
	}
}

func (b *bed) view() *tidemark.View {
	w := b.world
	if w.absent {
		return &tidemark.View{At: b.now, Pipelines: b.options.Pipelines}
	}
	s := &tidemark.Snapshot{
		Cluster: "main", Began: b.now.Add(-100 * time.Millisecond), Ended: b.now,
		Brokers: []tidemark.Broker{{ID: 1, Address: "kafka:9092", Up: true}},
		Topics:  []tidemark.Topic{{Name: "aetherlink.events"}},
		Groups:  []tidemark.Group{{Name: "crm-events-sse", Phase: "Stable", Members: []tidemark.Member{{ID: "a"}, {ID: "b"}}, At: b.now}},
	}
	for id := range int32(3) {
		share := w.lag / 3
		if id == 0 {
			share = w.lag - 2*share
		}
		p := tidemark.Partition{Group: "crm-events-sse", Topic: "aetherlink.events", ID: id, Committed: w.end - share, LogEnd: w.end}
		if w.silent && id == 2 {
			p.Reason = tidemark.Unreachable
		}
		s.Partitions = append(s.Partitions, p)
		s.Topics[0].Partitions = append(s.Topics[0].Partitions, tidemark.Log{ID: id, Leader: 1, PreferredLeader: 1, Replicas: 1, InSync: 1, End: w.end, At: b.now})
	}
	e := tidemark.Estimate{
		Cluster: "main", Group: "crm-events-sse", State: w.state, Lag: s.Total(s.Groups[0]),
		Consumption: tidemark.Rate{PerSecond: w.rate, Known: true},
	}
	if w.silent {
		e.State = tidemark.Unknown
	}
	return &tidemark.View{
		At:           b.now,
		Observations: []tidemark.Observation{{Cluster: "main", Snapshot: s, Estimates: []tidemark.Estimate{e}, Failed: w.failed}},
		Pipelines:    b.options.Pipelines,
	}
}

// append does what history does: one commit, and markers for what is gone.
func (b *bed) append(v *tidemark.View) {
	b.Helper()
	app := b.db.AppenderV2(b.Context())
	put := func(s tidemark.Series, f float64) {
		all := map[string]string{"__name__": s.Name, "job": "tidemark", "instance": "here:9308"}
		maps.Insert(all, s.Labels())
		if _, err := app.Append(0, labels.FromMap(all), 0, b.now.UnixMilli(), f, nil, nil, storage.AOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	before := b.known
	b.known = map[tidemark.Series]bool{}
	for sample := range metrics.Samples(v) {
		put(sample.Series, sample.Value)
		b.known[sample.Series] = true
		delete(before, sample.Series)
	}
	for _, gone := range slices.Collect(maps.Keys(before)) {
		put(gone, math.Float64frombits(value.StaleNaN))
	}
	if err := app.Commit(); err != nil {
		b.Fatal(err)
	}
}

// want fails unless an alert is in a state; "" is that there is none.
func (b *bed) want(name string, state tidemark.AlertState) tidemark.Alert {
	b.Helper()
	if got, want := b.alerts[name].State, state; got != want {
		b.Errorf("at %s: %s is %q, want %q", b.now.Add(-b.every).Format("15:04:05"), name, got, want)
	}
	return b.alerts[name]
}

// put appends one sample at the bed's next moment.
func (b *bed) put(series string, f float64) {
	b.Helper()
	metric, err := parser.NewParser(parser.Options{}).ParseMetric(series)
	if err != nil {
		b.Fatal(err)
	}
	app := b.db.AppenderV2(b.Context())
	if _, err := app.Append(0, metric, 0, b.now.UnixMilli(), f, nil, nil, storage.AOptions{}); err != nil {
		b.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		b.Fatal(err)
	}
}

// query asks the API for the values of an expression at the last look, or now if
// the bed has no time of its own.
func (b *bed) query(expr string) (values []float64) {
	b.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any
			}
		}
	}
	at := float64(time.Now().UnixMilli()) / 1000
	if !b.now.IsZero() {
		at = float64(b.now.Add(-b.every).UnixMilli()) / 1000
	}
	b.get("/api/v1/query?query="+url.QueryEscape(expr)+fmt.Sprintf("&time=%.3f", at), &answer)
	for _, r := range answer.Data.Result {
		f, err := strconv.ParseFloat(r.Value[1].(string), 64)
		if err != nil {
			b.Fatal(err)
		}
		values = append(values, f)
	}
	return values
}

// get asks the engine's handler and reads its JSON.
func (b *bed) get(path string, into any) {
	b.Helper()
	w := httptest.NewRecorder()
	b.engine.Handler().ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		b.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		b.Fatalf("GET %s: %v in %s", path, err, w.Body)
	}
}

func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) < 1e-9 })
}
