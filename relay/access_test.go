package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

// byName admits those who give a name, to the tenant that the name begins with.
func byName(r *http.Request) (relay.Visitor, error) {
	name := r.URL.Query().Get("name")
	tenant, _, known := strings.Cut(name, "-")
	if !known {
		return relay.Visitor{}, errors.New("who are you?")
	}
	return relay.Visitor{User: name, Tenants: []string{tenant}, Until: time.Now().Add(10 * time.Minute)}, nil
}

func guarded(o *relay.Options) { o.Admit = byName }

// TestTenantSeesItsOwnEventsOnly is the wall: live, from the log and in the history,
// with or without an id.
func TestTenantSeesItsOwnEventsOnly(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publishAs("JobCreated", "t1", "job-1", 2)
		m.publishAs("JobCreated", "t2", "job-2", 2)
		m.publish(0, 1) // of nobody: for nobody
		r := m.start(t, guarded)
		time.Sleep(time.Second)
		old := r.openTo("/crm-events?name=t2-eve&last_event_id=earliest", "")
		live := r.openTo("/crm-events?name=t1-bob", "")
		time.Sleep(time.Second)
		m.publishAs("JobDone", "t1", "job-1", 1)
		m.publishAs("JobDone", "t2", "job-2", 1)
		time.Sleep(time.Second)
		if got, want := old.got(0), []int64{2, 3, 6}; !slices.Equal(got, want) {
			t.Errorf("t2 got %v, want %v", got, want)
		}
		if got, want := live.got(0), []int64{5}; !slices.Equal(got, want) {
			t.Errorf("t1 got %v, want %v", got, want)
		}
		if got, want := offsets(r.history("?name=t1-bob")), []int64{0, 1, 5}; !slices.Equal(got, want) {
			t.Errorf("the history of t1 has %v, want %v", got, want)
		}
		old.close()
		live.close()
		stolen := r.openTo("/crm-events?name=t2-eve", live.lastID()) // an id gives no rights
		m.publishAs("JobDone", "t1", "job-1", 1)
		time.Sleep(time.Second)
		if got, want := stolen.got(0), []int64{6}; !slices.Equal(got, want) {
			t.Errorf("with t1's id, t2 got %v, want %v: its own after that", got, want)
		}
		stolen.close()
	})
}

func TestWhoMayNotSeeIsToldSo(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, guarded)
		for path, want := range map[string]int{
			"/crm-events":                              http.StatusUnauthorized,
			"/crm-events/history":                      http.StatusUnauthorized,
			"/crm-events?name=t1-bob&tenant=t2":        http.StatusForbidden,
			"/crm-events?name=t1-bob&tenant=t1&type=x": http.StatusOK,
		} {
			answer := r.request(http.MethodHead, path, nil)
			if got := answer.StatusCode; got != want {
				t.Errorf("%s answered %d, want %d", path, got, want)
			}
		}
	})
}

func TestStreamEndsWhenTheVisitorsRightsDo(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, guarded)
		b := r.openTo("/crm-events?name=t1-bob", "")
		time.Sleep(9 * time.Minute)
		if got, want := r.metric("crm_events_sse_clients"), "1"; got != want {
			t.Errorf("%s clients after 9 minutes, want %s", got, want)
		}
		time.Sleep(2 * time.Minute)
		<-b.stopped
		if bye := b.kinds("bye"); len(bye) != 1 || bye[0].Reason != "expired" {
			t.Errorf("the farewell is %+v, want one because the rights expired", bye)
		}
		if got, want := r.metric(`crm_events_disconnects_total{reason="expired"}`), "1"; got != want {
			t.Errorf("%s streams expired, want %s", got, want)
		}
	})
}

