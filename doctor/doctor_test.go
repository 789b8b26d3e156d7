package doctor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/doctor"
)

// cluster looks at what a test says there is.
func cluster(s *tidemark.Snapshot, err error, lacks ...doctor.Lack) doctor.Kafka {
	return doctor.Kafka{
		Bootstrap: "kafka:9092", Interval: 15 * time.Second,
		Look:  func(context.Context) (*tidemark.Snapshot, error) { return s, err },
		Lacks: func(context.Context) []doctor.Lack { return lacks },
	}
}

func well() *tidemark.Snapshot {
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &tidemark.Snapshot{
		Began: began, Ended: began.Add(40500 * time.Microsecond), Brokers: []tidemark.Broker{{ID: 0, Address: "kafka:9092", Up: true}},
		Topics: []tidemark.Topic{{Name: "orders"}}, Groups: []tidemark.Group{{Name: "billing"}, {Name: "audit"}},
	}
}

func TestAClusterInOrderIsWell(t *testing.T) {
	r := cluster(well(), nil).Check(t.Context())
	const want = `Kafka
  ✓ kafka:9092 answers: 1 broker, each at the address that it advertises
Permissions
  ✓ nothing is known to be hidden from us: 1 topic, 2 groups
Collector
  ✓ a look takes 41ms, every 15s
  ✓ everything was seen
`
	if got := r.Text(); got != want || !r.Well() {
		t.Errorf("the report is\n%s\nwell %t, want\n%s", got, r.Well(), want)
	}
}

func TestNothingIsInOrderOfAClusterThatDoesNotAnswer(t *testing.T) {
	r := cluster(nil, errors.New("dial tcp: refused\n  Is it running?")).Check(t.Context())
	const want = `Kafka
  × kafka:9092: dial tcp: refused
      Is it running?
Permissions
  – skipped: Kafka has to answer first
Collector
  – skipped: Kafka has to answer first

1 thing found
`
	if got := r.Text(); got != want || r.Well() {
		t.Errorf("the report is\n%s\nwell %t, want\n%s", got, r.Well(), want)
	}
}

func TestABrokerThatAdvertisesWhatDoesNotAnswerHereIsNamedWithTheCause(t *testing.T) {
	s := well()
	s.Brokers = append(s.Brokers, tidemark.Broker{ID: 1, Address: "inside:9092"})
	s.Gaps = []tidemark.Gap{{What: "groups of broker 1", Reason: tidemark.Unreachable, Err: errors.New("the name \"inside\" does not resolve here")}}
	got := cluster(s, nil).Check(t.Context()).Text()
	want := "  × broker 1 does not answer at inside:9092, the address that it advertises\n      the name \"inside\" does not resolve here\n"
	if !strings.Contains(got, want) {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}

func TestAMissingRightIsShownWithTheCommandThatGrantsIt(t *testing.T) {
	s := well()
	s.Gaps = []tidemark.Gap{{What: "group payments", Reason: tidemark.Denied}}
	got := cluster(s, nil, doctor.Lack{Shows: "its members and commits", Command: "kafka-acls.sh --add"}).Check(t.Context()).Text()
	if want := "  ! we are not shown its members and commits\n      kafka-acls.sh --add\n"; !strings.Contains(got, want) {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(got, "everything was seen") {
		t.Errorf("a look with a gap saw everything:\n%s", got)
	}
}

func TestALookThatTakesTooLongIsADoubt(t *testing.T) {
	s := well()
	s.Ended = s.Began.Add(9 * time.Second)
	if got, want := cluster(s, nil).Check(t.Context()).Text(), "  ! a look takes 9s, every 15s\n"; !strings.Contains(got, want) {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}
