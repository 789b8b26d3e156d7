package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/outbox"
)

const tenant = "0190b5e4-0000-7000-8000-000000000001"

// TestOutboxPublishesAndSaysWhatIsInTheWay runs the command's body against a broker
// in memory: events arrive with key and headers; those of a topic that is not
// there wait, and /readyz says so; one that is too large is parked, and shown.
func TestOutboxPublishesAndSaysWhatIsInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "crm.db")
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		broker, err := kfake.NewCluster(kfake.ListenFn(network.Listen), kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(3, "aetherlink.events"))
		if err != nil {
			t.Fatal(err)
		}
		defer broker.Close()
		cluster := kafka.Options{Config: kafka.Config{Name: "main", Brokers: []string{"localhost:9092"}}, Dial: network.DialContext}
		table := openOutbox(t, file)
		defer table.Close()

		listener, err := network.Listen("tcp", "localhost:9011")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- serveOutbox(ctx, outboxSettings{}, table, listener, cluster) }()

		writeEvent(t, table, "job-1", "aetherlink.events", "1")
		writeEvent(t, table, "job-2", "nowhere", "1")
		writeEvent(t, table, "job-3", "aetherlink.events", strings.Repeat("x", 1<<20))
		time.Sleep(20 * time.Second)

		tail, err := kafka.OpenTail(cluster, kafka.TailOptions{Topic: "aetherlink.events", Reset: kafka.Earliest})
		if err != nil {
			t.Fatal(err)
		}
		records, err := tail.Next(t.Context())
		tail.Close()
		if err != nil || len(records) != 1 || string(records[0].Key) != "job-1" || records[0].Headers[0].Key != "event_id" {
			t.Errorf("the topic has %+v, %v; want the event of job-1", records, err)
		}
		client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableKeepAlives: true}}
		if got := fetch(t, client, "http://localhost:9011/readyz"); !strings.Contains(got, "UNKNOWN_TOPIC_OR_PARTITION") {
			t.Errorf("/readyz says %s, want the topic that is not there", got)
		}
		if got := fetch(t, client, "http://localhost:9011/metrics"); !strings.Contains(got, "outbox_shards_halted 1") || !strings.Contains(got, "outbox_parked 1") {
			t.Errorf("/metrics do not tell of the halted shard and the parked event:\n%s", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	if got := run(t, "parked", "--db", file); !strings.Contains(got, "job-3") || !strings.Contains(got, "the limit is 1000000") {
		t.Errorf("parked:\n%s\nwant the event of job-3 and why", got)
	}
	if got, want := run(t, "release", "job-3", "--db", file), "1 events released\n"; got != want {
		t.Errorf("release says %q, want %q", got, want)
	}
}

func openOutbox(t *testing.T, file string) *outbox.Table {
	t.Helper()
	table, err := outbox.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return table
}

func writeEvent(t *testing.T, table *outbox.Table, aggregate, topic, payload string) {
	t.Helper()
	e := outbox.Event{Tenant: tenant, Aggregate: aggregate, Type: "JobCreated", Topic: topic, Payload: []byte(payload)}
	if err := outbox.Write(t.Context(), table.DB(), e); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a subcommand of outbox and returns what it prints.
func run(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetArgs(append([]string{"outbox"}, args...))
	c.SetOut(&out)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPressureIsReadAsAnAllowance(t *testing.T) {
	for text, want := range map[string]outbox.Allowance{
		`{"pressure":0.4,"allowed_rate":12.5,"ttl":30}`: {EventsPerSecond: 12.5, GoodFor: 30 * time.Second},
		`{"pressure":0,"allowed_rate":null,"ttl":15}`:   {EventsPerSecond: math.Inf(1), GoodFor: 15 * time.Second},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
		got, err := pressure{server.URL}.ask(t.Context())
		server.Close()
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestPressureThatCannotBeHadIsAnError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if got, err := (pressure{server.URL}).ask(t.Context()); err == nil {
		t.Errorf("got %+v, want an error", got)
	}
}
