package history_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/history"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func lag(group string, records float64) tidemark.Sample {
	return tidemark.Sample{Series: tidemark.Series{Name: "lag", Cluster: "main", Group: group}, Value: records}
}

func open(t *testing.T, o history.Options) *history.Store {
	t.Helper()
	s, err := history.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *history.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func appended(t *testing.T, s *history.Store, at time.Time, samples ...tidemark.Sample) {
	t.Helper()
	if err := s.Append(at, slices.Values(samples)); err != nil {
		t.Fatal(err)
	}
}

// found returns the lag of a group over time, one word a sample, and its labels.
func found(t *testing.T, s *history.Store, group string) (values, series string) {
	t.Helper()
	q, err := s.Storage().Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), true, nil,
		labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "lag"),
		labels.MustNewMatcher(labels.MatchEqual, "consumergroup", group))
	var words []string
	for set.Next() {
		series = set.At().Labels().String()
		for it := set.At().Iterator(nil); it.Next() == chunkenc.ValFloat; {
			at, v := it.At()
			word := fmt.Sprint(v)
			if value.IsStaleNaN(v) {
				word = "stale"
			}
			words = append(words, time.UnixMilli(at).UTC().Format("04:05=")+word)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(words, " "), series
}

func wantValues(t *testing.T, s *history.Store, group, want string) {
	t.Helper()
	if got, _ := found(t, s, group); got != want {
		t.Errorf("lag of %s = %q, want %q", group, got, want)
	}
}

func TestAppendedSampleCanBeSelectedWithItsLabels(t *testing.T) {
	s := open(t, history.Options{Dir: t.TempDir(), Instance: "0.0.0.0:9308"})
	defer closed(t, s)
	sample := lag("billing", 600)
	sample.Topic, sample.Partition = "orders", tidemark.OrdinalOf(0)
	appended(t, s, noon, sample)
	values, series := found(t, s, "billing")
	if want := "00:00=600"; values != want {
		t.Errorf("values = %q, want %q", values, want)
	}
	want := `{__name__="lag", cluster="main", consumergroup="billing", instance="0.0.0.0:9308", job="tidemark", partition="0", topic="orders"}`
	if series != want {
		t.Errorf("series = %s, want %s", series, want)
	}
}

func TestConfiguredLabelsReplaceJobAndNeverWhatASeriesSays(t *testing.T) {
	config := history.Config{Labels: map[string]string{"job": "kafka-exporter", "project": "Aetherlink", "cluster": "wrong"}}
	s := open(t, history.Options{Config: config, Instance: "a:1"})
	defer closed(t, s)
	appended(t, s, noon, lag("billing", 600))
	_, got := found(t, s, "billing")
	want := `{__name__="lag", cluster="main", consumergroup="billing", instance="a:1", job="kafka-exporter", project="Aetherlink"}`
	if got != want {
		t.Errorf("series = %s, want %s", got, want)
	}
}

func TestSeriesNotInARoundEndsAndMayBeginAgain(t *testing.T) {
	s := open(t, history.Options{})
	defer closed(t, s)
	appended(t, s, noon, lag("billing", 600), lag("mail", 1))
	appended(t, s, noon.Add(15*time.Second), lag("mail", 2))
	appended(t, s, noon.Add(30*time.Second), lag("mail", 3))
	appended(t, s, noon.Add(45*time.Second), lag("mail", 4), lag("billing", 500))
	wantValues(t, s, "billing", "00:00=600 00:15=stale 00:45=500")
	wantValues(t, s, "mail", "00:00=1 00:15=2 00:30=3 00:45=4")
}

func TestRoundIsWrittenWholeOrNotAtAll(t *testing.T) {
	s := open(t, history.Options{Instance: "a:1"})
	defer closed(t, s)
	// A rule of the same name has written a later value of mail's lag.
	rule := s.Storage().AppenderV2(t.Context())
	mail := labels.FromStrings(model.MetricNameLabel, "lag", "cluster", "main", "consumergroup", "mail", "instance", "a:1", "job", "tidemark")
	if _, err := rule.Append(0, mail, 0, noon.Add(time.Minute).UnixMilli(), 7, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := rule.Commit(); err != nil {
		t.Fatal(err)
	}
	err := s.Append(noon, slices.Values([]tidemark.Sample{lag("billing", 600), lag("mail", 1)}))
	if !errors.Is(err, storage.ErrOutOfOrderSample) {
		t.Errorf("error = %v, want %v", err, storage.ErrOutOfOrderSample)
	}
	wantValues(t, s, "billing", "")
	appended(t, s, noon.Add(2*time.Minute), lag("billing", 600))
	wantValues(t, s, "billing", "02:00=600")
}

func TestRoundMustBeLaterThanTheOneBefore(t *testing.T) {
	s := open(t, history.Options{})
	defer closed(t, s)
	appended(t, s, noon, lag("billing", 600))
	err := s.Append(noon, slices.Values([]tidemark.Sample{lag("billing", 700)}))
	want := "append samples of 2026-11-23T12:00:00Z: those of 2026-11-23T12:00:00Z are there already; a round must be later than the one before"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	wantValues(t, s, "billing", "00:00=600")
}

func TestHistorySurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, history.Options{Dir: dir})
	appended(t, s, noon, lag("billing", 600))
	closed(t, s)
	s = open(t, history.Options{Dir: dir})
	defer closed(t, s)
	appended(t, s, noon.Add(15*time.Second), lag("billing", 500))
	wantValues(t, s, "billing", "00:00=600 00:15=500")
}

func TestDayOfRoundsLeavesTheRetainedPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, history.Options{Config: history.Config{Retention: 6 * time.Hour}, Dir: t.TempDir()})
		for minute := range 24 * 60 {
			appended(t, s, noon.Add(time.Duration(minute)*time.Minute), lag("billing", float64(minute)))
			time.Sleep(time.Minute) // virtual: lets the database compact in the background
		}
		first, err := s.Storage().StartTime()
		if err != nil {
			t.Fatal(err)
		}
		age := noon.Add(24 * time.Hour).Sub(time.UnixMilli(first))
		if age < 6*time.Hour || age > 9*time.Hour {
			t.Errorf("oldest sample is %s old, want 6 to 9 hours", age)
		}
		closed(t, s) // synctest fails if a goroutine is left
	})
}

func TestSecondProcessOnTheSameDirectoryIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, history.Options{Dir: dir})
		defer closed(t, s)
		_, err := history.Open(history.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "is another tidemark running there?") {
			t.Errorf("error = %v, want the question whether another tidemark is running", err)
		}
	})
}

func TestLockOfADyingProcessIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		dying := open(t, history.Options{Dir: dir})
		time.AfterFunc(2*time.Second, func() { closed(t, dying) })
		closed(t, open(t, history.Options{Dir: dir}))
	})
}

func TestRemoteReceiverGetsEverySampleAndWhereItEnds(t *testing.T) {
	got := make(chan string, 1000)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		request, err := remote.DecodeWriteRequest(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		for _, series := range request.Timeseries {
			for _, sample := range series.Samples {
				got <- fmt.Sprint(series.Labels[2].Value, "=", sample.Value)
			}
		}
	}))
	defer receiver.Close()
	write := map[string]any{"url": receiver.URL, "queue_config": map[string]any{"batch_send_deadline": "10ms"}}
	s := open(t, history.Options{Config: history.Config{RemoteWrite: []map[string]any{write}}})
	defer closed(t, s)
	// Receivers get nothing from before they were there, and hear of a round when
	// they have found the log: until then there is one more.
	at, first := time.Now(), ""
	for first == "" {
		at = at.Add(time.Millisecond)
		appended(t, s, at, lag("billing", 600))
		select {
		case first = <-got:
		case <-time.After(10 * time.Millisecond):
		}
	}
	appended(t, s, at.Add(time.Millisecond))
	last := first
	for last == "billing=600" {
		last = <-got
	}
	if want := "billing=NaN"; last != want {
		t.Errorf("received %s, want %s", last, want)
	}
}

func TestTemporaryHistoryLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := open(t, history.Options{})
	appended(t, s, noon, lag("billing", 600))
	closed(t, s)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestConfigSaysWhatWouldWork(t *testing.T) {
	for want, config := range map[string]history.Config{
		"history.retention is -1h0m0s; it must be longer than 0, as 15d is":                 {Retention: -time.Hour},
		`history.partitions is "some"; it must be none, pipelines, lagging or all`:          {Partitions: "some"},
		`history.labels has "a-b", which is no name for a label; letters, digits and _ are`: {Labels: map[string]string{"a-b": "c"}},
		"history.remote_write: url for remote_write is empty":                               {RemoteWrite: []map[string]any{{"name": "far"}}},
	} {
		if err := config.Validate(); err == nil || err.Error() != want {
			t.Errorf("error = %v, want %s", err, want)
		}
	}
	if err := (history.Config{}).Validate(); err != nil {
		t.Errorf("the empty configuration: %v", err)
	}
}

// BenchmarkAppend writes rounds of 100,000 series; engine.md measured 24 to 32 ms
// for the database alone.
func BenchmarkAppend(b *testing.B) {
	s, err := history.Open(history.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	at := noon // of the first round, which makes the series and is not measured
	round := func(yield func(tidemark.Sample) bool) {
		sample := lag("billing", 0)
		for i := range int32(100_000) {
			sample.Topic, sample.Partition, sample.Value = "orders", tidemark.OrdinalOf(i), float64(at.Unix()+int64(i))
			if !yield(sample) {
				return
			}
		}
	}
	write := func() {
		if err := s.Append(at, round); err != nil {
			b.Fatal(err)
		}
		at = at.Add(15 * time.Second)
	}
	write()
	b.ReportAllocs()
	for b.Loop() {
		write()
	}
}
