package lag_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/lag"
)

const tick = 15 * time.Second

var start = time.Date(2026, 11, 16, 12, 0, 0, 0, time.UTC)

// producer says how many records a log has some time after the start.
type producer func(time.Duration) int64

func steady(perSecond float64) producer {
	return func(after time.Duration) int64 { return int64(after.Seconds() * perSecond) }
}

// look is a snapshot of the topic orders with one partition.
func look(at time.Time, end int64) *tidemark.Snapshot {
	return &tidemark.Snapshot{Ended: at, Topics: []tidemark.Topic{{
		Name: "orders", Partitions: []tidemark.Log{{End: end, At: at}},
	}}}
}

// watched returns a history that has looked once a tick, and what it saw last.
func watched(produced producer, during time.Duration) (h *lag.History, at time.Time, end int64) {
	h = lag.New(lag.Options{})
	for after := time.Duration(0); after <= during; after += tick {
		at, end = start.Add(after), produced(after)
		h.Observe(look(at, end))
	}
	return h, at, end
}

func reading(committed, end int64) tidemark.Partition {
	return tidemark.Partition{Group: "billing", Topic: "orders", Committed: committed, LogEnd: end}
}

func within(t *testing.T, got tidemark.TimeLag, want, tolerance time.Duration) {
	t.Helper()
	if !got.Known || (got.Value-want).Abs() > tolerance {
		t.Errorf("time lag = %s ± %s (known: %v), want %s ± %s", got.Value, got.Error, got.Known, want, tolerance)
	}
}

func unknown(t *testing.T, got tidemark.TimeLag) {
	t.Helper()
	if got.Known {
		t.Errorf("time lag = %s ± %s, want it not known", got.Value, got.Error)
	}
}

// The cases of lag.md section 4, items 1, 2 and 7.

func TestSteadyStateIsRightToHalfATick(t *testing.T) {
	h := lag.New(lag.Options{})
	for after := time.Duration(0); after <= 2*time.Hour; after += tick {
		at, end := start.Add(after), steady(100)(after)
		h.Observe(look(at, end))
		// Behind by 100 s: the record that it reads next came 100 s ago.
		if after < 5*time.Minute {
			continue
		}
		got := h.TimeLag(reading(end-10_000, end), at)
		within(t, got, 100*time.Second, tick/2)
		if got.Error > tick/2 {
			t.Fatalf("after %s: error = %s, want at most %s", after, got.Error, tick/2)
		}
	}
}

func TestFrozenConsumerFallsBehindAsTheClockGoes(t *testing.T) {
	for _, hours := range []int{1, 12, 72, 168} {
		frozenAt := 10 * time.Minute
		age := time.Duration(hours) * time.Hour
		h, at, end := watched(steady(100), frozenAt+age)
		got := h.TimeLag(reading(steady(100)(frozenAt), end), at)
		within(t, got, age, tick+age/100)
		if got.Error > tick+age/100 {
			t.Errorf("after %s: error = %s, want at most %s", age, got.Error, tick+age/100)
		}
	}
}

func TestSilentProducerLetsTheBacklogAgeOn(t *testing.T) {
	// The last record came in the tenth minute. Lag over arrival rate has no answer here.
	stops := func(after time.Duration) int64 { return steady(10)(min(after, 10*time.Minute)) }
	h, at, end := watched(stops, 48*time.Hour)
	within(t, h.TimeLag(reading(end-3000, end), at), 48*time.Hour-5*time.Minute, tick/2)
	within(t, h.TimeLag(reading(end-1, end), at), 48*time.Hour-10*time.Minute, tick/2)
}

func TestNothingToReadIsZeroHoweverLongAgoItWas(t *testing.T) {
	stops := func(after time.Duration) int64 { return steady(10)(min(after, 10*time.Minute)) }
	h, at, end := watched(stops, 48*time.Hour)
	got, want := h.TimeLag(reading(end, end), at), tidemark.TimeLag{Known: true}
	if got != want {
		t.Errorf("time lag = %+v, want %+v", got, want)
	}
}

func TestBurstAfterSilenceIsAsOldAsTheBurst(t *testing.T) {
	// A line over the whole time, as some tools draw, would date the burst hours back.
	burst := func(after time.Duration) int64 {
		if after < 6*time.Hour {
			return 500
		}
		return 10_500
	}
	h, at, end := watched(burst, 7*time.Hour)
	for _, offset := range []int64{500, 501, 5000, 10_499} {
		within(t, h.TimeLag(reading(offset, end), at), time.Hour+tick/2, tick/2)
	}
}

