package kafka_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark/lag"
)

func TestProbeTellsTheFirstRecordSinceATime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		first := time.Now()
		time.Sleep(time.Hour)
		w.produce("orders", 1)
		second := time.Now()
		c := w.collector()
		look(t, c)
		probe := func(id int32, since time.Time) lag.Probe {
			return lag.Probe{Topic: "orders", Partition: id, Since: since}
		}

		told := map[int32]lag.Anchor{}
		for _, a := range c.Probe(t.Context(), []lag.Probe{
			probe(0, time.UnixMilli(0)), probe(1, first.Add(time.Minute)), probe(2, second.Add(time.Minute)), probe(3, second),
			{Topic: "nowhere"},
			probe(99, first),
		}) {
			told[a.Partition] = a
		}

		check(t, "answers", len(told), 4)
		check(t, "the first there is", told[0].Offset, 0)
		check(t, "since in between", told[1].Offset, 10)
		check(t, "and its time", told[1].At.UnixMilli(), second.UnixMilli())
		check(t, "since later", told[2].Offset, -1)
		check(t, "since that very moment", told[3].Offset, 10)
	})
}

func TestProbesCostOneRequestPerLeaderAndFailAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.topic("other", 10)
		for p := range int32(4) {
			if err := w.cluster.MoveTopicPartition("orders", p, p%3); err != nil {
				t.Fatal(err)
			}
			if err := w.cluster.MoveTopicPartition("other", p, p%3); err != nil {
				t.Fatal(err)
			}
		}
		c := w.collector()
		look(t, c)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "other", Err: kerr.TopicAuthorizationFailed, Count: -1})
		w.net.swallow(2, true)

		var probes []lag.Probe
		for p := range int32(4) {
			for _, topic := range []string{"orders", "other"} {
				probes = append(probes, lag.Probe{Topic: topic, Partition: p, Since: time.UnixMilli(0)})
			}
		}
		anchors := c.Probe(t.Context(), probes)
		check(t, "answers, all but those of broker 2 and of the other topic", len(anchors), 3)

		w.net.swallow(2, false)
		time.Sleep(15 * time.Second)
		c = w.collector()
		before := look(t, c)
		c.Probe(t.Context(), probes)
		check(t, "requests", requests(before, look(t, c))["ListOffsets"], 3+6)
	})
}
