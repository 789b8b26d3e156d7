package kafka_test

import (
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
)

func TestLagIsEndMinusCommit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		w.commit("billing", "orders", 7, 7, 7, 7)

		s := look(t, w.collector())

		check(t, "lags", lags(s, "billing"), "3 3 3 3")
		check(t, "gaps", gaps(s), "")
		check(t, "up", up(s), map[int32]bool{0: true, 1: true, 2: true})
		g, _ := s.Group("billing")
		check(t, "phase", g.Phase, "Empty")
		check(t, "type", g.Type, "classic")
		check(t, "total", s.Total(g), tidemark.Total{Records: 12, Partitions: 4, Complete: true})
	})
}

func TestBrokerThatHangsTakesOnlyItsOwnPartAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("orders", 10)
		groups := []string{"a", "b", "c", "d", "e", "f"}
		for _, g := range groups {
			w.commit(g, "orders", 7, 7, 7, 7)
		}
		c := w.collector()
		hung := w.cluster.CoordinatorFor("a")
		if err := w.cluster.MoveTopicPartition("orders", 0, hung); err != nil {
			t.Fatal(err)
		}
		look(t, c)
		w.net.swallow(hung, true)

		began := time.Now()
		s := look(t, c)

		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a look took %v with one broker hanging", took)
		}
		check(t, "up", up(s)[hung], false)
		for _, name := range groups {
			g, _ := s.Group(name)
			lost := w.cluster.CoordinatorFor(name) == hung
			check(t, name+" unreachable", g.Reason == tidemark.Unreachable, lost)
			check(t, name+" complete", s.Total(g).Complete, false)
			for _, p := range s.Of(name) {
				check(t, "commit", p.Committed, 7)
				check(t, "end", p.LogEnd, 10)
				_, known := p.Lag()
				check(t, "known", known, !lost && w.cluster.LeaderFor("orders", p.ID) != hung)
			}
		}

		w.net.swallow(hung, false)
		time.Sleep(15 * time.Second)
		s = look(t, c)
		for _, name := range groups {
			check(t, name, lags(s, name), "3 3 3 3")
		}
		check(t, "gaps", gaps(s), "")
	})
}
