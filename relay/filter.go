package relay

import (
	"net/url"
	"slices"
	"strings"

	"github.com/aetherlink/tidemark"
)

// checkpointEvery is how many records a filter may pass over before the client is
// told its position: so many it reads again, at most, when it comes back.
const checkpointEvery = 100

// filter is what a client wants to see. The zero value is everything.
type filter struct {
	types, keys, tenants []string // empty: any
	typed                bool     // events are named by their type
}

// askedFilter reads the query: type, key and tenant, each any number of times, and
// typed=1.
func askedFilter(query url.Values) filter {
	return filter{types: query["type"], keys: query["key"], tenants: query["tenant"], typed: query.Get("typed") == "1"}
}

// wants says whether a frame is for the client. What is no record is for everybody.
func (c filter) wants(f *frame) bool {
	return f.offset < 0 || isAmong(c.types, f.about.kind) && isAmong(c.keys, f.about.key) && isAmong(c.tenants, f.about.tenant)
}

func isAmong(wanted []string, is string) bool { return len(wanted) == 0 || slices.Contains(wanted, is) }

// about is what filters look at: the key and two headers, which the outbox writes.
// The value is not looked into.
type about struct{ kind, key, tenant string }

func aboutOf(r *tidemark.Record) about {
	a := about{key: string(r.Key)}
	for _, h := range r.Headers {
		switch h.Key {
		case "type":
			a.kind = string(h.Value)
		case "tenant_id":
			a.tenant = string(h.Value)
		}
	}
	return a
}

// event is the line that names the event, for clients that want it. A type that
// would break the line, or pass for a frame of ours, names nothing.
func (a about) event() string {
	if a.kind == "" || a.kind == checkpoint || strings.ContainsAny(a.kind, "\r\n\x00") {
		return ""
	}
	return "event: " + a.kind + "\n"
}

// checkpoint is the name of the event that tells a client its position and nothing
// else. A frame without data would do for browsers, but not for all clients.
const checkpoint = "checkpoint"
