package rules_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/test/race"
)

const shortAndKept = `
groups:
- name: short
  rules:
  - {alert: Short, expr: tidemark_group_lag_records > 500, for: 45s, labels: {severity: warning}}
  - {alert: Kept, expr: tidemark_group_lag_records > 500, for: 1m, keep_firing_for: 2m, annotations: {summary: "{{ $value }} behind"}}
  - {alert: Down, expr: up == 0, for: 30s}
`

// ownRules are options with one rule file.
func ownRules(t *testing.T, text string) rules.Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, text)
	return rules.Options{Config: rules.Config{Files: []string{file}}}
}

func TestAShortForGoesOnOverARestart(t *testing.T) {
	b := newBed(t, ownRules(t, shortAndKept))
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(30 * time.Second)
	began := b.want("Short", tidemark.AlertPending).ActiveSince
	b.restart(0)
	b.look()
	if got, want := b.want("Short", tidemark.AlertFiring).ActiveSince, began; !got.Equal(want) {
		t.Errorf("it began at %s, want %s", got, want)
	}
}

func TestWhatKeepsFiringGoesOnOverARestart(t *testing.T) {
	b := newBed(t, ownRules(t, shortAndKept))
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(time.Minute)
	b.world.lag, b.world.state = 0, tidemark.Idle
	b.look()
	b.want("Short", tidemark.AlertResolved)
	before := b.want("Kept", tidemark.AlertFiring)
	b.looks(time.Minute)
	b.restart(15 * time.Second)
	b.look()
	after := b.want("Kept", tidemark.AlertFiring)
	if got, want := fmt.Sprint(after), fmt.Sprint(before); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	b.look()
	b.want("Kept", tidemark.AlertResolved)
}

func TestDataIsMissingSinceTheSameMomentAfterARestart(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)
	b.world.failed = errors.New("no route to host")
	since := b.now
	b.looks(time.Minute)
	for range 2 {
		b.restart(3 * time.Hour)
		b.look()
		if got, want := b.want(lagHigh, tidemark.AlertFiring).DataMissingSince, since; !got.Equal(want) {
			t.Errorf("data is missing since %s, want %s", got, want)
		}
	}
}

func TestAnEndIsToldAgainIfACrashComesBeforeTheNextLook(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(5 * time.Minute)
	b.world.lag, b.world.state = 0, tidemark.Idle
	b.look()
	ended := b.want(lagHigh, tidemark.AlertResolved).ResolvedAt
	for range 2 {
		b.restart(time.Minute)
		b.look()
		if got, want := b.want(lagHigh, tidemark.AlertResolved).ResolvedAt, ended; !got.Equal(want) {
			t.Errorf("it ended at %s, want %s", got, want)
		}
	}
	b.look()
	b.want(lagHigh, "")
}

func TestPendingBeginsAnewAfterTwoHoursAway(t *testing.T) {
	b := newBed(t, reference())
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(4 * time.Minute)
	b.restart(2 * time.Hour)
	now := b.now
	b.look()
	if got, want := b.want(lagHigh, tidemark.AlertPending).ActiveSince, now; !got.Equal(want) {
		t.Errorf("it began at %s, want %s", got, want)
	}
}

func TestWhatIsScrapedHasTimeToComeBackAfterARestart(t *testing.T) {
	b := newBed(t, ownRules(t, shortAndKept))
	for range 4 {
		b.put(`up{job="crm-events",instance="crm-events:9010"}`, 0)
		b.look()
	}
	b.want("Down", tidemark.AlertFiring)
	b.restart(10 * time.Minute)
	b.looks(45 * time.Second)
	b.want("Down", tidemark.AlertFiring)
	b.put(`up{job="crm-events",instance="crm-events:9010"}`, 0)
	b.looks(time.Minute)
	if still := b.want("Down", tidemark.AlertFiring); !still.DataMissingSince.IsZero() {
		t.Errorf("data is missing since %s although it is back", still.DataMissingSince)
	}
}

func TestAReloadKeepsAlertsAndEndsThoseOfRulesTakenOut(t *testing.T) {
	o := ownRules(t, shortAndKept)
	b := newBed(t, o)
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(time.Minute)
	b.want("Short", tidemark.AlertFiring)
	began := b.want("Kept", tidemark.AlertFiring).ActiveSince

	changed := strings.Replace(shortAndKept, "> 500, for: 1m", "> 550, for: 1m", 1)
	changed = strings.Replace(changed, "alert: Short", "alert: Renamed", 1)
	write(t, o.Files[0], changed)
	journal := b.options.Journal
	b.options.Files = o.Files
	engine, err := rules.Open(b.options)
	if err != nil {
		t.Fatal(err)
	}
	b.engine, b.options.Journal = engine, journal
	b.look()
	if got, want := b.want("Kept", tidemark.AlertFiring).ActiveSince, began; !got.Equal(want) {
		t.Errorf("it began at %s, want %s", got, want)
	}
	b.want("Renamed", tidemark.AlertPending)
	b.want("Short", tidemark.AlertResolved)
	b.look()
	b.want("Short", "")
}

