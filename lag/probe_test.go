package lag_test

import (
	"math"
	"sort"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/lag"
)

// broker is a log of one partition that was written long before anybody looked.
type broker struct {
	came []time.Duration                        // when each record came, in order, from start on
	says func(came time.Duration) time.Duration // what it says of its own time; nil: the truth
}

// written is a log of a producer from some time ago until some time after the start.
func written(produced producer, ago, until time.Duration) *broker {
	var b broker
	for after := time.Duration(0); after < ago+until; after += time.Second {
		n := produced(after+time.Second) - produced(after)
		for i := range n {
			b.came = append(b.came, after-ago+time.Duration(i)*time.Second/time.Duration(n))
		}
	}
	return &b
}

func (b *broker) end(at time.Duration) int64 {
	return int64(sort.Search(len(b.came), func(i int) bool { return b.came[i] >= at }))
}

func (b *broker) told(i int) time.Duration {
	if b.says == nil {
		return b.came[i]
	}
	return b.says(b.came[i])
}

// answer does what a leader does: the first record with that time or a later one.
func (b *broker) answer(p lag.Probe, at time.Duration) lag.Anchor {
	when := func(i int) time.Time { return start.Add(b.told(i)).Truncate(time.Millisecond) }
	n := int(b.end(at))
	i := sort.Search(n, func(i int) bool { return !when(i).Before(p.Since) })
	if i == n {
		return lag.Anchor{Probe: p, Offset: -1}
	}
	return lag.Anchor{Probe: p, Offset: int64(i), At: when(i)}
}

// looks is a history that looks at a broker and probes.
type looks struct {
	*broker
	history *lag.History
	after   time.Duration
	probes  int
}

func cold(b *broker) *looks { return &looks{broker: b, history: lag.New(lag.Options{})} }

// see looks once, for groups at the given commits, and returns their time lags.
func (l *looks) see(commits ...int64) []tidemark.TimeLag {
	end := l.end(l.after)
	at := start.Add(l.after)
	s := look(at, end)
	for _, c := range commits {
		s.Partitions = append(s.Partitions, reading(c, end))
	}
	l.history.Observe(s)
	var anchors []lag.Anchor
	for _, p := range l.history.Wants(s) {
		l.probes++
		anchors = append(anchors, l.answer(p, l.after))
	}
	l.history.Learn(anchors)
	var lags []tidemark.TimeLag
	for _, p := range s.Partitions {
		lags = append(lags, l.history.TimeLag(p, at))
	}
	l.after += tick
	return lags
}

const day = 24 * time.Hour

// pasts are the ways in which a log may have been written in a week.
func pasts() map[string]producer {
	return map[string]producer{
		"steady": steady(2),
		"with nights": func(after time.Duration) int64 {
			days := after.Hours() / 24
			return int64(100_000 * (days - 0.9*math.Sin(2*math.Pi*days)/(2*math.Pi)))
		},
		"a burst three days ago, then little": func(after time.Duration) int64 {
			return steady(0.05)(after) + steady(500)(min(max(0, after-4*day), 5*time.Minute))
		},
		"little, and a burst an hour ago": func(after time.Duration) int64 {
			return steady(0.05)(after) + steady(500)(max(0, min(after-7*day+time.Hour, 5*time.Minute)))
		},
		"hourly batches": func(after time.Duration) int64 {
			return steady(100)(after.Truncate(time.Hour)/30 + min(after-after.Truncate(time.Hour), 2*time.Minute))
		},
	}
}

// The cases of lag.md section 4, items 3 and 4.

func TestOldBacklogIsDatedWithinThreeLooksOfAColdStart(t *testing.T) {
	b := written(steady(2), 7*day, 10*time.Minute)
	for _, age := range []time.Duration{2 * time.Minute, 10 * time.Minute, time.Hour, 10 * time.Hour, 2 * day, 6 * day} {
		l, commit := cold(b), b.end(-age)
		l.see(commit)
		l.see(commit)
		truth := 2*tick - b.came[commit]
		within(t, l.see(commit)[0], truth, truth/10)
	}
}

func TestEveryPastIsDatedInTheEndAndTheErrorIsHonestAllTheWay(t *testing.T) {
	for name, produced := range pasts() {
		b := written(produced, 7*day, 10*time.Minute)
		for _, age := range []time.Duration{2 * time.Minute, time.Hour, 10 * time.Hour, 2 * day, 6 * day} {
			t.Run(name+" "+age.String(), func(t *testing.T) {
				l, commit := cold(b), b.end(-age)
				var got tidemark.TimeLag
				for range 16 {
					truth := l.after - b.came[commit]
					got = l.see(commit)[0]
					if off := (got.Value - truth).Abs(); commit < l.end(0) && (!got.Known || off > 2*got.Error+time.Millisecond) {
						t.Fatalf("after %s: %s ± %s (known: %v), want %s", l.after, got.Value, got.Error, got.Known, truth)
					}
				}
				if got.Error > max(tick/2, got.Value/40) {
					t.Errorf("error of %s is %s after 16 looks", got.Value, got.Error)
				}
			})
		}
	}
}

