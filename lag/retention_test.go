package lag_test

import (
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/lag"
)

// retained lets a log of 100 records/s be watched that is cut every hour to what
// came in the last so many hours, and returns its history and its latest look.
func retained(keeps, during time.Duration) (h *lag.History, at time.Time, start64, end int64) {
	h = lag.New(lag.Options{})
	produced := steady(100)
	for after := time.Duration(0); after <= during; after += tick {
		at, end = start.Add(after), produced(after)
		start64 = produced(max(0, after.Truncate(time.Hour)-keeps))
		s := look(at, end)
		s.Topics[0].Partitions[0].Start = start64
		h.Observe(s)
	}
	return h, at, start64, end
}

// Source: capacity.md 2.5, t_loss = retention − age of the oldest unread record.
func TestTimeUntilLossIsWhatTheLogKeepsLessWhatTheRecordHasWaited(t *testing.T) {
	h, at, first, end := retained(6*time.Hour, 10*time.Hour)
	p := reading(end-2*3600*100, end) // two hours behind
	p.LogStart = first
	got := h.Loss(p, at)
	if want := 4 * time.Hour; !got.Known || got.Never || (got.In-want).Abs() > time.Minute {
		t.Errorf("loss = %+v, want in %s", got, want)
	}
	p.Committed = end
	if got := h.Loss(p, at); !got.Known || !got.Never {
		t.Errorf("loss = %+v with nothing to read, want it out of sight", got)
	}
	p.Committed = first - 1
	if got, want := h.Loss(p, at), (tidemark.Ahead{Known: true}); got != want {
		t.Errorf("loss = %+v after it happened, want %+v", got, want)
	}
}

func TestTimeUntilLossIsNotKnownUntilALogWasCutOrItsRetentionTold(t *testing.T) {
	h, at, first, end := retained(20*time.Hour, 10*time.Hour)
	p := reading(end-2*3600*100, end)
	p.LogStart = first
	if got := h.Loss(p, at); got.Known {
		t.Errorf("loss = %+v, want it not known", got)
	}
	s := look(at.Add(tick), end)
	s.Topics[0].Retention = 24 * time.Hour
	h.Observe(s)
	if got, want := h.Loss(p, at), 22*time.Hour; !got.Known || (got.In-want).Abs() > time.Minute {
		t.Errorf("loss = %+v with a retention of 24 h, want in %s", got, want)
	}
	p.Committed = tidemark.Unseen
	if got := h.Loss(p, at); got.Known {
		t.Errorf("loss = %+v of a commit that was not seen, want it not known", got)
	}
}

// Kafka Streams deletes what it has read of its own topics.
func TestLogThatIsCutBehindItsReadersWarnsOfNothing(t *testing.T) {
	h := lag.New(lag.Options{})
	at, end := start, int64(0)
	for after := time.Duration(0); after <= time.Hour; after += tick {
		at, end = start.Add(after), steady(100)(after)
		s := look(at, end)
		s.Topics[0].Partitions[0].Start = max(0, end-3000)
		h.Observe(s)
	}
	p := reading(end-2000, end)
	p.LogStart = end - 3000
	if got := h.Loss(p, at); got.Known {
		t.Errorf("loss = %+v, want it not known", got)
	}
}

func TestTopicMadeAnewForgetsHowLongItKeptRecords(t *testing.T) {
	h, at, _, end := retained(2*time.Hour, 6*time.Hour)
	s := look(at.Add(tick), 10)
	h.Observe(s)
	s = look(at.Add(2*tick), end)
	h.Observe(s)
	if got := h.Loss(reading(100, end), at.Add(2*tick)); got.Known {
		t.Errorf("loss = %+v, want it not known", got)
	}
}
