package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aetherlink/tidemark"
)

// Options say what to run, where and how fast.
type Options struct {
	Script *Script
	World  World
	// Speed says how many times faster than the script the world runs: at 30,
	// `within 5m` waits 10 s and `over 20s` publishes for 0.7 s. 0 is 1.
	Speed float64
	// Progress, if there is one, is told when a step begins, when it sees
	// something new, and when it ends.
	Progress func(Step)
}

const (
	// cleanUp bounds the always block, which runs when nobody waits for it any more.
	cleanUp = 2 * time.Minute
	// patience is the shortest time an expectation gets however fast the world
	// runs: members learn of a rebalance by their heartbeats, every 3 s.
	patience = 10 * time.Second
	// drainLimit bounds a drain for which the script names no limit.
	drainLimit = time.Hour
)

// Run walks through the script. The steps stop at the first that fails; the
// always block runs in any case, also when ctx has ended, then with two minutes
// of its own.
//
// A drill whose expectations are not met is no error: Report.Passed says so. The
// error says that the drill could not begin (then there is no report), that an
// action was not possible, or that ctx ended.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Speed == 0 {
		o.Speed = 1
	}
	sight, err := o.World.Look(ctx)
	if err != nil {
		return nil, fmt.Errorf("first look at group %s: %w", o.Script.Group, err)
	}
	if seen := sight.Estimate.Group; seen != "" && seen != o.Script.Group {
		return nil, fmt.Errorf("drill %s is about group %q, and this world shows group %q", o.Script.Name, o.Script.Group, seen)
	}
	r := &runner{Options: o, fired: map[string]bool{}, report: newReport(o)}
	steps := r.all(ctx, o.Script.Steps, false)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	always := r.all(after, o.Script.Always, true)
	r.report.close()
	return r.report, errors.Join(steps, always)
}

// runner is a drill under way.
type runner struct {
	Options
	report *Report
	step   *Step           // the current one
	acted  time.Time       // when the latest action ended: what was seen before counts for nothing
	fired  map[string]bool // alerts that were seen firing
}

// meaning carries out one statement.
type meaning func(ctx context.Context, r *runner, s Statement) outcome

// outcome is what became of a statement.
type outcome struct {
	met  bool
	seen string
	err  error // it could not be carried out
}

// all runs statements. Ordinary ones stop at the first that fails; those of the
// always block all have their turn.
func (r *runner) all(ctx context.Context, statements []Statement, always bool) (err error) {
	failed := false
	for _, s := range statements {
		r.report.Steps = append(r.report.Steps, Step{Number: len(r.report.Steps) + 1, Text: s.String(), Always: always, Verdict: Skipped})
		if failed && !always {
			continue
		}
		r.step = &r.report.Steps[len(r.report.Steps)-1]
		if problem := r.one(ctx, s); problem != nil {
			err = errors.Join(err, fmt.Errorf("step %d, %s: %w", r.step.Number, r.step.Text, problem))
		}
		failed = failed || r.step.Verdict != Passed
	}
	return err
}

// one runs a statement as the current step.
func (r *runner) one(ctx context.Context, s Statement) error {
	r.step.Verdict, r.step.Started = Running, time.Now()
	r.tell()
	result := outcome{seen: "interrupted", err: ctx.Err()}
	if result.err == nil {
		result = s.rule.run(ctx, r, s)
	}
	r.step.Took = time.Since(r.step.Started)
	r.step.Seen, r.step.Verdict = result.seen, Failed
	if result.met && result.err == nil {
		r.step.Verdict = Passed
	}
	if result.err != nil && result.seen == "" {
		r.step.Seen = result.err.Error()
	}
	r.tell()
	return result.err
}

func (r *runner) tell() {
	if r.Progress != nil {
		r.Progress(*r.step)
	}
}

// hurried is how long something takes in this world that the script says takes d.
func (r *runner) hurried(d time.Duration) time.Duration {
	return time.Duration(float64(d) / r.Speed)
}

// act returns the meaning of a line that does something.
func act(verb Verb) meaning {
	return func(ctx context.Context, r *runner, s Statement) outcome {
		err := r.World.Do(ctx, Action{Verb: verb, Count: int(s.number), Over: r.hurried(s.duration), Key: s.name, Partition: s.partition})
		r.acted = time.Now()
		return outcome{met: err == nil, err: err}
	}
}

func wait(ctx context.Context, r *runner, s Statement) outcome {
	if !pause(ctx, r.hurried(s.duration)) {
		return outcome{seen: "interrupted", err: ctx.Err()}
	}
	return outcome{met: true}
}

// pause waits, and says whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// until looks again and again, at most for the given time of the script, until a
// look that began after the latest action meets the condition.
func (r *runner) until(ctx context.Context, within time.Duration, met func(Sight) (seen string, met bool)) outcome {
	limited, cancel := context.WithTimeout(ctx, max(r.hurried(within), min(within, patience)))
	defer cancel()
	every := max(r.hurried(time.Second), 50*time.Millisecond)
	seen := "nothing seen since the last action"
	for {
		sight, err := r.World.Look(limited)
		switch {
		case limited.Err() != nil:
			// What was seen last says more than that this look was cut off.
		case err != nil:
			seen = "not seen: " + err.Error()
		case sight.At.Before(r.acted):
		default:
			r.remember(sight.Alerts)
			var done bool
			if seen, done = met(sight); done {
				return outcome{met: true, seen: seen}
			}
		}
		if seen != r.step.Seen {
			r.step.Seen = seen
			r.tell()
		}
		if !pause(limited, every) {
			return outcome{seen: seen, err: ctx.Err()}
		}
	}
}

// remember keeps which alerts fired: only those can be resolved.
func (r *runner) remember(alerts []tidemark.Alert) {
	for _, a := range alerts {
		if a.State == tidemark.AlertFiring {
			r.fired[a.Name] = true
		}
	}
}
