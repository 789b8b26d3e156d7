package daemon_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/daemon"
)

// oldest runs a daemon for a while and returns the time lag it tells at its first look.
func (b *bed) oldest(dir string, long time.Duration) tidemark.TimeLag {
	b.t.Helper()
	var first *tidemark.View
	b.runAs(daemon.Options{Config: b.config(), Dir: dir, ExporterOnly: true, Published: func(v *tidemark.View) {
		if first == nil {
			first = v
		}
	}}, long)
	if first == nil {
		b.t.Fatal("nothing was published")
	}
	e, _ := first.Observations[0].Estimate("billing")
	return e.TimeLag
}

func TestHowLongRecordsHaveWaitedIsKnownFromTheFirstLookAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		dir := t.TempDir()
		b.publish(5)
		b.commit(5)
		time.Sleep(time.Second)
		go func() {
			time.Sleep(10 * time.Minute)
			b.publish(10)
		}()
		b.oldest(dir, 20*time.Minute+time.Second)
		got := b.again().oldest(dir, time.Minute)
		if want := 10 * time.Minute; !got.Known || (got.Value-want).Abs() > 30*time.Second {
			t.Errorf("time lag = %+v, want about %s", got, want)
		}
	})
}

func TestWhatWasLearntAndIsDamagedIsLearntAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		dir := t.TempDir()
		b.publish(5)
		b.commit(5)
		b.oldest(dir, time.Minute)
		kept, err := filepath.Glob(filepath.Join(dir, "learnt", "*"))
		if err != nil || len(kept) == 0 {
			t.Fatalf("kept %v, %v; want something", kept, err)
		}
		for _, file := range kept {
			if err := os.WriteFile(file, []byte("not what was written"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b.again().oldest(dir, time.Minute) // runs
	})
}

func TestTheAgeOfAnOldBacklogIsExactAtTheFirstLookWhereARecordMayBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.publish(5)
		b.commit(5)
		for range 90 {
			time.Sleep(time.Minute)
			b.publish(1)
		}
		c := b.config()
		c.Clusters[0].Exact = 3
		b.runAs(daemon.Options{Config: c, ExporterOnly: true, Published: func(v *tidemark.View) {
			e, _ := v.Observations[0].Estimate("billing")
			if want := v.At.Sub(b.began) - time.Minute; !e.TimeLag.Known || (e.TimeLag.Value-want).Abs() > time.Second {
				t.Errorf("time lag = %+v, want %s", e.TimeLag, want)
			}
		}}, time.Minute)
	})
}
