package relay_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay"
)

// TestBrowserThatReconnectsMissesNothingAndRepeatsNothing tears connections at
// random moments and goes to either replica, which read the partitions in
// opposite orders.
func TestBrowserThatReconnectsMissesNothingAndRepeatsNothing(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		replicas := []*replica{m.start(t, nil), m.start(t, func(o *relay.Options) { o.Source = backwards{m} })}
		first := replicas[0].open("")
		synctest.Wait()
		first.close()
		random := rand.New(rand.NewPCG(1, 2))
		published := [3]int{}
		go func() {
			for range 3000 {
				p := random.IntN(3)
				n := 1 + random.IntN(5)
				m.publish(p, n)
				published[p] += n
				time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
			}
		}()
		var got [3][]int64
		id := first.lastID()
		for i := range 200 {
			b := replicas[i%2].open(id)
			time.Sleep(time.Duration(i%37) * time.Millisecond)
			if i == 199 {
				time.Sleep(10 * time.Second)
			}
			b.close()
			id = b.lastID()
			for p := range got {
				got[p] = append(got[p], b.got(p)...)
			}
			if gaps := b.kinds("gap"); len(gaps) > 0 {
				t.Errorf("connection %d was told of a gap: %+v", i, gaps[0])
			}
		}
		for p := range got {
			if want := upTo(published[p]); !slices.Equal(got[p], want) {
				t.Errorf("partition %d: got %d events, want %d, each once and in order", p, len(got[p]), len(want))
			}
		}
	})
}

// backwards is the memory, read with the partitions in the opposite order.
type backwards struct{ *memory }

func (b backwards) ReadFrom(ctx context.Context, at []tidemark.Position) (relay.Reader, error) {
	r, err := b.memory.ReadFrom(ctx, at)
	return backwardsReader{r}, err
}

type backwardsReader struct{ relay.Reader }

func (b backwardsReader) Next(ctx context.Context) ([]tidemark.Record, error) {
	records, err := b.Reader.Next(ctx)
	slices.SortStableFunc(records, func(x, y tidemark.Record) int { return int(y.Partition - x.Partition) })
	return records, err
}

// TestReplicaThatIsBehindSkipsWhatTheBrowserHasSeen: the browser comes from a
// replica that had read more of both partitions. While this one catches up, each
// id must stand for what the browser has, not for what this replica has read.
func TestReplicaThatIsBehindSkipsWhatTheBrowserHasSeen(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		source := &held{memory: m, upTo: []int64{0, 0}}
		quick, behind := m.start(t, nil), m.start(t, func(o *relay.Options) { o.Source = source })
		b := quick.open("")
		synctest.Wait()
		m.publish(0, 5)
		m.publish(1, 5)
		time.Sleep(time.Second)
		b.close()

		b = behind.open(b.lastID())
		synctest.Wait()
		m.publish(0, 5)
		source.release(10, 3)
		time.Sleep(time.Second)
		b.close()
		if got, want := b.got(0), between(5, 10); !slices.Equal(got, want) {
			t.Errorf("got %v of partition 0, want %v", got, want)
		}
		if got := b.got(1); len(got) > 0 {
			t.Errorf("got %v of partition 1 again", got)
		}
		if got, want := b.lastID(), ".0-a_1-5"; !strings.HasSuffix(got, want) {
			t.Errorf("the id is %q, want it to end in %q", got, want)
		}

		m.publish(1, 2)
		b = behind.open(b.lastID())
		synctest.Wait()
		source.release(10, 7)
		time.Sleep(time.Second)
		if got, want := b.got(1), between(5, 7); !slices.Equal(got, want) {
			t.Errorf("got %v of partition 1, want %v", got, want)
		}
		b.close()
	})
}

// held is the memory as a replica sees it that has read only so far.
type held struct {
	*memory
	upTo []int64
}

func (h *held) release(upTo ...int64) { h.change(func() { h.upTo = upTo }) }

func (h *held) ReadFrom(ctx context.Context, at []tidemark.Position) (relay.Reader, error) {
	r, err := h.memory.ReadFrom(ctx, at)
	return &heldReader{r.(*reader), h}, err
}

type heldReader struct {
	*reader
	h *held
}

func (r *heldReader) Next(ctx context.Context) ([]tidemark.Record, error) {
	return r.m.wait(ctx, func() (records []tidemark.Record) {
		for i, l := range r.m.logs {
			for _, record := range l.from(r.next[i]) {
				if record.Offset < r.h.upTo[i] {
					records = append(records, record)
					r.next[i] = record.Offset + 1
				}
			}
		}
		return records
	})
}

func TestBrowserFromLongAgoIsServedFromTheLogFirst(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(3)
		r := m.start(t, func(o *relay.Options) { o.RingRecords = 50 })
		b := r.open("")
		m.publish(0, 10)
		time.Sleep(time.Second)
		b.close()
		m.publish(0, 1000)
		m.publish(2, 20)
		time.Sleep(time.Second)

		again := r.open(b.lastID())
		time.Sleep(time.Second)
		m.publish(2, 5)
		time.Sleep(time.Second)
		if got, want := again.all()[0].Resume, "exact"; got != want {
			t.Errorf("resume is %q, want %q", got, want)
		}
		if got, want := again.got(0), between(10, 1010); !slices.Equal(got, want) {
			t.Errorf("got %d events of partition 0, want 10 to 1009", len(got))
		}
		if got, want := again.got(2), upTo(25); !slices.Equal(got, want) {
			t.Errorf("got %v of partition 2, want 0 to 24", got)
		}
		again.close()
	})
}

