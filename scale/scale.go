// Package scale turns advice into a size: it decides after each look how many
// replicas a group's consumers should have, says so, and changes the size where it
// is allowed to.
//
// It hides the bounds (budgets, rests, freezes, what was tried in vain), the
// journal, and how each kind of target is asked and told. It never asks for fewer
// replicas because of something that was not seen, never acts on a target that the
// configuration does not name, never acts before the journal is on the disk, and
// never changes a size back that somebody else has changed.
//
// May change until version 1.
package scale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
)

// Options is Config and the living things.
type Options struct {
	Config
	Journal  *Journal
	Pipeline func(cluster, group string) tidemark.Pipeline // whose target and thresholds hold for a group
	Changer  func(Target) (Changer, error)                 // nil: as the target's outlet says
	Leads    func() bool                                   // whether of several processes this one acts; nil: there is one
	Log      *slog.Logger
}

// Changer asks how large a target is, and changes that.
type Changer interface {
	// Size is the present size.
	Size(ctx context.Context) (Size, error)
	// Change carries out an order. It returns [ErrConflict] when the size is no
	// longer the one that the order came from. The same order may come twice.
	Change(ctx context.Context, o Order) error
}

// ErrConflict says that somebody else has changed the size meanwhile.
var ErrConflict = errors.New("the size is not what it was when this was decided")

// Size is how large a target is.
type Size struct {
	Replicas int    // as asked for
	Ready    int    // of these, how many run; -1: not known
	Rolling  bool   // a deploy is under way
	Owner    string // what else sets this size, as "HorizontalPodAutoscaler crm"; empty: nothing
	Version  string // of the object that holds the size; an order is refused when it has changed
}

// Order is a change of size to be carried out.
type Order struct {
	ID      string    `json:"id"` // the same for every try
	Target  string    `json:"target"`
	Group   string    `json:"group"`
	From    int       `json:"from"`
	To      int       `json:"to"`
	Because string    `json:"because"`
	Version string    `json:"version,omitempty"` // of the size that From was read from
	At      time.Time `json:"at"`
}

// Scaler decides about all targets.
type Scaler struct {
	Options
	targets []*target

	mu     sync.Mutex // guards frozen and what changes of the targets
	frozen string     // by whom and why; empty: not
}

// New goes on where the journal ends. It does not need any target to be there.
func New(o Options) (*Scaler, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Scaler{Options: o}
	for _, c := range o.Targets {
		t, err := s.openTarget(c)
		if err != nil {
			return nil, fmt.Errorf("scale target %s: %w", c.Name, err)
		}
		s.targets = append(s.targets, t)
	}
	for _, e := range o.Journal.past() {
		s.remember(e)
	}
	return s, nil
}

// Step decides about every target after a look.
func (s *Scaler) Step(v *tidemark.View) []tidemark.Decision {
	decisions, news := s.decide(v)
	if err := s.Journal.write(news...); err != nil {
		s.Log.Error("the scaler's journal cannot be written; nothing will be changed", "err", err)
	}
	return decisions
}

func (s *Scaler) decide(v *tidemark.View) (decisions []tidemark.Decision, news []Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop := s.stopped(v.At)
	for _, t := range s.targets {
		d, known := t.decide(v, stop)
		if !known {
			continue
		}
		if t.told(d) {
			news = append(news, Entry{At: d.At, Target: t.Name, Decision: &d, Shadow: t.shadow})
		}
		decisions = append(decisions, d)
	}
	return decisions, news
}

// stopped says why no size may change now; empty: they may.
func (s *Scaler) stopped(at time.Time) (because string) {
	if s.frozen != "" {
		return "everything is frozen: " + s.frozen
	}
	if s.FreezeFile != "" {
		if _, err := os.Stat(s.FreezeFile); err == nil {
			return "everything is frozen: " + s.FreezeFile + " exists"
		}
	}
	for _, f := range s.Freezes {
		if f.Only == "" && f.When.holds(at) {
			return fmt.Sprintf("frozen for %s until %s", f.Name, f.When.To)
		}
	}
	if s.spent(at) {
		return fmt.Sprintf("the budget of %d changes an hour for all targets is spent", s.budget())
	}
	return ""
}

func (s *Scaler) budget() int {
	if s.ActionsPerHour == 0 {
		return 30
	}
	return s.ActionsPerHour
}

func (s *Scaler) spent(at time.Time) bool {
	n := 0
	for _, t := range s.targets {
		n += t.changesSince(at.Add(-time.Hour))
	}
	return n >= s.budget()
}

// Run asks every target for its size and carries out orders until ctx ends.
func (s *Scaler) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range s.targets {
		if t.changer != nil {
			g.Go(func() error { return t.run(ctx, s) })
		}
	}
	return g.Wait()
}

func (s *Scaler) find(name string) (*target, bool) {
	i := slices.IndexFunc(s.targets, func(t *target) bool { return t.Name == name })
	if i < 0 {
		return nil, false
	}
	return s.targets[i], true
}
