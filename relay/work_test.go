package relay_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

func slowed(perSecond float64) func(*relay.Options) {
	return func(o *relay.Options) { o.WorkRate = perSecond }
}

// TestSixHundredEventsAt2Point7ASecondTake222Seconds is the drill of the
// reference deployment with one replica: 600/2.7.
func TestSixHundredEventsAt2Point7ASecondTake222Seconds(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		for p := range 3 {
			m.publish(p, 200)
		}
		r := m.start(t, slowed(2.7))
		if got, want := m.drained(t), 222*time.Second; got < want-time.Second || got > want+2*time.Second {
			t.Errorf("the backlog was gone after %v, want %v, and a second to commit", got, want)
		}
		if got, want := r.metric("crm_events_messages_total"), "600"; got != want {
			t.Errorf("%s messages, want %s", got, want)
		}
	})
}

func TestThreeMembersDrainThreeTimesFaster(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		for p := range 3 {
			m.publish(p, 200)
		}
		for range 3 {
			m.start(t, slowed(2.7))
		}
		if got, want := m.drained(t), 74*time.Second; got < want-time.Second || got > want+2*time.Second {
			t.Errorf("the backlog was gone after %v, want %v, and a second to commit", got, want)
		}
	})
}

// TestWhoLosesAPartitionStopsWorkingOnIt: a member that has a batch of minutes in
// hand when others join must not go on with what is theirs now, or all three
// would work through the same backlog.
func TestWhoLosesAPartitionStopsWorkingOnIt(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		for p := range 3 {
			m.publish(p, 200)
		}
		replicas := []*replica{m.start(t, slowed(2.7))}
		time.Sleep(20 * time.Second)
		replicas = append(replicas, m.start(t, slowed(2.7)), m.start(t, slowed(2.7)))
		m.drained(t)
		sum := 0
		for _, r := range replicas {
			sum += atoi(t, r.metric("crm_events_messages_total"))
		}
		if got, least, most := sum, 600, 606; got < least || got > most {
			t.Errorf("%d records were worked on, want 600 and at most two a replica again", got)
		}
	})
}

// TestPartitionThatComesBackIsWorkedFromWhereTheOtherHasCome: what a batch from
// before still holds of it is not worked again, and not committed.
func TestPartitionThatComesBackIsWorkedFromWhereTheOtherHasCome(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		m.publish(0, 20)
		m.publish(1, 100)
		r := m.start(t, slowed(2.7))
		time.Sleep(2 * time.Second) // at work on partition 0, with all of partition 1 in hand
		other := m.join()           // which gets partition 1
		time.Sleep(time.Second)
		if err := other.Commit(t.Context(), []tidemark.Position{{Topic: topic, Partition: 1, Next: 50}}); err != nil {
			t.Fatal(err)
		}
		m.leave(other)
		m.drained(t)
		committed := int64(0)
		for _, c := range m.commits {
			if c.Partition == 1 && c.Next < committed {
				t.Errorf("offset %d was committed after %d", c.Next, committed)
			} else if c.Partition == 1 {
				committed = c.Next
			}
		}
		if got, least, most := atoi(t, r.metric("crm_events_messages_total")), 70, 72; got < least || got > most {
			t.Errorf("%d records were worked on, want 20, the 50 that were left, and what was not committed yet", got)
		}
	})
}

// drained waits until the group has no lag and returns how long that took.
func (m *memory) drained(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for m.lag() > 0 {
		if time.Since(began) > time.Hour {
			t.Fatalf("after an hour the lag is %d", m.lag())
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(began)
}

func TestCommitIsNeverAheadOfTheWork(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 100)
		var worked atomic.Int64
		m.start(t, func(o *relay.Options) {
			o.Work = func(ctx context.Context, r tidemark.Record) error {
				time.Sleep(777 * time.Millisecond)
				worked.Store(r.Offset + 1)
				return nil
			}
		})
		for range 500 {
			time.Sleep(200 * time.Millisecond)
			m.mu.Lock()
			if committed, done := m.committed[0], worked.Load(); committed > done {
				t.Fatalf("offset %d is committed, but only %d worked", committed, done)
			}
			m.mu.Unlock()
		}
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d in the end, want %d", got, want)
		}
	})
}

