package relay_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

// publishAs appends n records as the outbox writes them.
func (m *memory) publishAs(kind, tenant, key string, n int) {
	for range n {
		m.append(0, []byte(key), nil)
		m.change(func() {
			m.logs[0].records[len(m.logs[0].records)-1].Headers = []tidemark.Header{
				{Key: "type", Value: []byte(kind)}, {Key: "tenant_id", Value: []byte(tenant)},
			}
		})
	}
}

func (r *replica) openTo(path, lastID string) *browser {
	r.t.Helper()
	b := r.connectTo(path, lastID)
	go b.read()
	return b
}

func (b *browser) checkpoints() (n int) {
	for _, e := range b.all() {
		if e.name == "checkpoint" {
			n++
		}
	}
	return n
}

func TestFilteredStreamGetsWhatItAskedForAndKeepsItsPlace(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		b := r.openTo("/crm-events?type=JobCreated&type=JobDone", "")
		synctest.Wait()
		m.publishAs("JobCreated", "t1", "job-1", 2)
		m.publishAs("JobMoved", "t1", "job-1", 250)
		m.publishAs("JobDone", "t1", "job-1", 1)
		time.Sleep(time.Second)
		if got, want := b.got(0), []int64{0, 1, 252}; !slices.Equal(got, want) {
			t.Errorf("got events %v, want %v", got, want)
		}
		if got, want := b.checkpoints(), 2; got != want {
			t.Errorf("%d checkpoints in 250 records passed over, want %d", got, want)
		}

		m.publishAs("JobMoved", "t1", "job-1", 30)
		time.Sleep(20 * time.Second) // a heartbeat
		if got, want := b.checkpoints(), 3; got != want {
			t.Errorf("%d checkpoints after a heartbeat, want %d", got, want)
		}
		b.close()
		m.publishAs("JobDone", "t1", "job-1", 2)
		time.Sleep(time.Second)
		again := r.openTo("/crm-events?type=JobDone", b.lastID())
		time.Sleep(time.Second)
		if got, want := again.got(0), []int64{283, 284}; !slices.Equal(got, want) {
			t.Errorf("after it came back it got %v, want %v", got, want)
		}
		again.close()
	})
}

func TestFiltersAreForTypeKeyAndTenantAtOnce(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		b := r.openTo("/crm-events?tenant=t2&key=job-2&type=JobCreated", "")
		synctest.Wait()
		for _, tenant := range []string{"t1", "t2"} {
			for _, key := range []string{"job-1", "job-2"} {
				for _, kind := range []string{"JobCreated", "JobDone"} {
					m.publishAs(kind, tenant, key, 1)
				}
			}
		}
		m.publish(0, 1) // without headers
		time.Sleep(time.Second)
		if got, want := b.got(0), []int64{6}; !slices.Equal(got, want) {
			t.Errorf("got events %v, want %v", got, want)
		}
		b.close()
	})
}

func TestFilterHoldsWhileReadingFromTheLog(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.RingRecords = 8 })
		first := r.open("")
		synctest.Wait()
		m.publishAs("JobCreated", "t1", "job-1", 1)
		time.Sleep(time.Second)
		first.close()
		m.publishAs("JobMoved", "t1", "job-1", 500)
		m.publishAs("JobDone", "t1", "job-1", 1)
		m.publishAs("JobMoved", "t1", "job-1", 20)
		time.Sleep(time.Second)
		b := r.openTo("/crm-events?type=JobDone", first.lastID())
		time.Sleep(time.Second)
		if got, want := b.got(0), []int64{501}; !slices.Equal(got, want) {
			t.Errorf("got events %v, want %v", got, want)
		}
		if len(b.kinds("gap")) > 0 || b.all()[0].Resume != "exact" {
			t.Errorf("the stream began with %+v, want an exact resume", b.all()[0])
		}
		b.close()
	})
}

func TestTypedStreamNamesItsEvents(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		typed, plain := r.openTo("/crm-events?typed=1", ""), r.open("")
		synctest.Wait()
		m.publishAs("JobCreated", "t1", "job-1", 1)
		m.publishAs("two\nlines", "t1", "job-1", 1)
		m.publishAs("checkpoint", "t1", "job-1", 1)
		time.Sleep(time.Second)
		names := func(b *browser) (names []string) {
			for _, e := range b.kinds("domain_event") {
				names = append(names, e.name)
			}
			return names
		}
		if got, want := names(typed), []string{"JobCreated", "", ""}; !slices.Equal(got, want) {
			t.Errorf("events are named %q, want %q", got, want)
		}
		if got, want := names(plain), []string{"", "", ""}; !slices.Equal(got, want) {
			t.Errorf("without typed=1 events are named %q: onmessage would not get them", got)
		}
		if typed.lastID() != plain.lastID() {
			t.Errorf("ids differ: %s and %s", typed.lastID(), plain.lastID())
		}
		typed.close()
		plain.close()
	})
}

