package kafka_test

import (
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

func TestGroupsThatAreNotOursAreNeitherAskedForNorShown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		for _, g := range []string{"a", "b", "c"} {
			w.commit(g, "orders", 7, 7, 7, 7)
		}
		mine := "ab"
		c := w.collector(func(o *kafka.Options) {
			o.Groups = kafka.Filter{Exclude: []string{"^a$"}}
			o.Mine = func(group string) bool { return group == mine[:1] || group == mine[1:] }
		})

		s := look(t, c)
		check(t, "groups", len(s.Groups), 1)
		check(t, "lags", lags(s, "b"), "3 3 3 3")

		mine = "ac" // b was handed over to somebody else
		s = look(t, c)
		check(t, "groups after a hand-over", len(s.Groups), 1)
		check(t, "lags", lags(s, "c"), "3 3 3 3")
		check(t, "gaps", gaps(s), "")
	})
}

func TestForeignReaderIsAGroupWithLag(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)
		positions := []tidemark.Position{{Topic: "orders", Partition: 0, Next: 4}, {Topic: "orders", Partition: 1, Next: 10}, {Topic: "never", Next: 1}}
		told := []kafka.Foreign{{Group: "dr", At: time.Now(), Positions: positions}, {Group: "billing", At: time.Now()}}
		c := w.collector(func(o *kafka.Options) { o.Foreign = func() []kafka.Foreign { return told } })

		s := look(t, c)
		g, _ := s.Group("dr")
		check(t, "type", g.Type, "foreign")
		check(t, "lags", lags(s, "dr"), "6 0 ?:uncommitted ?:uncommitted")
		check(t, "a group of the cluster keeps its name", lags(s, "billing"), "3 3 3 3")
		check(t, "gaps", gaps(s), "foreign group billing: unreachable")

		told = told[:1]
		time.Sleep(3 * time.Minute) // nobody has told its positions anew
		s = look(t, c)
		check(t, "old positions", lags(s, "dr"), "?:unreachable ?:unreachable ?:unreachable ?:unreachable")
		check(t, "gaps", gaps(s), "group dr: unreachable")

		told = nil
		s = look(t, c)
		check(t, "groups once it is gone", len(s.Groups), 1)
		check(t, "gaps", gaps(s), "")
	})
}
