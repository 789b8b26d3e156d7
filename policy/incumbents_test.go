package policy_test

import (
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/policy"
)

var nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// behind is a sight of a group on so many partitions with that much lag on each.
func behind(at time.Duration, partitions, replicas int, lag int64) policy.Sight {
	s := policy.Sight{At: nine.Add(at), Limits: policy.Limits{Min: 1, Max: partitions}, Wanted: replicas, Ready: replicas}
	for i := range partitions {
		s.Rows = append(s.Rows, tidemark.Partition{Topic: "orders", ID: int32(i), LogEnd: lag})
	}
	return s
}

// follow asks a policy every 15 s for a while and does as it says.
func follow(p policy.Policy, d time.Duration, s policy.Sight) (replicas, changes int) {
	for until := s.At.Add(d); !s.At.After(until); s.At = s.At.Add(15 * time.Second) {
		n := p.Decide(s).Replicas
		if n != s.Wanted {
			changes++
		}
		s.Wanted, s.Ready = n, n
	}
	return s.Wanted, changes
}

// Source: reference-deployment.md, Autoscaling policy of the seed; capacity.md 1.2.
func TestSeedTakesFiftyMinutesFromTwoReplicasToTwelve(t *testing.T) {
	if got, _ := follow(&policy.Seed{}, 49*time.Minute, behind(0, 24, 2, 1000)); got >= 12 {
		t.Errorf("after 49 minutes: %d replicas, want under 12", got)
	}
	if got, want := first(follow(&policy.Seed{}, 51*time.Minute, behind(0, 24, 2, 1000))), 12; got != want {
		t.Errorf("after 51 minutes: %d replicas, want %d", got, want)
	}
}

func first(n, _ int) int { return n }

// Source: capacity.md 1.2: commits every 5 s leave some lag under any traffic.
func TestSeedNeverShrinksUnderTraffic(t *testing.T) {
	if got, want := first(follow(&policy.Seed{}, 24*time.Hour, behind(0, 3, 3, 5))), 3; got != want {
		t.Errorf("15 records in flight all day: %d replicas, want %d", got, want)
	}
	if got, want := first(follow(&policy.Seed{}, time.Hour, behind(0, 3, 3, 0))), 1; got != want {
		t.Errorf("no record for an hour: %d replicas, want %d", got, want)
	}
}

// Source: capacity.md 1.3, the 63-of-64 trap.
func TestKEDACannotTakeTheLastStepToAsManyReplicasAsPartitions(t *testing.T) {
	if got, want := first(follow(&policy.KEDA{}, time.Hour, behind(0, 64, 63, 1_000_000))), 63; got != want {
		t.Errorf("replicas = %d, want %d: 64/63 is within the tolerance of 10 %%", got, want)
	}
}

// Source: capacity.md 1.3, divisors only.
func TestKEDAWithEvenDistributionKnowsOnlyDivisors(t *testing.T) {
	if got, want := first(follow(&policy.KEDA{Threshold: 100, Even: true}, time.Hour, behind(0, 7, 1, 20))), 7; got != want {
		t.Errorf("140 records, 100 per replica, 7 partitions: %d replicas, want %d", got, want)
	}
}

// Source: capacity.md 1.3, a missing partition counts as no lag.
func TestKEDAShrinksWhenItDoesNotSee(t *testing.T) {
	s := behind(0, 8, 8, 1000)
	for i := range s.Rows {
		s.Rows[i].Reason = tidemark.Unreachable
	}
	if got, want := first(follow(&policy.KEDA{Threshold: 1000}, 10*time.Minute, s)), 1; got != want {
		t.Errorf("replicas = %d, want %d", got, want)
	}
}

func TestHPAAddsAtMostFourOrTwiceAndTakesAwayAfterFiveMinutes(t *testing.T) {
	s := behind(0, 100, 2, 0)
	s.Busy = 7
	if got, want := (&policy.HPA{}).Decide(s).Replicas, 6; got != want {
		t.Errorf("ten times too busy: %d replicas, want %d", got, want)
	}
	p := &policy.HPA{}
	s.Busy, s.Wanted, s.Ready = 0.7, 10, 10
	p.Decide(s)
	s.Busy = 0.13
	s.At = s.At.Add(4 * time.Minute)
	if got, want := p.Decide(s).Replicas, 10; got != want {
		t.Errorf("after 4 minutes: %d replicas, want %d", got, want)
	}
	s.At = s.At.Add(2 * time.Minute)
	if got, want := p.Decide(s).Replicas, 2; got != want {
		t.Errorf("after 6 minutes: %d replicas, want %d", got, want)
	}
}

// Source: capacity.md 1.1.
func TestFlinkGoesToADivisorThatAlsoCoversRestarts(t *testing.T) {
	s := behind(0, 24, 5, 0)
	s.Arrived, s.Consumed, s.Busiest = 6000, 5000, 1
	p := &policy.Flink{}
	p.Decide(s)
	p.Decide(s)
	if got, want := p.Decide(s).Replicas, 12; got != want {
		t.Errorf("6,000/s at 1,000/s per replica: %d, want %d", got, want)
	}
}

func TestDS2DividesArrivalsByTheTrueRate(t *testing.T) {
	s := behind(0, 24, 12, 0)
	s.Arrived, s.Consumed, s.Busy = 6000, 6000, 0.5
	if got, want := (&policy.DS2{}).Decide(s).Replicas, 8; got != want {
		t.Errorf("replicas = %d, want %d", got, want)
	}
}

func TestRateNeedsTheCapacityTypedIn(t *testing.T) {
	s := behind(0, 24, 5, 0)
	s.Arrived = 6100
	if got, want := (&policy.Rate{PerReplica: 1000}).Decide(s).Replicas, 9; got != want {
		t.Errorf("replicas = %d, want %d", got, want)
	}
}