// TestSlowClientCatchesUpFromTheLog holds a connection open without reading while
// the ring turns over: what it missed comes from the log, and nothing is missing.
func TestSlowClientCatchesUpFromTheLog(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.RingBytes = 100_000; o.WriteTimeout = time.Minute })
		slow := r.connect("")
		synctest.Wait()
		for range 200 {
			m.publish(0, 20)
			time.Sleep(100 * time.Millisecond)
		}
		if got, want := r.metric(`crm_events_clients{state="slow"}`), "1"; got != want {
			t.Errorf("%s slow clients, want %s", got, want)
		}
		if got, least := atoi(t, r.metric("crm_events_slowest_client_lag_events")), 1000; got < least {
			t.Errorf("the slowest client is %d frames behind, want at least %d", got, least)
		}
		go slow.read()
		time.Sleep(time.Second)
		if got, want := slow.got(0), upTo(4000); !slices.Equal(got, want) || len(slow.kinds("gap")) > 0 {
			t.Errorf("the slow client got %d events and %d gaps, want 4000 and none", len(got), len(slow.kinds("gap")))
		}
		if got, want := r.metric(`crm_events_clients{state="live"}`), "1"; got != want {
			t.Errorf("%s live clients after it caught up, want %s", got, want)
		}
		m.publish(0, 5)
		time.Sleep(time.Second)
		if got, want := len(slow.got(0)), 4005; got != want {
			t.Errorf("it got %d events in all, want %d", got, want)
		}
		slow.close()
	})
}

func TestSlowClientIsSentBackIfSoSet(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) {
			o.RingBytes, o.WriteTimeout, o.Slow = 100_000, time.Minute, relay.SlowReconnects
		})
		slow := r.connect("")
		synctest.Wait()
		for range 100 {
			m.publish(0, 20)
			time.Sleep(100 * time.Millisecond)
		}
		slow.read()
		if bye := slow.kinds("bye"); len(bye) != 1 || bye[0].Reason != "slow" {
			t.Errorf("the farewell is %+v, want one because it is slow", bye)
		}
		again := r.open(slow.lastID())
		time.Sleep(time.Second)
		if got, want := append(slow.got(0), again.got(0)...), upTo(2000); !slices.Equal(got, want) {
			t.Errorf("both times together it got %d events, want 2000 in order", len(got))
		}
		again.close()
	})
}

func TestStreamThatIsOldEnoughIsSentToConnectAnew(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		b := r.open("")
		time.Sleep(23 * time.Minute)
		if got, want := r.metric("crm_events_sse_clients"), "1"; got != want {
			t.Errorf("%s clients after 23 minutes, want %s", got, want)
		}
		time.Sleep(14 * time.Minute)
		<-b.stopped
		if bye := b.kinds("bye"); len(bye) != 1 || bye[0].Reason != "age" {
			t.Errorf("the farewell is %+v, want one because of its age", bye)
		}
		if got, want := r.metric(`crm_events_disconnects_total{reason="age"}`), "1"; got != want {
			t.Errorf("%s streams ended because of their age, want %s", got, want)
		}
		m.publish(0, 3)
		again := r.open(b.lastID())
		time.Sleep(time.Second)
		if got, want := again.got(0), upTo(3); !slices.Equal(got, want) {
			t.Errorf("after it came back it got %v, want %v", got, want)
		}
		again.close()
	})
}

func TestIDOfManyPartitionsIsShortAndResumesExactly(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(24)
		r := m.start(t, nil)
		b := r.open("")
		synctest.Wait()
		for partition := range 24 {
			m.publish(partition, 200)
		}
		time.Sleep(time.Second)
		b.close()
		id := b.lastID()
		if len(id) > 128 || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-") != "" {
			t.Errorf("the id %s has %d letters, want at most 128 of those that need no preflight", id, len(id))
		}
		m.publish(23, 2)
		again := r.open(id)
		time.Sleep(time.Second)
		if got, want := again.got(23), between(200, 202); !slices.Equal(got, want) || again.all()[0].Resume != "exact" {
			t.Errorf("after %s it got %v of partition 23 with resume %s, want %v exactly", id, got, again.all()[0].Resume, want)
		}
		if got := again.got(0); len(got) > 0 {
			t.Errorf("it got %v of partition 0 again", got)
		}
		again.close()
	})
}

func TestMalformedPackedIDIsRefused(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, nil)
		for _, packed := range []string{"!", "gA", "gICAgICAgICAAQ", strings.Repeat("AAAA", 6000)} {
			answer := r.request(http.MethodGet, "/crm-events", map[string]string{"Last-Event-ID": "v1p.k3f9qa.lzt8k2b7." + packed})
			_ = answer.Body.Close()
			if got, want := answer.StatusCode, http.StatusBadRequest; got != want {
				t.Errorf("%.20s answered %d, want %d", packed, got, want)
			}
		}
	})
}

func TestLatencyIsMeasuredFromTheRecordAndFromKafkasAnswer(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		one, two := r.open(""), r.open("")
		synctest.Wait()
		m.publish(0, 3)
		m.append(0, nil, nil)
		m.change(func() { m.logs[0].records[3].Timestamp = time.Now().Add(time.Hour) })
		time.Sleep(time.Second)
		for _, name := range []string{"relay", "delivery"} {
			if got, want := r.metric(fmt.Sprintf("crm_events_%s_latency_seconds_count", name)), "8"; got != want {
				t.Errorf("%s latencies of kind %s, want %s", got, name, want)
			}
		}
		if got, most := r.metric(`crm_events_delivery_latency_seconds_bucket{le="0.008"}`), "8"; got != most {
			t.Errorf("%s of 8 deliveries took up to 8 ms, want all", got)
		}
		if got, want := r.metric("crm_events_clock_skew_total"), "2"; got != want {
			t.Errorf("%s deliveries from the future, want %s", got, want)
		}
		one.close()
		two.close()
	})
}