func TestLimitsPerUserTenantAndTime(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		f := func(limit func(*relay.Options), names []string, want string) {
			t.Helper()
			r := newMemory(1).start(t, func(o *relay.Options) { guarded(o); limit(o) })
			var last *browser
			for _, name := range names {
				last = r.openTo("/crm-events?name="+name, "")
				synctest.Wait()
			}
			if got := last.all()[0]; got.Kind != "overloaded" || got.Reason != want {
				t.Errorf("the last of %v got %+v, want overloaded because of %s", names, got, want)
			}
			r.end()
		}
		f(func(o *relay.Options) { o.MaxClientsPerUser = 2 }, []string{"t1-bob", "t1-eve", "t1-bob", "t1-bob"}, "clients_per_user")
		f(func(o *relay.Options) { o.MaxClientsPerTenant = 2 }, []string{"t1-bob", "t2-ann", "t1-eve", "t1-joe"}, "clients_per_tenant")
		f(func(o *relay.Options) { o.MaxClients = 2 }, []string{"t1-bob", "t2-ann", "t3-joe"}, "clients")
		f(func(o *relay.Options) { o.MaxConnectRate = 3 }, []string{"t1-a", "t1-b", "t1-c", "t1-d"}, "connect_rate")
	})
}

func TestHeadersThatAreNamedCanBeFilteredBy(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.FilterHeaders = []string{"region", "urgent"} })
		b := r.openTo("/crm-events?header=region:eu&header=region:us&header=urgent:1", "")
		synctest.Wait()
		for i, headers := range []string{"region:eu", "region:eu urgent:1", "region:asia urgent:1", "region:us urgent:1", "urgent:1"} {
			m.publish(0, 1)
			m.change(func() {
				for header := range strings.FieldsSeq(headers) {
					name, value, _ := strings.Cut(header, ":")
					m.logs[0].records[i].Headers = append(m.logs[0].records[i].Headers, tidemark.Header{Key: name, Value: []byte(value)})
				}
			})
		}
		time.Sleep(time.Second)
		if got, want := b.got(0), []int64{1, 3}; !slices.Equal(got, want) {
			t.Errorf("got events %v, want %v", got, want)
		}
		b.close()
		many := "/crm-events?" + strings.Repeat("key=k&", 101)
		for _, path := range []string{"/crm-events?header=password:x", many} {
			if got, want := r.request(http.MethodGet, path, nil).StatusCode, http.StatusBadRequest; got != want {
				t.Errorf("%.40s answered %d, want %d", path, got, want)
			}
		}
	})
}

// TestOperatorsEndpointsAreApart: what browsers may reach does not tell who else is
// there, and what tells it does not tell how to get in.
func TestOperatorsEndpointsAreApart(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, guarded)
		service := r.service
		b := r.openTo("/crm-events?name=t1-bob&ticket=secret&type=JobDone", "")
		synctest.Wait()
		get := func(h http.Handler, path string) *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			return answer
		}
		for _, path := range []string{"/metrics", "/readyz", "/clients"} {
			if got, want := get(service.Public(), path).Code, http.StatusNotFound; got != want {
				t.Errorf("the public %s answered %d, want %d", path, got, want)
			}
			if got, want := get(service.Admin(), path).Code, http.StatusOK; got != want {
				t.Errorf("the operators' %s answered %d, want %d", path, got, want)
			}
		}
		if got, want := get(service.Admin(), "/crm-events").Code, http.StatusNotFound; got != want {
			t.Errorf("the operators' stream answered %d, want %d", got, want)
		}
		text := get(service.Admin(), "/clients").Body.String()
		var list []struct{ User, State, Query string }
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 || list[0].User != "t1-bob" || list[0].State != "live" {
			t.Errorf("the list of clients is %s, %v; want one", text, err)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("the list of clients has the ticket: %s", text)
		}
		b.close()
	})
}

// TestBrowsersComingAndGoingDoNotTouchTheGroup is about a service that had a group
// member per browser.
func TestBrowsersComingAndGoingDoNotTouchTheGroup(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		r := m.start(t, nil)
		time.Sleep(time.Second)
		before := m.generation
		for i := range 100 {
			b := r.open("")
			m.publish(i%3, 1)
			b.close()
		}
		r.noticeDepartures()
		if got, want := m.generation, before; got != want {
			t.Errorf("%d rebalances came of 100 browsers", got-want)
		}
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d, want %d", got, want)
		}
	})
}

