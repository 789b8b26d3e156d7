package rules_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/rules"
)

// weekRules are evaluated every three minutes, so that a week has 3,360 looks.
const weekRules = `
groups:
- name: week
  interval: 3m
  rules:
  - {alert: LagHigh, expr: "sum by (cluster, consumergroup) (kafka_consumergroup_lag) > 500 unless on (cluster, consumergroup) tidemark_group_complete == 0", for: 6m, keep_firing_for: 9m}
`

// oracle is what happens in the simulated week: when the lag is high, and how high.
// Times are in looks of three minutes.
var oracle = []struct {
	from, to int
	lag      int64
	fires    bool
}{
	{100, 101, 9000, false}, // one look: not long enough
	{200, 203, 600, true},
	{400, 440, 700, true},
	{1000, 1004, 800, true},
	{1300, 1305, 20000, true},
	{1306, 1310, 20000, false}, // it still fires when the lag is back
	{2000, 2100, 30000, true},  // with the data missing for a while
	{3300, 4000, 950, true},    // still at the end
}

func TestReplayOverAWeekFindsWhatTheRunningEngineFiredAndTheOracleKnows(t *testing.T) {
	if testing.Short() {
		t.Skip("3,360 looks take some seconds")
	}
	b := newBed(t, ownRules(t, weekRules))
	b.every = 3 * time.Minute
	began := b.now
	moment := func(look int) time.Time { return began.Add(time.Duration(look) * b.every) }
	var fired []time.Time
	ends := map[time.Time]time.Time{} // of firings, as the running engine says
	for look := range 3360 {
		b.world.lag, b.world.state, b.world.silent = 0, tidemark.Idle, look >= 2050 && look < 2120
		for _, o := range oracle {
			if look >= o.from && look < o.to {
				b.world.lag, b.world.state = o.lag, tidemark.Steady
			}
		}
		b.look()
		a := b.alerts["LagHigh"]
		if a.State == tidemark.AlertFiring && a.FiredAt.Equal(moment(look)) {
			fired = append(fired, a.FiredAt)
		}
		if a.State == tidemark.AlertResolved {
			ends[a.FiredAt] = a.ResolvedAt
		}
	}
	got, err := b.engine.Replay(t.Context(), "LagHigh", began, moment(3359))
	if err != nil {
		t.Fatal(err)
	}
	var known []time.Time
	for _, o := range oracle {
		if o.fires {
			known = append(known, moment(o.from+2))
		}
	}
	var replayed []time.Time
	for _, f := range got.Firings {
		replayed = append(replayed, f.Fired)
		if want := ends[f.Fired]; !f.Ended.Equal(want) {
			t.Errorf("what fired at %s ended at %s, want %s", f.Fired, f.Ended, want)
		}
	}
	if !slices.EqualFunc(replayed, known, time.Time.Equal) || !slices.EqualFunc(fired, known, time.Time.Equal) {
		t.Errorf("replayed %v\nfired %v\nwant %v", replayed, fired, known)
	}
	if got.Threshold == nil || *got.Threshold != 800 {
		t.Errorf("threshold = %v, want 800, which three of six do not exceed", got.Threshold)
	}
	if want := 31 * time.Minute; got.Hold == nil || cmp.Compare(*got.Hold, want) > 0 {
		t.Errorf("hold = %v, want at most %s", got.Hold, want)
	}
}

func TestARuleThatIsNotThereCannotBeReplayed(t *testing.T) {
	b := newBed(t, rules.Options{})
	if _, err := b.engine.Replay(t.Context(), "Nobody", b.now, b.now); err == nil {
		t.Error("it could")
	}
}
