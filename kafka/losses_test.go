package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestRecordsDeletedUnreadAreCountedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 20)
		w.commit("billing", "orders", 5, 5, 20, 20)
		w.trim("orders", 0, 7) // before anybody watches
		c := w.collector()
		lost := func() int64 {
			g, _ := look(t, c).Group("billing")
			return g.Lost
		}
		check(t, "before the first look", lost(), 0)
		w.trim("orders", 0, 10)
		check(t, "three more on the first partition", lost(), 3)
		check(t, "and none in the next look", lost(), 3)
		w.trim("orders", 1, 8)
		w.trim("orders", 2, 20)
		check(t, "three on the second, none of what was read", lost(), 6)
		w.commit("billing", "orders", 11, 9, 20, 20)
		w.trim("orders", 0, 13)
		check(t, "two after it went on", lost(), 8)
		hidden := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "billing", Err: kerr.CoordinatorLoadInProgress, Count: -1})
		w.trim("orders", 1, 10)
		check(t, "not while its commits are not seen", lost(), 8)
		hidden.Remove()
		check(t, "but then", lost(), 9)
	})
}

// trim deletes the records of a partition before an offset.
func (w *world) trim(topic string, partition int32, before int64) {
	w.t.Helper()
	if err := w.cluster.DeleteRecords(topic, partition, before); err != nil {
		w.t.Fatal(err)
	}
}
