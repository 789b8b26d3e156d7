package capacity_test

import (
	"bytes"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/saved"
)

func file(t *testing.T, m *capacity.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// restart makes the world be watched by a model that has only the file of the other.
func (w *world) restart() {
	w.t.Helper()
	b := file(w.t, w.model)
	w.model = capacity.New(capacity.Options{})
	if err := w.model.Load(bytes.NewReader(b)); err != nil {
		w.t.Fatal(err)
	}
}

// busy is a group that has drained a backlog, and drains the next.
func busy(t *testing.T) *world {
	w := newWorld(t, 24, 6)
	w.perMember, w.arrivals = 100, 360
	w.run(5 * time.Minute)
	w.backlog(50_000)
	w.run(10 * time.Minute)
	w.backlog(50_000)
	w.run(2 * time.Minute)
	return w
}

func TestModelThatWasSavedGoesOnAsIfItHadNeverStopped(t *testing.T) {
	w, same := busy(t), busy(t)
	w.restart()
	for i := range 100 {
		got, want := w.after(15*time.Second), same.after(15*time.Second)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("look %d after the restart: %+v, want %+v", i, got, want)
		}
	}
}

func TestWhatAReplicaCanDoOutlivesALongAbsence(t *testing.T) {
	w := busy(t)
	w.restart()
	w.now = w.now.Add(4 * time.Minute)
	e := w.after(15 * time.Second)
	if e.Consumption.Known {
		t.Errorf("consumption = %+v over four minutes that nobody watched, want unknown", e.Consumption)
	}
	if !e.CapacityProven || math.Abs(e.ReplicaCapacity.PerSecond-100) > 5 || e.Track.Drains != 1 {
		t.Errorf("capacity %+v (proven %t), track %+v, want what was learnt before", e.ReplicaCapacity, e.CapacityProven, e.Track)
	}
}

func TestFileOfAModelThatCannotBeReadChangesNothing(t *testing.T) {
	w := busy(t)
	good := file(t, w.model)
	damaged := bytes.Clone(good)
	damaged[len(damaged)/3]++
	var newer bytes.Buffer
	if err := saved.NewWriter(&newer, "tidemark capacity model", 2).Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		bytes []byte
		says  string
	}{"cut off": {good[:99], "damaged"}, "a changed byte": {damaged, "damaged"}, "newer": {newer.Bytes(), "newer than 1"}} {
		if err := w.model.Load(bytes.NewReader(c.bytes)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.says)
		}
	}
	if !bytes.Equal(file(t, w.model), good) {
		t.Error("a file that was refused changed the model")
	}
}

func TestPartitionOfAGroupIsSavedInSomeSixtyBytes(t *testing.T) {
	m, s := capacity.New(capacity.Options{}), fleet(10, 1000, epoch)
	for range 10 {
		m.Observe(s)
		s = later(s, 15*time.Second, 1500)
	}
	each := len(file(t, m)) / 10_000
	t.Logf("%d bytes a partition of a group", each)
	if each > 64 {
		t.Errorf("%d bytes a partition of a group, want some 60", each)
	}
}

// FuzzLoad: whatever is read, it is refused or gives estimates that can be.
func FuzzLoad(f *testing.F) {
	w := newWorld(&testing.T{}, 3, 2)
	w.perMember, w.arrivals = 100, 60
	w.backlog(5000)
	for range 20 {
		for range 15 {
			w.second()
		}
		w.model.Observe(w.snapshot())
	}
	var b bytes.Buffer
	if err := w.model.Save(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes()[:b.Len()-4])
	next := w.snapshot()
	next.Began = next.Began.Add(15 * time.Second)
	next.Groups[0].At = next.Began
	f.Fuzz(func(t *testing.T, body []byte) {
		m := capacity.New(capacity.Options{})
		if err := m.Load(io.MultiReader(bytes.NewReader(body), bytes.NewReader(saved.Sum(body)))); err != nil {
			return
		}
		for _, e := range m.Observe(next) {
			if e.Because == "" || e.Group != "billing" || e.State == tidemark.State("") {
				t.Errorf("%+v", e)
			}
		}
		if err := m.Save(io.Discard); err != nil {
			t.Error(err)
		}
	})
}