func TestAFullDiskIsSaidAndAlertsGoOn(t *testing.T) {
	b := newBed(t, ownRules(t, shortAndKept))
	dir := filepath.Join(b.dir, "alerts")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	b.world.lag, b.world.state = 600, tidemark.Steady
	b.looks(time.Minute)
	b.want("Short", tidemark.AlertFiring)
	if err := b.options.Journal.Err(); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error = %v, want one about %s", err, dir)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	b.look()
	if err := b.options.Journal.Err(); err != nil {
		t.Errorf("error = %v after the disk is writable again, want none", err)
	}
	b.restart(15 * time.Second)
	b.look()
	b.want("Short", tidemark.AlertFiring)
}

// script is what the killed process sees at its looks: the lag rises, is out of
// sight for a while, falls, and the service goes away and comes back.
func script(step int) (w world, up float64) {
	w, up = world{state: tidemark.Idle, end: 100_000}, 1
	switch step %= 40; {
	case step < 4:
	case step < 12:
		w.lag, w.state = int64(600+step), tidemark.Steady
	case step < 17:
		w.lag, w.state, w.silent = int64(600+step), tidemark.Steady, true
	case step < 20:
		w.lag, w.state = 700, tidemark.Steady
	case step > 30 && step < 36:
		up = 0
	}
	return w, up
}

// walk makes the looks of the script from a step on and says after each what is active.
func walk(b *bed, from, to int, say func(step int, alerts string)) {
	b.world, _ = script(max(0, from-1))
	for sample := range metrics.Samples(b.view()) { // their end is still to be marked
		if from > 0 {
			b.known[sample.Series] = true
		}
	}
	for step := from; step < to; step++ {
		b.now = time.Date(2025, 11, 2, 10, 0, 0, 0, time.UTC).Add(time.Duration(step) * b.every)
		var up float64
		b.world, up = script(step)
		b.put(`up{job="crm-events",instance="crm-events:9010"}`, up)
		at := b.now
		b.look()
		maps.DeleteFunc(b.alerts, func(_ string, a tidemark.Alert) bool { // told once more after a kill
			return a.State == tidemark.AlertResolved && !a.ResolvedAt.Equal(at)
		})
		text, err := json.Marshal(b.alerts)
		if err != nil {
			b.Fatal(err)
		}
		say(step, string(text))
	}
}

// The child of the next test: it goes on where the last one was killed.
func TestKilledChild(t *testing.T) {
	dir, from := os.Getenv("TIDEMARK_KILLED_DIR"), os.Getenv("TIDEMARK_KILLED_FROM")
	if dir == "" {
		t.Skip("only for the test that kills it")
	}
	step, err := strconv.Atoi(from)
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, rules.Options{Config: rules.Config{Files: []string{filepath.Join(dir, "rules.yaml")}}})
	b.db.Close()
	b.dir = dir
	b.open()
	walk(b, step, step+1000, func(step int, alerts string) { fmt.Printf("STEP %d %s\n", step, alerts) })
}

func TestKillsAtRandomMomentsChangeNothingAboutAnyAlert(t *testing.T) {
	if testing.Short() {
		t.Skip("200 processes take too long")
	}
	kills := 200
	if race.On() {
		kills = 25
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.yaml"), shortAndKept)
	random := rand.New(rand.NewPCG(1, 2))
	var heard []string
	for range kills {
		heard = append(heard, killed(t, dir, len(heard), 1+random.IntN(6), time.Duration(random.IntN(3000))*time.Microsecond)...)
	}
	t.Logf("%d kills over %d looks", kills, len(heard))
	walk(newBed(t, ownRules(t, shortAndKept)), 0, len(heard), func(step int, want string) {
		if got := heard[step]; got != want {
			t.Fatalf("after kills, at look %d:\n%s\nwithout:\n%s", step, got, want)
		}
	})
}

// killed runs the child for some looks, kills it a little later, and returns what it
// said. A look that was made but not said is made again.
func killed(t *testing.T, dir string, from, looks int, later time.Duration) (said []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledChild$", "-test.v")
	child.Env = append(os.Environ(), "TIDEMARK_KILLED_DIR="+dir, "TIDEMARK_KILLED_FROM="+strconv.Itoa(from))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text, is := strings.CutPrefix(lines.Text(), fmt.Sprintf("STEP %d ", from+len(said)))
		if !is {
			continue
		}
		if said = append(said, text); len(said) == looks {
			<-time.After(later)
			_ = child.Process.Kill()
		}
	}
	if err := child.Wait(); err == nil || len(said) < looks {
		t.Fatalf("the child ended after %d looks of %d: %v", len(said), looks, err)
	}
	return said
}
