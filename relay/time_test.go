package relay_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

// TestLogThatEndsInAMarkerHoldsNobody: the browser has all events, and a marker
// follows that is no event. A replica that starts now begins after the marker, so
// the browser has to read from the log what nobody gets.
func TestLogThatEndsInAMarkerHoldsNobody(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		first := m.start(t, nil)
		b := first.open("")
		synctest.Wait()
		m.publish(0, 5)
		time.Sleep(time.Second)
		b.close()
		m.appendMarker(0)
		time.Sleep(2 * time.Second)
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d, want %d: the marker is done as well", got, want)
		}
		second := m.start(t, nil)
		again := second.open(b.lastID())
		time.Sleep(time.Second)
		if got, want := second.metric(`crm_events_clients{state="live"}`), "1"; got != want {
			t.Errorf("%s live clients, want %s", got, want)
		}
		m.publish(0, 2)
		time.Sleep(time.Second)
		if got, want := again.got(0), []int64{6, 7}; !slices.Equal(got, want) || len(again.kinds("gap")) > 0 {
			t.Errorf("it got %v and %d gaps, want %v and none", got, len(again.kinds("gap")), want)
		}
		again.close()
	})
}

// TestOffsetsThatTheLogDoesNotExplainAreAGap: the last offset was compacted away.
func TestOffsetsThatTheLogDoesNotExplainAreAGap(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 6)
		r := m.start(t, nil)
		time.Sleep(time.Second)
		m.change(func() { m.logs[0].records = m.logs[0].records[:5] })
		b := r.openTo("/crm-events?last_event_id=earliest", "")
		time.Sleep(20 * time.Second)
		gaps := b.kinds("gap")
		if got, want := b.got(0), upTo(5); !slices.Equal(got, want) || len(gaps) != 1 || gaps[0].Reason != "unread" || gaps[0].From != 5 {
			t.Errorf("it got %v and gaps %+v, want %v and one of offset 5", got, gaps, want)
		}
		if got, want := r.metric(`crm_events_clients{state="live"}`), "1"; got != want {
			t.Errorf("%s live clients, want %s", got, want)
		}
		b.close()
	})
}

// anHour publishes an event a minute, and returns when the first was.
func (m *memory) anHour() time.Time {
	began := time.Now()
	for range 60 {
		m.publish(0, 1)
		time.Sleep(time.Minute)
	}
	return began
}

func TestStreamSinceATimeBeginsThere(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		began := m.anHour()
		finds := m.start(t, func(o *relay.Options) { o.Find = m.find })
		reads := m.start(t, nil) // from the beginning, and passes over
		since := began.Add(50 * time.Minute)
		for _, query := range []string{strconv.FormatInt(since.UnixMilli(), 10), since.UTC().Format(time.RFC3339)} {
			for _, r := range []*replica{finds, reads} {
				b := r.openTo("/crm-events?since="+query, "")
				time.Sleep(time.Second)
				if got, want := b.got(0), between(50, 60); !slices.Equal(got, want) {
					t.Errorf("since %s it got %v, want %v", query, got, want)
				}
				b.close()
			}
		}
	})
}

func TestHistoryBetweenTwoTimes(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		began := m.anHour()
		finds := m.start(t, func(o *relay.Options) { o.Find = m.find })
		reads := m.start(t, nil)
		time.Sleep(time.Second)
		query := fmt.Sprintf("?since=%d&until=%d", began.Add(10*time.Minute).UnixMilli(), began.Add(20*time.Minute).UnixMilli())
		for _, r := range []*replica{finds, reads} {
			lines := r.history(query)
			if got, want := offsets(lines), between(10, 20); !slices.Equal(got, want) || lines[10].More {
				t.Errorf("the history has %v and ends with %+v, want %v and no more", got, lines[len(lines)-1], want)
			}
		}
	})
}

func TestTimesAreRefusedIfTheyAreNone(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, nil)
		for _, path := range []string{
			"/crm-events?since=yesterday", "/crm-events?since=-5", "/crm-events?until=1700000000000", "/crm-events/history?until=soon",
		} {
			if got, want := r.request(http.MethodGet, path, nil).StatusCode, http.StatusBadRequest; got != want {
				t.Errorf("%s answered %d, want %d", path, got, want)
			}
		}
	})
}