func TestPartitionsThatAreAddedAreReadFromTheirBeginning(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		m.publish(0, 3)
		r := m.start(t, nil)
		b := r.open("")
		time.Sleep(time.Second)
		b.close()
		m.change(func() { m.logs = append(m.logs, log{}); m.committed = append(m.committed, 0) })
		m.publish(1, 4)
		time.Sleep(time.Second)
		again := r.open(b.lastID())
		time.Sleep(time.Second)
		if got, want := again.got(1), upTo(4); !slices.Equal(got, want) {
			t.Errorf("got %v of the new partition, want %v", got, want)
		}
		again.close()
	})
}

func TestWhatRetentionTookIsToldAsAGap(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(2)
		r := m.start(t, func(o *relay.Options) { o.RingRecords = 10 })
		b := r.open("")
		m.publish(0, 5)
		time.Sleep(time.Second)
		b.close()
		m.publish(0, 100)
		m.change(func() { l := &m.logs[0]; l.start, l.records = 40, l.records[40:] })
		time.Sleep(time.Second)
		again := r.open(b.lastID())
		time.Sleep(time.Second)
		gaps := again.kinds("gap")
		if len(gaps) != 1 || gaps[0].From != 5 || gaps[0].To != 40 || gaps[0].Reason != "retention" {
			t.Errorf("gaps are %+v, want one from 5 to 40 by retention", gaps)
		}
		if got, want := again.all()[0].Resume, "gap"; got != want {
			t.Errorf("resume is %q, want %q", got, want)
		}
		if got, want := again.got(0), between(40, 105); !slices.Equal(got, want) {
			t.Errorf("got %v, want 40 to 104", got)
		}
		again.close()
	})
}

func TestIDOfARecreatedTopicIsResumedByTimeAndSaysSo(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		b := r.open("")
		m.publish(0, 100)
		time.Sleep(time.Second)
		b.close()
		r.end()

		m.change(func() { m.id, m.logs, m.committed = 2, make([]log, 1), make([]int64, 1) })
		r = m.start(t, nil)
		time.Sleep(time.Second)
		m.publish(0, 5)
		time.Sleep(time.Second)
		again := r.open(b.lastID())
		time.Sleep(time.Second)
		if got, want := again.all()[0].Resume, "approximate"; got != want {
			t.Errorf("resume is %q, want %q", got, want)
		}
		gaps := again.kinds("gap")
		if len(gaps) != 1 || gaps[0].From != 100 || gaps[0].To != 0 || gaps[0].Reason != "recreated" {
			t.Errorf("gaps are %+v, want one that says recreated, from 100 to 0", gaps)
		}
		if got, want := again.got(0), upTo(5); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		again.close()
	})
}

func TestLogThatIsCutIsToldToWhoListensAndToWhoComesBack(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		source := &cutting{memory: m}
		r := m.start(t, func(o *relay.Options) { o.Source = source })
		listens, away := r.open(""), r.open("")
		m.publish(0, 100)
		time.Sleep(time.Second)
		away.close()
		m.change(func() { m.logs[0].records = m.logs[0].records[:60]; m.committed[0] = 60 })
		source.reader.next[0] = 60
		m.publish(0, 10)
		time.Sleep(time.Second)
		gaps := listens.kinds("gap")
		if len(gaps) != 1 || gaps[0].From != 100 || gaps[0].To != 60 || gaps[0].Reason != "recreated" {
			t.Errorf("gaps are %+v, want one that says recreated, from 100 to 60", gaps)
		}
		if got, want := listens.got(0), append(upTo(100), between(60, 70)...); !slices.Equal(got, want) {
			t.Errorf("who listens got %v, want 0 to 99 and 60 to 69", got)
		}
		again := r.open(away.lastID())
		time.Sleep(time.Second)
		if got, want := again.got(0), between(60, 70); !slices.Equal(got, want) {
			t.Errorf("who comes back got %v, want 60 to 69", got)
		}
		listens.close()
		again.close()
	})
}

// TestCursorBeyondACutLogDoesNotWaitForItsOffset: the log was cut while nobody was
// looking, so only the time of new records shows that offset 60 is another record
// than the one the browser has.
func TestCursorBeyondACutLogDoesNotWaitForItsOffset(t *testing.T) {
	bothTransports(t, func(t *testing.T) {
		m := newMemory(1)
		r := m.start(t, nil)
		b := r.open("")
		m.publish(0, 100)
		time.Sleep(time.Second)
		b.close()
		r.end()
		m.change(func() { m.logs[0].records = m.logs[0].records[:60]; m.committed[0] = 60 })
		r = m.start(t, nil)
		again := r.open(b.lastID())
		time.Sleep(2 * time.Minute)
		m.publish(0, 10)
		time.Sleep(time.Second)
		if got, want := again.got(0), between(60, 70); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		gaps := again.kinds("gap")
		if len(gaps) != 1 || gaps[0].From != 100 || gaps[0].To != 60 || gaps[0].Reason != "recreated" {
			t.Errorf("gaps are %+v, want one that says recreated, from 100 to 60", gaps)
		}
		again.close()
	})
}

// cutting keeps the reader of the data plane at hand.
type cutting struct {
	*memory
	reader *reader
}

func (c *cutting) ReadFrom(ctx context.Context, at []tidemark.Position) (relay.Reader, error) {
	r, err := c.memory.ReadFrom(ctx, at)
	c.reader = r.(*reader)
	return r, err
}
