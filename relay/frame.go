package relay

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/aetherlink/tidemark"
)

// frame is one event as it goes over the wire, encoded once and shared by all
// clients. It is never changed.
type frame struct {
	partition int32
	offset    int64 // -1: a frame about the log itself, for everybody
	timestamp int64 // of the record, ms
	appended  time.Time
	about     about
	control   bool // a transaction's marker: it moves positions, and nobody gets it
	id        int  // text[:id] is the line with the id, the rest does not depend on who reads
	text      []byte
}

// newFrame encodes a record. at is the cursor past it.
func (c Config) newFrame(r *tidemark.Record, at cursor) (f *frame, decodable bool) {
	f = &frame{partition: r.Partition, offset: r.Offset, timestamp: r.Timestamp.UnixMilli(), control: r.Control}
	b := make([]byte, 0, min(len(r.Value)+len(r.Key), c.MaxEventBytes)+len(r.Topic)+192)
	b = appendID(b, at)
	f.id = len(b)
	if r.Control {
		f.text = b
		return f, true
	}
	b = append(b, "data: "...)
	b, decodable = c.appendEvent(b, r)
	f.text, f.about = append(b, "\n\n"...), c.aboutOf(r)
	return f, decodable
}

// appendEvent writes a record, or if that is larger than an event may be, where it
// is and how large.
func (c Config) appendEvent(b []byte, r *tidemark.Record) (out []byte, decodable bool) {
	size := len(r.Key) + len(r.Value)
	if size <= c.MaxEventBytes {
		b, decodable = appendRecord(b, r)
		return append(b, '}'), decodable
	}
	reference := *r
	reference.Value = nil
	if len(r.Key) > c.MaxEventBytes {
		reference.Key = nil
	}
	b, _ = appendRecord(b, &reference)
	b = append(b, `,"oversized":true,"bytes":`...)
	b = strconv.AppendInt(b, int64(size), 10)
	return append(b, '}'), true
}

// appendRecord writes a record as JSON. A value that is JSON goes through byte by
// byte, so that no number is rounded and no key lost; only line breaks between
// its tokens, which would end the frame, are taken out. Anything else is legal
// content of a topic too and must not end the stream: it goes as base64.
//
// The last brace is left to the caller.
func appendRecord(b []byte, r *tidemark.Record) (out []byte, decodable bool) {
	b = append(b, `{"kind":"domain_event","topic":`...)
	b = appendString(b, r.Topic)
	b = append(b, `,"partition":`...)
	b = strconv.AppendInt(b, int64(r.Partition), 10)
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, r.Offset, 10)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendInt(b, r.Timestamp.UnixMilli(), 10)
	b = append(b, `,"key":`...)
	b = appendKey(b, r.Key)
	b = append(b, `,"value":`...)
	return appendValue(b, r.Value)
}

func appendKey(b, key []byte) []byte {
	switch {
	case key == nil:
		return append(b, "null"...)
	case utf8.Valid(key):
		return appendString(b, string(key))
	}
	b = appendBase64(b, key)
	return append(b, `,"key_base64":true`...)
}

func appendValue(b, value []byte) (out []byte, decodable bool) {
	switch {
	case value == nil:
		return append(b, "null"...), true
	case !json.Valid(value) || !utf8.Valid(value):
		b = append(b, `null,"raw":`...)
		b = appendBase64(b, value)
		return append(b, `,"undecodable":true`...), false
	case bytes.ContainsAny(value, "\r\n"):
		compact := bytes.NewBuffer(b)
		_ = json.Compact(compact, value) // cannot fail: value is valid
		return compact.Bytes(), true
	}
	return append(b, value...), true
}

func appendBase64(b, raw []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"')
}

// appendString writes a JSON string; s is valid UTF-8.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendID(b []byte, at cursor) []byte {
	b = append(b, "id: "...)
	b = at.append(b)
	return append(b, '\n')
}

// connected is the first frame: it primes the client with a cursor, so that one
// that drops before the first event loses nothing.
type connected struct {
	Kind   string `json:"kind"`
	Topic  string `json:"topic"`
	Group  string `json:"group"`
	Resume string `json:"resume"` // live, exact, approximate, gap
}

// gap says that the offsets From to To, without To, are not delivered to this
// client. If the log was recreated, From is where the client stood in the old log
// and To where it goes on in the new one.
type gap struct {
	Kind      string `json:"kind"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	Reason    string `json:"reason"`
}

// The reasons of a gap, in the words of the wire and of crm_events_gaps_total.
const (
	overflow  = "overflow"  // the client was too slow for the ring
	retention = "retention" // the log does not hold it any more
	recreated = "recreated" // the log is not the one that the cursor is about
	unread    = "unread"    // the log had nothing for them, and did not say why: compaction, as a rule
)

// notice is any other frame: overloaded, bye.
type notice struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason,omitempty"`
}

// appendControl writes a frame that is no record. It repeats the client's cursor:
// an id that stands for no position would make clients skip events.
func appendControl(b, id []byte, content any) []byte {
	if len(id) > 0 {
		b = append(b, "id: "...)
		b = append(b, id...)
		b = append(b, '\n')
	}
	text, _ := json.Marshal(content) // plain structs of strings and numbers
	b = append(b, "data: "...)
	b = append(b, text...)
	return append(b, "\n\n"...)
}

// epochOf names one life of a topic, the same on every replica. What comes after
// the topic's own id makes a new epoch of it.
func epochOf(parts ...any) string {
	hash := fnv.New32a()
	for _, part := range parts {
		text, _ := json.Marshal(part) // ids, names and numbers
		_, _ = hash.Write(text)
	}
	return strconv.FormatUint(uint64(hash.Sum32()), 36)
}
