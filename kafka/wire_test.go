package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aetherlink/tidemark"
)

// answer is an answer about two groups, as a broker would write it.
func answer(version int16) *kmsg.OffsetFetchResponse {
	told := kmsg.NewPtrOffsetFetchResponse()
	told.Version = version
	for _, name := range []string{"billing", ""} {
		g := kmsg.NewOffsetFetchResponseGroup()
		g.Group, g.ErrorCode = name, int16(-len(name))
		for _, topic := range []string{"orders", "a topic with a name of more than one hundred and twenty-seven bytes, which takes a length of two bytes and shows that those are read right"} {
			t := kmsg.NewOffsetFetchResponseGroupTopic()
			t.Topic = topic
			for id := range int32(3) {
				p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				p.Partition, p.Offset, p.LeaderEpoch, p.ErrorCode = id, int64(id)<<40, id-1, int16(id)
				p.Metadata = &topic
				p.UnknownTags.Set(7, []byte("x"))
				t.Partitions = append(t.Partitions, p)
			}
			g.Topics = append(g.Topics, t)
		}
		told.Groups = append(told.Groups, g)
	}
	return told
}

func read(version int16, wire []byte) (*commitsAnswer, error) {
	a := commitsRequest{&kmsg.OffsetFetchRequest{Version: version}}.ResponseKind().(*commitsAnswer)
	return a, a.ReadFrom(wire)
}

func TestAnswerIsReadAsItWasWritten(t *testing.T) {
	want := answer(9)
	got, err := read(9, want.AppendTo(nil))
	if err != nil || len(got.told) != len(want.Groups) {
		t.Fatalf("%d groups and %v, want %d", len(got.told), err, len(want.Groups))
	}
	for i := range got.told {
		compare(t, &got.told[i], &want.Groups[i])
	}
}

// FuzzCommitsAreReadAsTheLibraryReadsThem gives both the same bytes. What we refuse,
// the library is not asked about: it may need half a minute to refuse it too.
func FuzzCommitsAreReadAsTheLibraryReadsThem(f *testing.F) {
	whole := answer(8).AppendTo(nil)
	f.Add(whole, false)
	f.Add(whole[:len(whole)/2], true)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, wire []byte, nine bool) {
		version := int16(8)
		if nine {
			version = 9
		}
		got, err := read(version, wire)
		if err != nil {
			return
		}
		want := kmsg.NewPtrOffsetFetchResponse()
		want.Version = version
		if err := want.ReadFrom(slices.Clone(wire)); err != nil || len(got.told) != len(want.Groups) {
			t.Fatalf("%d groups, want %d and %v", len(got.told), len(want.Groups), err)
		}
		for i := range got.told {
			compare(t, &got.told[i], &want.Groups[i])
		}
	})
}

func compare(t *testing.T, got *groupCommits, want *kmsg.OffsetFetchResponseGroup) {
	t.Helper()
	if string(got.name) != want.Group || got.code != want.ErrorCode || got.n != len(want.Topics) {
		t.Fatalf("group %q with code %d and %d topics, want %q, %d, %d", got.name, got.code, got.n, want.Group, want.ErrorCode, len(want.Topics))
	}
	i := 0
	for name, told := range got.each() {
		if string(name) != want.Topics[i].Topic {
			t.Fatalf("topic %q, want %q", name, want.Topics[i].Topic)
		}
		var all []commit
		for _, p := range want.Topics[i].Partitions {
			all = append(all, commit{p.Offset, p.Partition, p.LeaderEpoch, p.ErrorCode})
		}
		if heard := slices.Collect(told.each()); !slices.Equal(heard, all) {
			t.Fatalf("commits %v, want %v", heard, all)
		}
		i++
	}
}

// FuzzWhatACoordinatorTellsBreaksNothing takes up assignments and commits that
// nobody would write.
func FuzzWhatACoordinatorTellsBreaksNothing(f *testing.F) {
	assignment := kmsg.NewConsumerMemberAssignment()
	assignment.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "orders", Partitions: []int32{0, 1, -5, 1 << 30}}}
	f.Add(assignment.AppendTo(nil), int32(3), int64(7))
	f.Add([]byte("\x00\x00\xff\xff\xff\xff"), int32(-1), int64(-9))
	f.Fuzz(func(t *testing.T, told []byte, partition int32, offset int64) {
		l := &look{Collector: &Collector{}}
		g := &group{}
		g.join(roster{members: []tidemark.Member{member("a", nil, "", "", classicAssignment("consumer", told))}}, l)
		r := g.reading("orders")
		r.hear(slices.Values([]commit{{offset: offset, partition: partition}}), 1)
		for _, o := range r.offsets {
			if o != tidemark.Uncommitted && o != offset {
				t.Errorf("offset %d of nobody", o)
			}
		}
	})
}

func FuzzNamesBecomeText(f *testing.F) {
	f.Add("orders", "a\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		if got := nameOf(nameOf(a)); got != nameOf(a) {
			t.Errorf("name of a name: %q, want %q", got, nameOf(a))
		}
		if a != b && nameOf(a) == nameOf(b) {
			t.Errorf("%q and %q are both %q", a, b, nameOf(a))
		}
	})
}