// TestCommitWaitsForAHealthyClientAndNotForASleepingOne: a client that reads
// nothing holds commits for five seconds, then it counts as slow.
func TestCommitWaitsForAHealthyClientAndNotForASleepingOne(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, func(o *relay.Options) { o.WriteTimeout = time.Minute })
		asleep := r.connect("")
		synctest.Wait()
		m.publish(0, 1000)
		time.Sleep(4 * time.Second)
		if got, want := m.lag(), int64(1000); got != want {
			t.Errorf("lag is %d while a client still may read, want %d", got, want)
		}
		time.Sleep(3 * time.Second)
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d when only a sleeping client is behind, want %d", got, want)
		}
		_ = asleep.answer.Body.Close()
	})
}

func TestLagIsZeroWithNoBrowserConnected(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		m.start(t, nil)
		m.publish(0, 50)
		m.publish(2, 50)
		time.Sleep(2 * time.Second)
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d, want %d", got, want)
		}
	})
}

func TestWorkThatFailsIsDoneAgainAndNothingIsSkipped(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		var done []int64
		fails := 3
		r := m.start(t, func(o *relay.Options) {
			o.Work = func(_ context.Context, r tidemark.Record) error {
				if r.Offset == 1 && fails > 0 {
					fails--
					return errors.New("the database is away")
				}
				done = append(done, r.Offset)
				return nil
			}
		})
		m.publish(0, 3)
		time.Sleep(1500 * time.Millisecond)
		answer := r.request("GET", "/readyz", nil)
		if got, want := answer.StatusCode, 503; got != want {
			t.Errorf("/readyz answers %d while work fails, want %d", got, want)
		}
		_ = answer.Body.Close()
		if got, want := m.lag(), int64(2); got != want {
			t.Errorf("lag is %d while work fails, want %d", got, want)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(done) != 3 || done[1] != 1 || m.lag() != 0 {
			t.Errorf("worked on %v and lag is %d, want 0 1 2 and 0", done, m.lag())
		}
	})
}

func TestShutdownInterruptsTheWorkAndCommitsWhatIsDone(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 100)
		r := m.start(t, slowed(0.1))
		time.Sleep(25500 * time.Millisecond)
		began := time.Now()
		r.end()
		if got, most := time.Since(began), 100*time.Millisecond; got > most {
			t.Errorf("shutdown took %v, want at most %v", got, most)
		}
		if got, want := m.lag(), int64(97); got != want {
			t.Errorf("lag is %d, want %d: three were done in 25.5 s", got, want)
		}
	})
}

func TestPositionGivenBackIsNotCommittedOver(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		a := m.start(t, nil)
		m.publish(0, 10)
		time.Sleep(2 * time.Second)
		m.change(func() { m.committed[0] = 0; m.generation++ }) // somebody resets the group
		time.Sleep(2 * time.Second)
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d after the reset was worked off, want %d", got, want)
		}
		if got, want := a.metric("crm_events_messages_total"), "20"; got != want {
			t.Errorf("%s messages, want %s", got, want)
		}
	})
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("%q is no number", text)
	}
	return int(f)
}

// TestProgressOfAnotherReplicaIsNotTakenBack: the partitions come over from a
// replica that had committed them, while a browser here has not got as far.
func TestProgressOfAnotherReplicaIsNotTakenBack(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		first := m.start(t, nil)
		second := m.start(t, nil)
		sleepy := second.connect("") // and reads nothing
		synctest.Wait()
		m.publish(0, 100)
		time.Sleep(2 * time.Second)
		if got, want := m.lag(), int64(0); got != want {
			t.Errorf("lag is %d while the first replica works, want %d", got, want)
		}
		first.end()
		m.publish(0, 1)
		time.Sleep(2 * time.Second)
		m.change(func() {
			for i, at := range m.commits {
				if i > 0 && at.Next < m.commits[i-1].Next {
					t.Errorf("after %d, %d was committed", m.commits[i-1].Next, at.Next)
				}
			}
		})
		_ = sleepy.answer.Body.Close()
	})
}
