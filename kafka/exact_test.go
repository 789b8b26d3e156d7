package kafka_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/lag"
)

func TestReadTellsWhenTheNextRecordWasWritten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("secret", 10)
		time.Sleep(time.Hour)
		second := time.Now()
		w.produce("orders", 3)
		c := w.collector()
		look(t, c)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "secret", Err: kerr.TopicAuthorizationFailed, Count: -1})

		told := map[int32]lag.Anchor{}
		for _, a := range c.Read(t.Context(), []tidemark.Position{
			{Topic: "orders", Partition: 0, Next: 11},
			{Topic: "orders", Partition: 1, Next: 0},
			{Topic: "orders", Partition: 2, Next: 13},
			{Topic: "secret", Partition: 3, Next: 0},
			{Topic: "nowhere"},
			{Topic: "orders", Partition: 99},
		}) {
			told[a.Partition] = a
		}

		check(t, "answers: not the end, not what is denied, not what is not there", len(told), 2)
		check(t, "the record asked for, within its batch", told[0].Offset, 11)
		check(t, "and its time", told[0].At.UnixMilli(), second.UnixMilli())
		check(t, "an old one", told[1].At.Before(second.Add(-59*time.Minute)), true)
	})
}