func TestRecordFromBeforeTheFirstLookIsNotKnown(t *testing.T) {
	h := lag.New(lag.Options{})
	h.Observe(look(start, 1000))
	h.Observe(look(start.Add(tick), 1100))
	unknown(t, h.TimeLag(reading(999, 1100), start.Add(tick)))
	within(t, h.TimeLag(reading(1000, 1100), start.Add(tick)), tick, tick/2)
}

func TestCommitBelowTheLogStartCountsFromTheLogStart(t *testing.T) {
	h, at, end := watched(steady(100), time.Hour)
	p := reading(0, end)
	p.LogStart = end - 60_000 // what came in the last 10 minutes
	within(t, h.TimeLag(p, at), 10*time.Minute, tick/2)
}

func TestRecordsFinishedOutOfOrderDoNotMakeTheOldestYounger(t *testing.T) {
	h, at, end := watched(steady(100), time.Hour)
	p := reading(end-10_000, end)
	p.Finished = 9_000
	within(t, h.TimeLag(p, at), 100*time.Second, tick/2)
}

func TestLagThatIsNotKnownHasNoTime(t *testing.T) {
	h, at, end := watched(steady(100), time.Hour)
	beyond, denied, uncommitted := reading(end+1, end), reading(0, end), reading(tidemark.Uncommitted, end)
	denied.Reason = tidemark.Denied
	for _, p := range []tidemark.Partition{beyond, denied, uncommitted} {
		unknown(t, h.TimeLag(p, at))
	}
	elsewhere := reading(0, end)
	elsewhere.ID = 7
	unknown(t, h.TimeLag(elsewhere, at))
	elsewhere.Topic = "payments"
	unknown(t, h.TimeLag(elsewhere, at))
}

func TestTopicMadeAnewBeginsANewHistory(t *testing.T) {
	for name, renew := range map[string]func(*tidemark.Topic){
		"another id":        func(t *tidemark.Topic) { t.ID[0]++ },
		"an end that falls": func(t *tidemark.Topic) { t.Partitions[0].End = 20 },
		"an epoch before":   func(t *tidemark.Topic) { t.Partitions[0].LeaderEpoch = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			h := lag.New(lag.Options{})
			s := look(start, 1000)
			s.Topics[0].Partitions[0].LeaderEpoch = 4
			h.Observe(s)
			s = look(start.Add(tick), 1500)
			s.Topics[0].Partitions[0].LeaderEpoch = 4
			h.Observe(s)
			later := start.Add(2 * tick)
			s = look(later, 1500)
			s.Topics[0].Partitions[0].LeaderEpoch = 4
			renew(&s.Topics[0])
			h.Observe(s)
			end := s.Topics[0].Partitions[0].End
			unknown(t, h.TimeLag(reading(end-10, end), later))
			h.Observe(&tidemark.Snapshot{Ended: later.Add(tick), Topics: []tidemark.Topic{{
				Name: "orders", ID: s.Topics[0].ID, Partitions: []tidemark.Log{{End: end + 100, LeaderEpoch: 4, At: later.Add(tick)}},
			}}})
			within(t, h.TimeLag(reading(end+50, end+100), later.Add(tick)), tick/2, tick/2)
		})
	}
}

func TestLooksThatFailedMakeTheErrorLargerAndSaySo(t *testing.T) {
	h, at, end := watched(steady(100), time.Hour)
	s := look(at.Add(10*time.Minute), end)
	s.Topics[0].Partitions[0].Reason = tidemark.Unreachable // the end is the last known one
	h.Observe(s)
	back := at.Add(20 * time.Minute)
	h.Observe(look(back, end+120_000))
	got := h.TimeLag(reading(end+60_000, end+120_000), back)
	within(t, got, 10*time.Minute, time.Second)
	if want := 10 * time.Minute; got.Error != want {
		t.Errorf("error = %s, want %s", got.Error, want)
	}
}

func TestTimeLagIsNeverNegative(t *testing.T) {
	h, at, end := watched(steady(100), time.Hour)
	got := h.TimeLag(reading(end-1, end), at.Add(-time.Minute)) // the clock was set back
	if got.Value < 0 || got.Error < 0 {
		t.Errorf("time lag = %s ± %s", got.Value, got.Error)
	}
}

