package relay_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryBrowserGetsEveryEventInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(3)
		a, b := m.start(t, nil), m.start(t, nil)
		synctest.Wait()
		browsers := []*browser{a.open(""), a.open(""), b.open("")}
		synctest.Wait()
		for range 100 {
			m.publish(0, 1)
			m.publish(1, 2)
			time.Sleep(7 * time.Millisecond)
		}
		m.publish(2, 500)
		time.Sleep(time.Second)
		for i, b := range browsers {
			for partition, n := range []int{100, 200, 500} {
				if got, want := b.got(partition), upTo(n); !slices.Equal(got, want) {
					t.Errorf("browser %d got %d events of partition %d, want %d in order", i, len(got), partition, n)
				}
			}
			b.close()
		}
	})
}
