package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// produced runs the command against a broker in this process, and returns what came.
func produced(t *testing.T, args ...string) (records []tidemark.Record, said string) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "aetherlink.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	var out bytes.Buffer
	c := command()
	c.SetArgs(append([]string{"produce", "--kafka.brokers", strings.Join(broker.ListenAddrs(), ",")}, args...))
	c.SetOut(&out)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	tail, err := kafka.OpenTail(kafka.Options{Config: kafka.Config{Name: "main", Brokers: broker.ListenAddrs()}}, kafka.TailOptions{Topic: "aetherlink.events"})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		more, err := tail.Next(ctx)
		cancel()
		if err != nil {
			return records, out.String()
		}
		records = append(records, more...)
	}
}

func TestProducedEventsAreTheOutboxs(t *testing.T) {
	records, said := produced(t, "--rate=0", "--count=300", "--keys=5", "--bytes=400", "--seed=1")
	if got, want := len(records), 300; got != want || !strings.HasPrefix(said, "300 events in ") {
		t.Fatalf("%d records and %q, want %d", got, said, want)
	}
	partitions := map[string]int32{}
	for _, r := range records {
		var value struct{ Type, TenantId, JobId string }
		if err := json.Unmarshal(r.Value, &value); err != nil || len(r.Value) < 400 || value.JobId != string(r.Key) {
			t.Fatalf("event %s of %s: %v", r.Value, r.Key, err)
		}
		for _, h := range r.Headers {
			if h.Key == "type" && string(h.Value) != value.Type || h.Key == "tenant_id" && string(h.Value) != value.TenantId {
				t.Fatalf("header %s is %s, the event %s", h.Key, h.Value, r.Value)
			}
		}
		if p, known := partitions[string(r.Key)]; known && p != r.Partition {
			t.Fatalf("%s is in partitions %d and %d", r.Key, p, r.Partition)
		}
		partitions[string(r.Key)] = r.Partition
	}
}

func TestSkewGivesAFewJobsMostEvents(t *testing.T) {
	share := func(skew string) (most int) {
		byKey := map[string]int{}
		records, _ := produced(t, "--rate=0", "--count=1000", "--keys=100", "--skew="+skew, "--seed=1")
		for _, r := range records {
			byKey[string(r.Key)]++
			most = max(most, byKey[string(r.Key)])
		}
		return most
	}
	if got, most := share("0"), 30; got > most {
		t.Errorf("without skew one of 100 jobs has %d of 1000 events", got)
	}
	if got, least := share("2"), 500; got < least {
		t.Errorf("with skew 2 the first job has %d of 1000 events, want at least %d", got, least)
	}
}

func TestEventsAreDueByRateAndBursts(t *testing.T) {
	s := produceSettings{rate: 10, burst: 50, burstEvery: time.Minute, duration: 3 * time.Minute, count: 1900}
	for elapsed, want := range map[time.Duration]int{
		0: 0, 30 * time.Second: 300, time.Minute: 650, 2 * time.Minute: 1300, 3 * time.Minute: 1900, time.Hour: 1900,
	} {
		if got := s.due(elapsed); got != want {
			t.Errorf("after %v %d events are due, want %d", elapsed, got, want)
		}
	}
}

func TestProducerWritesIntoTheOutboxAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir() + "/crm.db"
		table := openOutbox(t, file)
		defer table.Close()
		s := produceSettings{db: file, topic: "aetherlink.events", rate: 20, burst: 30, burstEvery: 4 * time.Second, duration: 10 * time.Second, keys: 10, tenants: 2}
		n, took, err := s.run(t.Context())
		if err != nil || n != 260 || took < 10*time.Second || took > 11*time.Second {
			t.Errorf("%d events in %v, %v; want 260 in 10s", n, took, err)
		}
		var rows int
		if err := table.DB().QueryRowContext(t.Context(), "select count(*) from outbox").Scan(&rows); err != nil || rows != n {
			t.Errorf("%d rows in the outbox, %v; want %d", rows, err, n)
		}
	})
}

func TestProducerRefusesWhatCannotBeMade(t *testing.T) {
	good := produceSettings{burstEvery: time.Minute, keys: 1, tenants: 1}
	for what, change := range map[string]func(*produceSettings){
		"a negative rate": func(s *produceSettings) { s.rate = -1 }, "no job": func(s *produceSettings) { s.keys = 0 },
		"no tenant": func(s *produceSettings) { s.tenants = 0 }, "half a skew": func(s *produceSettings) { s.skew = 0.5 },
	} {
		s := good
		change(&s)
		if _, _, err := s.run(t.Context()); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