// wild is a producer with nights, jitter, bursts and pauses: 7 days of looks.
func wild() (ends []int64) {
	chance := rand.New(rand.NewPCG(1, 2))
	end := int64(0)
	for i := range int64(7 * 24 * time.Hour / tick) {
		day := 1 + math.Sin(2*math.Pi*float64(i)*tick.Hours()/24)
		switch chance.IntN(200) {
		case 0:
			end += chance.Int64N(1_000_000)
		case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		default:
			end += int64(1000 * day * chance.Float64())
		}
		ends = append(ends, end)
	}
	return ends
}

func TestErrorHoldsForEveryRecordOfAWildWeek(t *testing.T) {
	ends := wild()
	h := lag.New(lag.Options{})
	for i, end := range ends {
		h.Observe(look(start.Add(time.Duration(i)*tick), end))
	}
	now, end := start.Add(time.Duration(len(ends)-1)*tick), ends[len(ends)-1]
	worst := 0.0
	for i := 1; i < len(ends); i++ {
		if ends[i] == ends[i-1] {
			continue
		}
		// The record came in the tick before look i: its age is known to half a tick.
		age := now.Sub(start.Add(time.Duration(i)*tick)) + tick/2
		got := h.TimeLag(reading((ends[i-1]+ends[i])/2, end), now)
		if !got.Known || (got.Value-age).Abs() > 2*got.Error+tick/2 {
			t.Fatalf("record of %s ago: %s ± %s (known: %v)", age, got.Value, got.Error, got.Known)
		}
		if age > time.Hour {
			worst = max(worst, got.Error.Seconds()/age.Seconds())
		}
	}
	t.Logf("largest error of records older than an hour: %.1f%% of their age", 100*worst)
	if worst > 0.25 {
		t.Errorf("largest error is %.0f%% of the age, want at most 25%%", 100*worst)
	}
}

func TestWeekOfAPartitionTakesThreeKilobytes(t *testing.T) {
	const partitions = 100
	ends := wild()
	before := heap()
	h := lag.New(lag.Options{})
	for i := 0; i < len(ends); i += 8 { // every two minutes: a line is full after some hours
		h.Observe(wide(start.Add(time.Duration(i)*tick), ends[i], partitions))
	}
	each := (heap() - before) / partitions
	runtime.KeepAlive(ends)
	runtime.KeepAlive(h)
	t.Logf("%d bytes a partition", each)
	if each > 3<<10+256 { // the looks, and what leads to them
		t.Errorf("%d bytes a partition, want 3 KB", each)
	}
}

func TestTopicGoneForTheWholeWindowIsForgotten(t *testing.T) {
	h := lag.New(lag.Options{Window: time.Hour})
	h.Observe(look(start, 1000))
	h.Observe(look(start.Add(tick), 1100))
	h.Observe(&tidemark.Snapshot{Ended: start.Add(30 * time.Minute)})
	within(t, h.TimeLag(reading(1050, 1100), start.Add(30*time.Minute)), 30*time.Minute, tick)
	h.Observe(&tidemark.Snapshot{Ended: start.Add(2 * time.Hour)})
	unknown(t, h.TimeLag(reading(1050, 1100), start.Add(2*time.Hour)))
}

// wide is a look at many partitions that end alike.
func wide(at time.Time, end int64, partitions int32) *tidemark.Snapshot {
	s := look(at, end)
	logs := make([]tidemark.Log, partitions)
	for id := range partitions {
		logs[id] = tidemark.Log{ID: id, End: end + int64(id), At: at}
	}
	s.Topics[0].Partitions = logs
	return s
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkObserve is one look at 10,000 partitions of 100 topics, within a wild week.
func BenchmarkObserve(b *testing.B) {
	ends, h, i := wild(), lag.New(lag.Options{}), 0
	s := &tidemark.Snapshot{}
	for topic := range 100 {
		t := wide(start, 0, 100).Topics[0]
		t.Name = fmt.Sprintf("topic-%02d", topic)
		s.Topics = append(s.Topics, t)
	}
	for b.Loop() {
		s.Ended = start.Add(time.Duration(i) * tick)
		for t := range s.Topics {
			for p := range s.Topics[t].Partitions {
				l := &s.Topics[t].Partitions[p]
				l.End, l.At = ends[i%len(ends)]+int64(i/len(ends))*ends[len(ends)-1], s.Ended
			}
		}
		h.Observe(s)
		i++
	}
}
