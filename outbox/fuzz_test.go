package outbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

// fuzzed is a table with a relay that works until the end of the test.
type fuzzed struct {
	table   *outbox.Table
	records chan tidemark.Record
}

func newFuzzed(f *testing.F) fuzzed {
	f.Helper()
	table, err := outbox.Open(filepath.Join(folder(f), "outbox.db"))
	if err != nil {
		f.Fatal(err)
	}
	if err := table.Migrate(context.Background()); err != nil {
		f.Fatal(err)
	}
	z := fuzzed{table, make(chan tidemark.Record, 1000)}
	relay, err := outbox.New(outbox.Options{Table: table, Publish: func(_ context.Context, records ...tidemark.Record) error {
		for _, r := range records {
			z.records <- r
		}
		return nil
	}})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- relay.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Error(err)
		}
		_ = table.Close()
	})
	return z
}

// become waits until the one row is a record, or parked.
func (z fuzzed) become(t *testing.T) (published *tidemark.Record, parked *outbox.Parked) {
	t.Helper()
	if err := z.table.Wake(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	patience := time.After(time.Minute)
	for {
		select {
		case r := <-z.records:
			return &r, nil
		case <-look.C:
			list, err := z.table.Parked(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(list) > 0 {
				if err := z.table.Discard(t.Context(), list[0].ID); err != nil {
					t.Fatal(err)
				}
				return nil, &list[0]
			}
		case <-patience:
			t.Fatal("the row is neither published nor parked")
		}
	}
}

// FuzzWrittenEventIsPublishedAsItIs: what Write accepts arrives unchanged.
func FuzzWrittenEventIsPublishedAsItIs(f *testing.F) {
	f.Add("job-1", "JobCreated", "trace", "x", []byte(`{"a":1.0}`))
	f.Add("job\x001", "T", "h", "\xff", []byte{0xff})
	f.Add("\xff", "é", "", "\x00", []byte(nil))
	f.Add(" ", "'", `"`, `\`, []byte("\u2028"))
	f.Add("a", "b", "EVENT_ID", "x", []byte("x"))
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, aggregate, kind, name, value string, payload []byte) {
		e := outbox.Event{Tenant: tenant, Aggregate: aggregate, Type: kind, Topic: "events", Headers: map[string]string{name: value}, Payload: payload}
		if outbox.Write(t.Context(), z.table.DB(), e) != nil {
			return
		}
		r, parked := z.become(t)
		switch {
		case parked != nil:
			t.Errorf("%+v is parked: %s", e, parked.Reason)
		case string(r.Key) != aggregate, string(r.Value) != string(payload), headerOf(*r, "type") != kind, headerOf(*r, name) != value:
			t.Errorf("%+v was published as %+v", e, *r)
		}
	})
}

// FuzzRowOfAnyWriterIsPublishedOrParked: other languages write the row themselves.
func FuzzRowOfAnyWriterIsPublishedOrParked(f *testing.F) {
	f.Add("job-1", "JobCreated", `{"trace":"x"}`, []byte("x"), "2026-01-02T03:04:05Z")
	f.Add("job-1", "JobCreated", `{"trace":1}`, []byte("x"), "2026-01-02T03:04:05+02:00")
	f.Add("job-1", "JobCreated", `null`, []byte("x"), "2026-01-02T03:04:05Z")
	f.Add("job-1", "JobCreated", `{"event_id":"y"}`, []byte("x"), "2026-01-02T03:04:05Z")
	f.Add("job-1", "JobCreated", `{"a":{}}`, []byte("x"), "2026-01-02T03:04:05Z")
	f.Add("", "", ``, []byte(""), "")
	f.Add("a", "b", `{}`, []byte(""), "yesterday")
	f.Add("a", "b", `{"\ud800":"x"}`, []byte(""), "2026-01-02 03:04:05.5+00")
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, aggregate, kind, headers string, payload []byte, occurred string) {
		id := fmt.Sprintf("0190b5e4-0000-7000-8000-%012x", time.Now().UnixNano()&(1<<48-1))
		_, err := z.table.DB().ExecContext(t.Context(), `insert into outbox (event_id, tenant_id, aggregate, type, topic, headers, payload, occurred_at, shard)
			values ($1, $2, $3, $4, 'events', $5, $6, $7, 7)`, id, tenant, aggregate, kind, headers, payload, occurred)
		if err != nil {
			return
		}
		r, parked := z.become(t)
		switch {
		case r == nil && parked.Reason == "":
			t.Errorf("headers %q, time %q: parked without a reason", headers, occurred)
		case r != nil && names(*r, "event_id") != 1:
			t.Errorf("headers %q: the record is %+v, which may pass for another event", headers, *r)
		case r != nil && !plain(headers):
			t.Errorf("headers %q: published as %+v", headers, *r)
		}
	})
}

// names is how many headers of a record have a name.
func names(r tidemark.Record, name string) (n int) {
	for _, h := range r.Headers {
		if h.Key == name {
			n++
		}
	}
	return n
}

// plain says whether headers are an object of texts.
func plain(headers string) bool {
	var texts map[string]string
	return json.Unmarshal([]byte(headers), &texts) == nil && texts != nil
}
