package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

// TestServiceOverKafkaStreamsWorksAndCommits runs the whole service against a
// broker in memory: 30 records were there before, 30 come while a browser
// listens, then it shuts down and a second run goes on with the browser's id.
func TestServiceOverKafkaStreamsWorksAndCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		broker, err := kfake.NewCluster(kfake.ListenFn(network.Listen), kfake.NumBrokers(1), kfake.Ports(9092), kfake.SeedTopics(3, "aetherlink.events"))
		if err != nil {
			t.Fatal(err)
		}
		defer broker.Close()
		cluster := kafka.Options{Config: kafka.Config{Name: "main", Brokers: []string{"localhost:9092"}}, Dial: network.DialContext}
		publish(t, cluster, 30)

		stop := start(t, &network, cluster)
		tab := listen(t, &network, "")
		time.Sleep(5 * time.Second)
		publish(t, cluster, 30)
		time.Sleep(5 * time.Second)
		stop()
		first, id := tab()
		if got, want := strings.Count(first, "domain_event"), 30; got != want {
			t.Errorf("the browser got %d events, want %d", got, want)
		}
		if !strings.Contains(first, `"kind":"bye"`) {
			t.Error("the browser was not told that the service ends")
		}
		if got, want := groupLag(t, cluster), int64(0); got != want {
			t.Errorf("lag is %d, want %d", got, want)
		}

		publish(t, cluster, 12)
		stop = start(t, &network, cluster)
		time.Sleep(5 * time.Second)
		tab = listen(t, &network, id)
		time.Sleep(15 * time.Second)
		stop()
		if second, _ := tab(); strings.Count(second, "domain_event") != 12 || !strings.Contains(second, `"resume":"exact"`) {
			t.Errorf("the browser that came back got %d events, want 12 and an exact resume:\n%s", strings.Count(second, "domain_event"), second)
		}
	})
}

func publish(t *testing.T, cluster kafka.Options, n int) {
	t.Helper()
	p, err := kafka.OpenPublisher(cluster)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range n {
		r := tidemark.Record{Topic: "aetherlink.events", Partition: int32(i % 3), Value: fmt.Appendf(nil, `{"Seq":%d}`, i)}
		if err := p.Publish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// start runs the service; stop ends it and waits.
func start(t *testing.T, network *kfake.VirtualNetwork, cluster kafka.Options) (stop func()) {
	t.Helper()
	listener, err := network.Listen("tcp", "localhost:9010")
	if err != nil {
		t.Fatal(err)
	}
	s := settings{reset: "earliest"}
	s.relay.Topic, s.relay.Group = "aetherlink.events", "crm-events-sse"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- serve(ctx, s, ports{public: listener}, cluster) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	}
}

// listen opens the stream; the result waits for its end and returns its text and last id.
func listen(t *testing.T, network *kfake.VirtualNetwork, id string) func() (text, lastID string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableKeepAlives: true}}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:9010/crm-events", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Accept", "text/event-stream")
	q.Header.Set("Last-Event-ID", id)
	answer, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
		}
	})
	return func() (string, string) {
		reading.Wait()
		ids := regexp.MustCompile(`(?m)^id: (.*)$`).FindAllStringSubmatch(text.String(), -1)
		return text.String(), ids[len(ids)-1][1]
	}
}

func groupLag(t *testing.T, cluster kafka.Options) int64 {
	t.Helper()
	c, err := kafka.Open(cluster)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	group, _ := s.Group("crm-events-sse")
	total := s.Total(group)
	if !total.Complete || total.Partitions != 3 {
		t.Errorf("the lag is not complete: %+v", total)
	}
	return total.Records
}
