package relay

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// asks is what a request wants, and who asks.
type asks struct {
	visitor Visitor
	from    asked
	filter  filter
}

// asked is where a client wants to begin.
type asked struct {
	at       cursor // without an epoch: of the log that is there
	resumes  bool   // at its cursor
	earliest bool   // where the log begins
	since    int64  // at this time, ms; 0: not asked
}

// ask reads a request. The rights of who comes back are looked at anew: an id
// gives none.
func (s *Service) ask(r *http.Request) (asks, error) {
	var q asks
	var err error
	if s.o.Admit != nil {
		if q.visitor, err = s.o.Admit(r); err != nil {
			return q, refusal{http.StatusUnauthorized, err.Error()}
		}
	}
	if q.filter, err = s.o.askedFilter(r.URL.Query(), q.visitor); err != nil {
		return q, err
	}
	q.from, err = s.askedPosition(r)
	q.from.since = q.filter.since
	return q, err
}

// askedPosition reads where a client wants to begin. The header comes first: a
// browser that reconnects sends the latest id there, while the address still has
// the one of its first connection.
func (s *Service) askedPosition(r *http.Request) (asked, error) {
	query := r.URL.Query()
	text := cmp.Or(r.Header.Get("Last-Event-ID"), query.Get("last_event_id"), query.Get("lastEventId"))
	switch {
	case text == "", text == "latest":
		return asked{}, nil
	case text == "earliest":
		return asked{earliest: true}, nil
	case strings.HasPrefix(text, "["):
		at, err := s.parseAssignments(text)
		return asked{at: at, resumes: true}, err
	}
	at, err := parseCursor(text)
	if err != nil {
		return asked{}, badRequest("%v", err)
	}
	return asked{at: at, resumes: true}, nil
}

// parseAssignments reads KafkaSSE's ids, so that its clients can move over: an
// array of the next offset of each partition.
func (s *Service) parseAssignments(text string) (cursor, error) {
	var list []struct {
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    *int64 `json:"offset"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 {
		return cursor{}, badRequest("the id is no list of topic, partition and offset")
	}
	var c cursor
	for _, a := range list {
		if a.Topic != s.o.Topic || a.Partition < 0 || a.Partition >= maxPartitions || a.Offset == nil || *a.Offset < 0 {
			return cursor{}, badRequest("the id names something else than partitions and offsets of topic %s", s.o.Topic)
		}
		c.next.set(a.Partition, *a.Offset)
	}
	return c, nil
}

// refusal is an answer that says no, and what would help.
type refusal struct {
	status int
	text   string
}

func (r refusal) Error() string { return r.text }

func badRequest(format string, args ...any) error {
	return refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// deny answers a request that was not granted. It ends an EventSource for good,
// as it should: it would ask the same again.
func deny(w http.ResponseWriter, err error) {
	no := refusal{http.StatusInternalServerError, err.Error()}
	errors.As(err, &no)
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	http.Error(w, no.text, no.status)
}