// TestIDOfKafkaSSEIsTaken lets clients of KafkaSSE move over.
func TestIDOfKafkaSSEIsTaken(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		m.publish(0, 10)
		m.publish(1, 10)
		r := m.start(t, nil)
		b := r.open(`[{"topic":"aetherlink.events","partition":0,"offset":7},{"topic":"aetherlink.events","partition":1,"offset":9}]`)
		time.Sleep(time.Second)
		if got, want := b.got(0), between(7, 10); !slices.Equal(got, want) || len(b.got(1)) != 1 {
			t.Errorf("it got %v and %v, want %v and 9", got, b.got(1), want)
		}
		b.close()
		for _, id := range []string{`[`, `[]`, `[{"topic":"other","partition":0,"offset":7}]`, `[{"topic":"aetherlink.events","partition":0}]`} {
			if got, want := r.request(http.MethodGet, "/crm-events", map[string]string{"Last-Event-ID": id}).StatusCode, http.StatusBadRequest; got != want {
				t.Errorf("%s answered %d, want %d", id, got, want)
			}
		}
	})
}

func TestEventThatIsTooLargeIsReferredTo(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.MaxEventBytes = 100 })
		b := r.open("")
		synctest.Wait()
		m.append(0, []byte("job-1"), fmt.Appendf(nil, "%q", make([]byte, 200)))
		m.publish(0, 1)
		time.Sleep(time.Second)
		events := b.kinds("domain_event")
		if len(events) != 2 || !events[0].Oversized || events[0].Bytes < 200 || string(events[0].Value) != "null" || *events[0].Key != "job-1" {
			t.Errorf("got %+v, want the place and size of the first, and the second", events)
		}
		b.close()
	})
}

// TestReplicaThatIsRestartedIsWarm: browsers that come back to it find what they
// miss in its ring, and none of them has to read from the log. Who asks for no
// position gets nothing old all the same.
func TestReplicaThatIsRestartedIsWarm(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		first := m.start(t, nil)
		b := first.open("")
		synctest.Wait()
		m.publish(0, 50)
		time.Sleep(time.Second)
		b.close()
		m.publish(1, 50)
		time.Sleep(20 * time.Second)
		opened := &counted{memory: m}
		second := m.start(t, func(o *relay.Options) { o.Source, o.Find = opened, m.find })
		again, live := second.open(b.lastID()), second.open("")
		m.publish(0, 3)
		time.Sleep(time.Second)
		if got, want := again.got(1), upTo(50); !slices.Equal(got, want) || again.all()[0].Resume != "exact" {
			t.Errorf("it got %v and %s, want %v and exact", got, again.all()[0].Resume, want)
		}
		if got, want := len(live.got(0)), 3; got != want || len(live.got(1)) > 0 {
			t.Errorf("who asked for nothing got %d and %d events, want %d and none", got, len(live.got(1)), want)
		}
		if got, want := opened.readers, 1; got != want {
			t.Errorf("the log was opened %d times, want %d: for the ring", got, want)
		}
		again.close()
		live.close()
	})
}

// counted is the memory, and how many readers were opened.
type counted struct {
	*memory
	readers int
}

func (c *counted) ReadFrom(ctx context.Context, at []tidemark.Position) (relay.Reader, error) {
	c.readers++
	return c.memory.ReadFrom(ctx, at)
}

// TestReadersOfTheLogShareWhatTheyMayRead: a client from long ago is served at the
// rate that is set, and those who follow live do not wait for that.
func TestReadersOfTheLogShareWhatTheyMayRead(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		value := fmt.Appendf(nil, "%098d", 0)
		for range 1000 {
			m.append(0, nil, value)
		}
		r := m.start(t, func(o *relay.Options) { o.CatchUpBytes = 10_000 })
		live := r.open("")
		synctest.Wait()
		old := r.openTo("/crm-events?last_event_id=earliest", "")
		time.Sleep(5 * time.Second)
		m.publish(0, 1)
		time.Sleep(time.Second)
		if got, want := len(live.got(0)), 1; got != want {
			t.Errorf("who follows live has %d events, want %d", got, want)
		}
		if got := len(old.got(0)); got == 1001 {
			t.Errorf("98 kB came in 6 s at 10 kB a second")
		}
		time.Sleep(10 * time.Second)
		if got, want := old.got(0), upTo(1001); !slices.Equal(got, want) {
			t.Errorf("in the end it has %d events, want %d", len(got), len(want))
		}
		live.close()
		old.close()
	})
}