// TestBrowserWithoutAnIDGetsNothingOld: no first visitor gets the whole topic.
func TestBrowserWithoutAnIDGetsNothingOld(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 1000)
		r := m.start(t, nil)
		time.Sleep(time.Second)
		b := r.open("")
		time.Sleep(time.Second)
		if got := b.got(0); len(got) > 0 {
			t.Errorf("it got %d old events", len(got))
		}
		b.close()
	})
}

func TestPageAndTabsHelperAreServed(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, nil)
		for _, file := range []string{"live.html", "live.js", "tabs.js"} {
			answer := r.request(http.MethodGet, "/crm-events/"+file, nil)
			if answer.StatusCode != http.StatusOK || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'self'") {
				t.Errorf("%s answered %d with %v", file, answer.StatusCode, answer.Header)
			}
			if most := int64(2048); file == "tabs.js" && answer.ContentLength > most {
				t.Errorf("the helper has %d bytes, want at most %d", answer.ContentLength, most)
			}
			_ = answer.Body.Close()
		}
	})
}

func TestBatchesOfPartitionsAreWorkedOnAtTheSameTime(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		for p := range 3 {
			m.publish(p, 100)
		}
		failures := 2
		m.start(t, func(o *relay.Options) {
			o.WorkBatch = func(_ context.Context, records []tidemark.Record) error {
				time.Sleep(time.Second)
				if records[0].Partition == 1 && failures > 0 {
					failures--
					return fmt.Errorf("not now")
				}
				return nil
			}
		})
		time.Sleep(2500 * time.Millisecond)
		if got, want := m.lag(), int64(100); got != want {
			t.Errorf("lag is %d after two partitions are done and one failed, want %d", got, want)
		}
		time.Sleep(5 * time.Second)
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d, want %d", got, want)
		}
	})
}

// TestRecordsAreCountedOnceAndDeliveriesApart: the first is what the group does, the
// second depends on who is watching.
func TestRecordsAreCountedOnceAndDeliveriesApart(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		a, b := m.start(t, nil), m.start(t, nil)
		tabs := []*browser{a.open(""), a.open(""), a.open("")}
		synctest.Wait()
		for p := range 3 {
			m.publish(p, 10)
		}
		time.Sleep(time.Second)
		worked := atoi(t, a.metric("crm_events_messages_total")) + atoi(t, b.metric("crm_events_messages_total"))
		if want := 30; worked != want {
			t.Errorf("both replicas together count %d records, want %d", worked, want)
		}
		if got, want := a.metric("crm_events_deliveries_total"), "90"; got != want {
			t.Errorf("%s deliveries to three browsers, want %s", got, want)
		}
		for _, tab := range tabs {
			tab.close()
		}
	})
}

// TestReadinessSaysWhatKeepsEventsFromFlowing has a topic that cannot be looked at,
// and then can.
func TestReadinessSaysWhatKeepsEventsFromFlowing(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		away := &unreachable{memory: m, down: true}
		r := m.start(t, func(o *relay.Options) { o.Source = away })
		ready := func() (int, string) {
			answer := r.request(http.MethodGet, "/readyz", nil)
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer.StatusCode, string(text)
		}
		time.Sleep(time.Second)
		if got, text := ready(); got != http.StatusServiceUnavailable || !strings.Contains(text, "no route to the brokers") {
			t.Errorf("without Kafka it is %d, %s", got, text)
		}
		away.mu.Lock()
		away.down = false
		away.mu.Unlock()
		time.Sleep(3 * time.Second)
		if got, text := ready(); got != http.StatusOK {
			t.Errorf("with Kafka it is %d, %s", got, text)
		}
	})
}

// unreachable is the memory behind a network that may be down.
type unreachable struct {
	*memory
	down bool
}

func (u *unreachable) Look(ctx context.Context) (tidemark.Topic, error) {
	u.mu.Lock()
	down := u.down
	u.mu.Unlock()
	if down {
		return tidemark.Topic{}, errors.New("no route to the brokers")
	}
	return u.memory.Look(ctx)
}