func TestBacklogWhoseProducerIsSilentIsDatedToo(t *testing.T) {
	b := written(func(after time.Duration) int64 { return steady(2)(min(after, day)) }, 3*day, time.Hour)
	l, commit := cold(b), int64(1000)
	l.see(commit)
	l.see(commit)
	within(t, l.see(commit)[0], 3*day-500*time.Second, 10*time.Minute)
}

func TestGroupThatDrainsAnOldBacklogStaysDated(t *testing.T) {
	b := written(pasts()["with nights"], 7*day, 2*time.Hour)
	l, commit, worst := cold(b), b.end(-2*day), 0.0
	for range 400 {
		truth := l.after - b.came[commit]
		got := l.see(commit)[0]
		if l.after > 2*time.Minute {
			worst = max(worst, math.Abs(got.Value.Seconds()/truth.Seconds()-1))
		}
		commit += 400
	}
	t.Logf("%d probes in 400 looks, largest error %.1f%%", l.probes, 100*worst)
	if worst > 0.05 || l.probes > 150 {
		t.Errorf("%d probes, largest error %.1f%%; want at most 150 and 5%%", l.probes, 100*worst)
	}
}

func TestEachPartitionIsAskedOncePerLookAndOnlyForOldRecords(t *testing.T) {
	b := written(steady(2), day, 10*time.Minute)
	l := cold(b)
	old := b.end(-time.Hour)
	l.see(old, old/2, old/3)
	if got, want := l.probes, 1; got != want {
		t.Errorf("%d probes for one partition, want %d", got, want)
	}
	l = cold(b)
	for range 20 {
		l.see(b.end(l.after), b.end(l.after-time.Second), b.end(0))
	}
	if l.probes > 4 { // the second group is behind in the first look
		t.Errorf("%d probes for groups that keep up, want at most 4", l.probes)
	}
}

func TestTopicWhoseRecordsTellOfOtherTimesIsNotBelieved(t *testing.T) {
	for name, says := range map[string]func(time.Duration) time.Duration{
		"events of last year":    func(came time.Duration) time.Duration { return came - 365*day },
		"a clock that is behind": func(came time.Duration) time.Duration { return came - 3*time.Minute },
		"a clock that is ahead":  func(came time.Duration) time.Duration { return came + 3*time.Minute },
		"dates in the future":    func(came time.Duration) time.Duration { return came + 365*day },
	} {
		t.Run(name, func(t *testing.T) {
			b := written(steady(2), day, 10*time.Minute)
			b.says = says
			l, commit := cold(b), b.end(-time.Hour)
			for range 16 {
				l.see(commit)
			}
			asked := l.probes
			unknown(t, l.see(commit)[0])
			if l.probes > asked {
				t.Error("it is still asked")
			}
			if !l.history.EventTime("orders") {
				t.Error("the topic is not said to have times of its own")
			}
			within(t, l.see(b.end(l.after - 2*time.Minute))[0], 2*time.Minute, tick/2)
		})
	}
}

func TestClockThatIsALittleOffMakesTheErrorLargerByThat(t *testing.T) {
	const behind = 40 * time.Second
	b := written(steady(2), day, 10*time.Minute)
	b.says = func(came time.Duration) time.Duration { return came - behind }
	l, commit := cold(b), b.end(-5*time.Minute)
	for range 20 {
		l.see(commit)
	}
	truth := l.after - b.came[commit]
	got := l.see(commit)[0]
	within(t, got, truth, got.Error+tick)
	if got.Error < behind-tick || got.Error > behind+tick {
		t.Errorf("error = %s, want about %s", got.Error, behind)
	}
}

func TestLogThatIsCutForgetsWhatProbesTold(t *testing.T) {
	b := written(steady(2), day, time.Hour)
	l, commit := cold(b), b.end(-time.Hour)
	l.see(commit)
	l.came = l.came[:commit+100]
	l.see(commit)
	l.came = nil
	l.see(0)
	got := l.see(0)[0]
	if got != (tidemark.TimeLag{Known: true}) {
		t.Errorf("time lag of an empty log = %+v, want 0", got)
	}
}
