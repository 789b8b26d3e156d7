package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/kafka"
)

func TestRecordsComeOutAsTheyWentIn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("events", 0)
		publish(t, w, tidemark.Record{Topic: "events", Partition: 2, Key: []byte("k"), Value: []byte("v"), Headers: []tidemark.Header{{Key: "h", Value: []byte("x")}}})
		publish(t, w, tidemark.Record{Topic: "events", Partition: 2, Key: []byte("k")})

		got := read(t, tail(t, w, kafka.TailOptions{Topic: "events"}), 2)

		check(t, "first", fmt.Sprintf("%d/%d %s=%s %s", got[0].Partition, got[0].Offset, got[0].Key, got[0].Value, got[0].Headers), "2/0 k=v [{h x}]")
		check(t, "tombstone", got[1].Value == nil, true)
	})
}

func TestRecordsOfAKeyShareAPartition(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("events", 0)
		for range 3 {
			for _, key := range []string{"a", "b", "c", "d"} {
				publish(t, w, tidemark.Record{Topic: "events", Partition: -1, Key: []byte(key)})
			}
		}

		where := map[string]int32{}
		used := map[int32]bool{}
		for _, r := range read(t, tail(t, w, kafka.TailOptions{Topic: "events"}), 12) {
			if at, seen := where[string(r.Key)]; seen {
				check(t, "partition of "+string(r.Key), r.Partition, at)
			}
			where[string(r.Key)] = r.Partition
			used[r.Partition] = true
		}
		if len(used) < 2 {
			t.Errorf("all four keys are in one partition")
		}
	})
}

func TestTailBeginsWhereItIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("events", 5)

		from := tail(t, w, kafka.TailOptions{Topic: "events", Reset: kafka.Latest, From: []tidemark.Position{{Topic: "events", Partition: 1, Next: 3}}})
		check(t, "from a position", offsets(read(t, from, 2)), "1/3 1/4")
		time.Sleep(time.Second) // the end is where it is when the reader has found it
		w.produce("events", 1)
		check(t, "new ones", offsets(read(t, from, 4)), "0/5 1/5 2/5 3/5")
	})
}

func TestTailFindsNewPartitionsAndReadsThemFromTheirStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("events", 1)
		reader := tail(t, w, kafka.TailOptions{Topic: "events", Reset: kafka.Latest})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := reader.Next(ctx); err == nil {
			t.Fatal("there is a record at the end")
		}
		w.grow("events", 5)
		publish(t, w, tidemark.Record{Topic: "events", Partition: 4, Value: []byte("x")})

		check(t, "new partition", offsets(read(t, reader, 1)), "4/0")
	})
}

func TestTailWaitsForItsTopic(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		reader := tail(t, w, kafka.TailOptions{Topic: "events", Reset: kafka.Latest})
		go func() {
			time.Sleep(time.Minute)
			w.topic("events", 1)
		}()
		check(t, "records", offsets(read(t, reader, 4)), "0/0 1/0 2/0 3/0")
	})
}

func TestTailThatBeginsBeforeItsClusterStillBeginsAtTheEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("events", 5)
		for broker := range int32(3) {
			w.net.swallow(broker, true)
		}
		reader := tail(t, w, kafka.TailOptions{Topic: "events", Reset: kafka.Latest})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if records, err := reader.Next(ctx); err == nil {
			t.Fatalf("read %s of a cluster that does not answer", offsets(records))
		}
		for broker := range int32(3) {
			w.net.swallow(broker, false)
		}
		go func() {
			time.Sleep(time.Minute)
			w.produce("events", 1)
		}()
		check(t, "records", offsets(read(t, reader, 4)), "0/5 1/5 2/5 3/5")
	})
}

func TestMembersShareATopicAndContinueFromTheCommit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("events", 5)
		first := member(t, w, kafka.MemberOptions{})
		check(t, "all", len(read(t, first, 20)), 20)
		check(t, "owned", fmt.Sprint(first.Owned()), "[{events 0 5} {events 1 5} {events 2 5} {events 3 5}]")
		commit(t, first, tidemark.Position{Topic: "events", Partition: 0, Next: 3}, tidemark.Position{Topic: "events", Partition: 9, Next: 1})
		check(t, "lags", lags(look(t, w.collector()), "crm"), "2 5 5 5")

		second := member(t, w, kafka.MemberOptions{})
		time.Sleep(30 * time.Second)
		check(t, "shares", fmt.Sprint(len(first.Owned()), len(second.Owned())), "2 2")

		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := 0
		for _, r := range read(t, second, 17) {
			if r.Partition == 0 {
				again++
			}
		}
		check(t, "records of partition 0 after the commit at 3", again, 2)
		check(t, "owned by the one that is left", len(second.Owned()), 4)
	})
}

func TestLagIsKnownOfAMemberThatWasStoppedBeforeItsFirstRecord(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.topic("events", 0)
				m := member(t, w, kafka.MemberOptions{Protocol: protocol})
				time.Sleep(30 * time.Second)
				if err := m.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.produce("events", 150)
				check(t, "lags", lags(look(t, w.collector()), "crm"), "150 150 150 150")
			})
		})
	}
}

func TestPausedPartitionIsNotRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.topic("events", 1)
		m := member(t, w, kafka.MemberOptions{Protocol: "consumer"})
		read(t, m, 4)
		m.Pause("events", 2)
		w.produce("events", 1)
		check(t, "while paused", offsets(read(t, m, 3)), "0/1 1/1 3/1")
		m.Resume("events", 2)
		check(t, "resumed", offsets(read(t, m, 1)), "2/1")
	})
}

type reader interface {
	Next(context.Context) ([]tidemark.Record, error)
}

// read reads so many records, sorted by partition and offset.
func read(t *testing.T, from reader, n int) []tidemark.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var all []tidemark.Record
	for len(all) < n {
		records, err := from.Next(ctx)
		if err != nil {
			t.Fatalf("after %s: %v", offsets(all), err)
		}
		all = append(all, records...)
	}
	slices.SortFunc(all, func(a, b tidemark.Record) int {
		if a.Partition != b.Partition {
			return int(a.Partition - b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return all
}

func offsets(records []tidemark.Record) string {
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprintf("%d/%d", r.Partition, r.Offset))
	}
	return strings.Join(all, " ")
}

func publish(t *testing.T, w *world, records ...tidemark.Record) {
	t.Helper()
	p, err := kafka.OpenPublisher(w.options())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Publish(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}

func tail(t *testing.T, w *world, o kafka.TailOptions) *kafka.Tail {
	t.Helper()
	reader, err := kafka.OpenTail(w.options(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	return reader
}

func member(t *testing.T, w *world, o kafka.MemberOptions) *kafka.Member {
	t.Helper()
	o.Group, o.Topics = "crm", []string{"events"}
	m, err := kafka.OpenMember(w.options(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.WithoutCancel(t.Context())) })
	return m
}

func commit(t *testing.T, m *kafka.Member, done ...tidemark.Position) {
	t.Helper()
	if err := m.Commit(t.Context(), done); err != nil {
		t.Fatal(err)
	}
}
