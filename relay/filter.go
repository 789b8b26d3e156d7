package relay

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
)

// checkpointEvery is how many records a filter may pass over before the client is
// told its position: so many it reads again, at most, when it comes back.
const checkpointEvery = 100

// maxWanted is how many values a filter may compare with: each costs every record
// some nanoseconds.
const maxWanted = 100

// filter is what a client wants to see. The zero value is everything.
type filter struct {
	types, keys, tenants []string         // empty: any
	headers              map[int][]string // by the header's place in the configuration
	since, until         int64            // of the record's time in ms, without until; 0: any
	typed                bool             // events are named by their type
}

// askedFilter reads the query: type, key, tenant and header, each any number of
// times, since, until, and typed=1. A visitor who may see certain tenants only
// gets these and no others, whatever the query says.
func (c Config) askedFilter(query url.Values, who Visitor) (filter, error) {
	f := filter{types: query["type"], keys: query["key"], tenants: query["tenant"], typed: query.Get("typed") == "1"}
	if len(f.types)+len(f.keys)+len(f.tenants)+len(query["header"]) > maxWanted {
		return f, badRequest("a filter compares with at most %d values", maxWanted)
	}
	for _, asked := range query["header"] {
		name, value, _ := strings.Cut(asked, ":")
		place := slices.Index(c.FilterHeaders, name)
		if place < 0 {
			return f, badRequest("header %q cannot be filtered by; these can: %q", name, c.FilterHeaders)
		}
		if f.headers == nil {
			f.headers = map[int][]string{}
		}
		f.headers[place] = append(f.headers[place], value)
	}
	since, errSince := askedTime(query, "since")
	until, errUntil := askedTime(query, "until")
	if errSince != nil || errUntil != nil {
		return f, badRequest("since and until are milliseconds since 1970, or as 2026-01-31T12:00:00Z")
	}
	f.since, f.until = since, until
	return f, f.confine(who)
}

// confine keeps a filter within what the visitor may see.
func (c *filter) confine(who Visitor) error {
	if who.Tenants == nil {
		return nil
	}
	for _, tenant := range c.tenants {
		if !slices.Contains(who.Tenants, tenant) {
			return refusal{http.StatusForbidden, fmt.Sprintf("tenant %q is not among yours", tenant)}
		}
	}
	if len(c.tenants) == 0 {
		c.tenants = who.Tenants
	}
	if len(c.tenants) == 0 {
		return refusal{http.StatusForbidden, "you may see no tenant's events"}
	}
	return nil
}

// askedTime reads a time of the query as ms; 0: there is none.
func askedTime(query url.Values, name string) (int64, error) {
	text := query.Get(name)
	if text == "" {
		return 0, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		return ms, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err == nil && at.UnixMilli() <= 0 {
		err = strconv.ErrRange
	}
	return at.UnixMilli(), err
}

// wants says whether a frame is for the client. What is no record is for everybody.
func (c *filter) wants(f *frame) bool {
	switch {
	case f.control:
		return false
	case f.offset < 0:
		return true
	case f.timestamp < c.since, c.until > 0 && f.timestamp >= c.until:
		return false
	}
	return isAmong(c.types, f.about.kind) && isAmong(c.keys, f.about.key) && isAmong(c.tenants, f.about.tenant) && c.wantsHeaders(f)
}

func (c *filter) wantsHeaders(f *frame) bool {
	for place, wanted := range c.headers {
		if !slices.Contains(wanted, f.about.headers[place]) {
			return false
		}
	}
	return true
}

func isAmong(wanted []string, is string) bool { return len(wanted) == 0 || slices.Contains(wanted, is) }

// about is what filters look at: the key and headers. The value is not looked into.
type about struct {
	kind, key, tenant string
	headers           []string // values of those that may be filtered by, in their order
}

func (c Config) aboutOf(r *tidemark.Record) about {
	a := about{key: string(r.Key)}
	if len(c.FilterHeaders) > 0 {
		a.headers = make([]string, len(c.FilterHeaders))
	}
	for _, h := range r.Headers {
		switch h.Key {
		case "type":
			a.kind = string(h.Value)
		case "tenant_id":
			a.tenant = string(h.Value)
		}
		if place := slices.Index(c.FilterHeaders, h.Key); place >= 0 {
			a.headers[place] = string(h.Value)
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
