package scale

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is what an operator may write under scale.
type Config struct {
	// Mode is how far any target may go; empty means recommend.
	Mode Mode `yaml:"mode"`
	// ActionsPerHour is the budget of all targets together; 0 means 30.
	ActionsPerHour int `yaml:"actions_per_hour"`
	// FreezeFile freezes every size while a file of this name exists.
	FreezeFile string `yaml:"freeze_file"`
	// Freezes are times in which sizes do not change: quiet hours, deploys.
	Freezes []Freeze `yaml:"freezes"`
	// Targets are all that may ever be scaled.
	Targets []Target `yaml:"targets"`
}

// Mode is how far the scaler goes.
type Mode string

// The modes, from the most careful on.
const (
	Observe   Mode = "observe"   // decide and write the journal
	Recommend Mode = "recommend" // say it, too
	Approve   Mode = "approve"   // act once a person has agreed to this very change
	Act       Mode = "act"
)

// modes are all of them, in this order.
func modes() []Mode { return []Mode{Observe, Recommend, Approve, Act} }

// lesser returns the more careful of two modes.
func lesser(a, b Mode) Mode { return modes()[min(slices.Index(modes(), a), slices.Index(modes(), b))] }

// Target is one group and what runs its consumers.
type Target struct {
	Name    string `yaml:"name"`
	Cluster string `yaml:"cluster"`
	Group   string `yaml:"group"`
	Mode    Mode   `yaml:"mode"`   // for this target; the more careful of this and the general one holds
	Policy  string `yaml:"policy"` // tidemark (the default) or seed
	Min     int    `yaml:"min"`    // 0 means 1
	Max     int    `yaml:"max"`
	Step    int    `yaml:"step"` // at most so many replicas at once; 0: any
	// ActionsPerHour is this target's budget; 0 means 6.
	ActionsPerHour int  `yaml:"actions_per_hour"`
	Rest           Rest `yaml:"rest"`
	// Shadow is how long the target is watched before it may act; 0 means 24 hours.
	Shadow   time.Duration `yaml:"shadow"`
	Schedule []Prescale    `yaml:"schedule"`
	Outlet   Outlet        `yaml:"outlet"`
}

// Rest is how long a size stays after a change, beside what the policy itself waits.
type Rest struct {
	Up   time.Duration `yaml:"up"`
	Down time.Duration `yaml:"down"`
}

// Freeze is a time in which sizes do not change.
type Freeze struct {
	Name string `yaml:"name"`
	When Window `yaml:"when"`
	Only string `yaml:"only"` // down: growing stays allowed; empty: neither
}

// Prescale is a time for which load is expected: the size is at least Min.
type Prescale struct {
	Name string `yaml:"name"`
	When Window `yaml:"when"`
	Min  int    `yaml:"min"`
}

// Outlet says how the size is changed.
type Outlet struct {
	// Kind is none (the default: it is only said), dry-run, command or webhook.
	Kind    string   `yaml:"kind"`
	Command []string `yaml:"command"` // program and arguments; {replicas}, {from} and {group} are filled in
	// Size is a program that prints how many replicas there are; none: the group's members are counted.
	Size       []string `yaml:"size"`
	URL        string   `yaml:"url"`         // of the webhook
	SecretFile string   `yaml:"secret_file"` // what the webhook's requests are signed with
}

// Validate says what in the configuration cannot work, and what would.
func (c Config) Validate() error {
	var wrong []error
	if c.Mode != "" && !slices.Contains(modes(), c.Mode) {
		wrong = append(wrong, fmt.Errorf("scale.mode is %q; it must be observe, recommend, approve or act", c.Mode))
	}
	for i, f := range c.Freezes {
		if err := f.When.validate(); err != nil {
			wrong = append(wrong, fmt.Errorf("scale.freezes.%d: %w", i, err))
		}
		if f.Only != "" && f.Only != "down" {
			wrong = append(wrong, fmt.Errorf("scale.freezes.%d: only is %q; it must be down, or be left out", i, f.Only))
		}
	}
	names := map[string]bool{}
	for i, t := range c.Targets {
		if err := t.validate(); err != nil {
			wrong = append(wrong, fmt.Errorf("scale.targets.%d: %w", i, err))
		}
		if names[t.Name] {
			wrong = append(wrong, fmt.Errorf("scale.targets.%d: name %q is used twice", i, t.Name))
		}
		names[t.Name] = true
	}
	return errors.Join(wrong...)
}

func (t Target) validate() error {
	switch {
	case t.Name == "" || strings.ContainsAny(t.Name, "/?#%"):
		return fmt.Errorf("name is %q; it is part of a URL and needs plain letters", t.Name)
	case t.Group == "":
		return errors.New("group is missing: whose lag decides about the size")
	case t.Cluster == "":
		return errors.New("cluster is missing: where the group is")
	case t.Max < 1 || t.Max < t.Min || t.Min < 0:
		return fmt.Errorf("min is %d and max is %d; max must be given, and not be less than min", t.Min, t.Max)
	case t.Mode != "" && !slices.Contains(modes(), t.Mode):
		return fmt.Errorf("mode is %q; it must be observe, recommend, approve or act", t.Mode)
	case t.Policy != "" && t.Policy != "tidemark" && t.Policy != "seed":
		return fmt.Errorf("policy is %q; it must be tidemark or seed", t.Policy)
	}
	for _, p := range t.Schedule {
		if err := p.When.validate(); err != nil {
			return fmt.Errorf("schedule %q: %w", p.Name, err)
		}
		if p.Min < 1 || p.Min > t.Max {
			return fmt.Errorf("schedule %q: min is %d; it must be between 1 and max, which is %d", p.Name, p.Min, t.Max)
		}
	}
	return t.Outlet.validate()
}
