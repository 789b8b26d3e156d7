package capacity

import (
	"testing"
	"time"
	"unsafe"

	"github.com/aetherlink/tidemark"
)

func TestOnePartitionOfOneGroupIsRememberedIn96Bytes(t *testing.T) {
	if got, limit := unsafe.Sizeof(commits{}), uintptr(96); got > limit {
		t.Errorf("%d bytes per group-partition, the limit is %d", got, limit)
	}
}

func TestWhatIsGoneIsForgottenAfterTheLongWindow(t *testing.T) {
	m := New(Options{})
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	m.Observe(&tidemark.Snapshot{
		Began:  now,
		Groups: []tidemark.Group{{Name: "billing", At: now}},
		Topics: []tidemark.Topic{{Name: "orders"}},
	})
	m.Observe(&tidemark.Snapshot{Began: now.Add(time.Minute)})
	if got, want := len(m.groups)+len(m.topics), 2; got != want {
		t.Errorf("%d remembered after a minute, want %d: they may be back", got, want)
	}
	m.Observe(&tidemark.Snapshot{Began: now.Add(6 * time.Minute)})
	if got, want := len(m.groups)+len(m.topics), 0; got != want {
		t.Errorf("%d remembered after six minutes, want %d", got, want)
	}
}
