package relay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aetherlink/tidemark"
)

// How many events one answer of the history has, if not asked, and at most.
const (
	usualLimit = 1000
	maxLimit   = 10_000
)

// bookmark is the last line of a history: with its id, a stream or the next piece
// of history goes on. More says that the log had more when we began.
type bookmark struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	More bool   `json:"more"`
}

// serveHistory answers with what the log holds from a position up to now, one JSON
// text a line: events and gaps as in the stream, and at last a bookmark.
func (s *Service) serveHistory(w http.ResponseWriter, r *http.Request) {
	q, err := s.ask(r)
	limit, errLimit := askedLimit(r.URL.Query().Get("limit"))
	if err = cmp.Or(err, errLimit); err != nil {
		deny(w, err)
		return
	}
	q.from.earliest = !q.from.resumes
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	e, refused := s.locate(ctx, q.from)
	if refused != "" {
		s.refuse(w, r, refused)
		return
	}
	done, refused := s.reserve(ctx)
	if refused != "" {
		s.refuse(w, r, refused)
		return
	}
	defer done()
	if err := s.skipRetention(ctx, &e); err != nil {
		s.refuse(w, r, "kafka")
		return
	}
	end, err := s.end(ctx, q.filter.until)
	if err != nil {
		s.refuse(w, r, "kafka")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store, no-transform")
	if r.Method == http.MethodHead {
		return
	}
	if err := s.history(r.Context(), w, e, end, limit, q.filter); err != nil {
		s.metrics.disconnects.WithLabelValues(disconnectReason(err)).Inc()
		panic(http.ErrAbortHandler) // the client must not take what it has for all
	}
}

func askedLimit(text string) (int, error) {
	if text == "" {
		return usualLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, badRequest("limit %q is no number from 1 to %d", text, maxLimit)
	}
	return n, nil
}

// end is where a history ends: where the log does now, or did at a time. Records
// whose producers' clocks are wrong by more than the margin may be missing then.
func (s *Service) end(ctx context.Context, until int64) (vector, error) {
	now, _ := s.ring.tail()
	if until == 0 || s.o.Find == nil {
		return now.next, nil
	}
	then, err := s.find(ctx, time.UnixMilli(until).Add(clockMargin))
	for partition := range now.next {
		if id := int32(partition); then.at(id) < now.next.at(id) {
			now.next.set(id, then.at(id))
		}
	}
	return now.next, err
}

// history writes up to limit events from the log up to an end that stands: a
// reader that chases a log that grows never ends.
func (s *Service) history(ctx context.Context, w http.ResponseWriter, e entry, end vector, limit int, wanted filter) error {
	lines := json.NewEncoder(w)
	for _, g := range e.gaps {
		s.metrics.gaps.WithLabelValues(g.Reason).Inc()
		_ = lines.Encode(g) // the next write fails as well
	}
	reader, err := s.o.Source.ReadFrom(ctx, e.at.next.positions(s.o.Topic))
	if err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	defer reader.Close()
	rc := http.NewResponseController(w)
	for limit > 0 && !e.at.next.reaches(end) {
		records, err := nextOrNothing(ctx, reader)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			err = s.passUnread(ctx, e.at.next.missing(end), &e.at, func(g gap) { _ = lines.Encode(g) })
		} else {
			err = s.throttle(ctx, records)
		}
		if err != nil {
			return err
		}
		if err := rc.SetWriteDeadline(time.Now().Add(s.o.WriteTimeout)); err != nil {
			return err
		}
		if limit, err = s.writeHistory(w, records, &e.at, end, limit, wanted); err != nil {
			return err
		}
	}
	return lines.Encode(bookmark{"bookmark", e.at.String(), !e.at.next.reaches(end)})
}

// nextOrNothing reads, but waits no longer than the log may be quiet.
func nextOrNothing(ctx context.Context, reader Reader) ([]tidemark.Record, error) {
	soon, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	records, err := reader.Next(soon)
	if err == nil || errors.Is(soon.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return records, nil
	}
	return nil, fmt.Errorf("%w: %w", errSource, err)
}

// writeHistory writes the records that lie before the end, at most limit of them,
// and returns how many may follow.
func (s *Service) writeHistory(w io.Writer, records []tidemark.Record, at *cursor, end vector, limit int, wanted filter) (int, error) {
	var line []byte
	for i := range records {
		r := &records[i]
		if limit == 0 {
			break
		}
		if r.Offset < at.next.at(r.Partition) || r.Offset >= end.at(r.Partition) {
			continue
		}
		at.advance(r.Partition, r.Offset, r.Timestamp.UnixMilli())
		if !wanted.wants(&frame{offset: r.Offset, timestamp: r.Timestamp.UnixMilli(), about: s.o.aboutOf(r), control: r.Control}) {
			continue
		}
		line, _ = s.o.appendEvent(line[:0], r)
		if _, err := w.Write(append(line, '\n')); err != nil {
			return limit, err
		}
		limit--
	}
	return limit, nil
}

// reaches says whether all partitions are at or beyond those of the end.
func (v vector) reaches(end vector) bool { return len(v.missing(end)) == 0 }

// missing is what lies between, in the partitions that are not yet at the end.
func (v vector) missing(end vector) (pieces []missing) {
	for partition, to := range end {
		if from := v.at(int32(partition)); from < to {
			pieces = append(pieces, missing{int32(partition), from, to})
		}
	}
	return pieces
}
