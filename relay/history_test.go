package relay_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/relay"
)

// line is one of a history.
type line struct {
	Kind, ID, Reason string
	Partition        int
	Offset, From, To int64
	More             bool
}

func (r *replica) history(query string) (lines []line) {
	r.t.Helper()
	answer := r.request(http.MethodGet, "/crm-events/history"+query, map[string]string{"Accept": "application/x-ndjson"})
	defer answer.Body.Close()
	if got, want := answer.StatusCode, http.StatusOK; got != want {
		r.t.Fatalf("the history answered %d, want %d", got, want)
	}
	text := bufio.NewScanner(answer.Body)
	for text.Scan() {
		var l line
		if err := json.Unmarshal(text.Bytes(), &l); err != nil {
			r.t.Fatalf("line %s: %v", text.Bytes(), err)
		}
		lines = append(lines, l)
	}
	if err := text.Err(); err != nil {
		r.t.Fatal(err)
	}
	return lines
}

func offsets(lines []line) (all []int64) {
	for _, l := range lines {
		if l.Kind == "domain_event" {
			all = append(all, l.Offset)
		}
	}
	return all
}

func TestHistoryComesInPiecesAndLeadsToTheStream(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 250)
		r := m.start(t, func(o *relay.Options) { o.RingRecords = 8 })
		time.Sleep(time.Second)
		first := r.history("?limit=100")
		mark := first[len(first)-1]
		if got, want := offsets(first), upTo(100); !slices.Equal(got, want) || mark.Kind != "bookmark" || !mark.More {
			t.Fatalf("the first piece has %d events and ends with %+v, want 100 and a bookmark", len(got), mark)
		}
		second := r.history("?last_event_id=" + mark.ID)
		mark = second[len(second)-1]
		if got, want := offsets(second), between(100, 250); !slices.Equal(got, want) || mark.More {
			t.Fatalf("the second piece has %d events and ends with %+v, want 150 and no more", len(got), mark)
		}
		m.publish(0, 50)
		b := r.open(mark.ID)
		time.Sleep(time.Second)
		if got, want := b.got(0), between(250, 300); !slices.Equal(got, want) || b.all()[0].Resume != "exact" {
			t.Errorf("the stream went on with %d events, want 50 exactly", len(got))
		}
		b.close()
	})
}

func TestHistoryTellsWhatRetentionTook(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		m.publish(0, 20)
		r := m.start(t, nil)
		time.Sleep(time.Second)
		lines := r.history("?limit=5")
		m.change(func() { m.logs[0] = log{start: 10, records: m.logs[0].records[10:]} })
		lines = r.history("?last_event_id=" + lines[5].ID)
		if got, want := lines[0], (line{Kind: "gap", From: 5, To: 10, Reason: "retention"}); got != want {
			t.Errorf("the history begins with %+v, want %+v", got, want)
		}
		if got, want := offsets(lines), between(10, 20); !slices.Equal(got, want) {
			t.Errorf("then come %v, want %v", got, want)
		}
		if got, want := offsets(r.history("")), between(10, 20); !slices.Equal(got, want) {
			t.Errorf("from the earliest on there are %v, want %v", got, want)
		}
	})
}

func TestHistoryIsFiltered(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publishAs("JobCreated", "t1", "job-1", 3)
		m.publishAs("JobDone", "t1", "job-1", 1)
		r := m.start(t, nil)
		time.Sleep(time.Second)
		if got, want := offsets(r.history("?type=JobDone")), []int64{3}; !slices.Equal(got, want) {
			t.Errorf("the history has %v, want %v", got, want)
		}
	})
}

// TestHistoryDoesNotWaitForOffsetsThatNobodyGets ends a log with an offset that no
// reader is given and nobody explains, as compaction does: it is told as a gap.
func TestHistoryDoesNotWaitForOffsetsThatNobodyGets(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 6)
		r := m.start(t, nil)
		time.Sleep(time.Second)
		m.change(func() { m.logs[0].records = m.logs[0].records[:5] })
		lines := r.history("")
		if got, want := offsets(lines), upTo(5); !slices.Equal(got, want) || lines[5].Reason != "unread" || lines[6].More {
			t.Errorf("the history has %v and ends with %+v, want %v, a gap and no more", got, lines[5:], want)
		}
	})
}

func TestHistoryRefusesLimitsThatAreNone(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		r := newMemory(1).start(t, nil)
		for _, limit := range []string{"0", "-1", "10001", "all"} {
			answer := r.request(http.MethodGet, "/crm-events/history?limit="+limit, nil)
			_ = answer.Body.Close()
			if got, want := answer.StatusCode, http.StatusBadRequest; got != want {
				t.Errorf("limit=%s answered %d, want %d", limit, got, want)
			}
		}
	})
}

func TestStreamFromTheEarliestBeginsWhereTheLogDoes(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 30)
		m.change(func() { m.logs[0] = log{start: 10, records: m.logs[0].records[10:]} })
		r := m.start(t, nil)
		time.Sleep(time.Second)
		b := r.openTo("/crm-events?last_event_id=earliest", "")
		time.Sleep(time.Second)
		if got, want := b.got(0), between(10, 30); !slices.Equal(got, want) || len(b.kinds("gap")) > 0 {
			t.Errorf("got %v and %d gaps, want %v and none", got, len(b.kinds("gap")), want)
		}
		b.close()
		if text := r.metric(`crm_events_resumes_total{result="exact"}`); !strings.HasPrefix(text, "1") {
			t.Errorf("%s exact resumes, want 1", text)
		}
	})
}
