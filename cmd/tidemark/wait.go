package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

func waitCommand() *cobra.Command {
	waiting := &cobra.Command{
		Use:   "wait",
		Short: "Wait until something is so, for scripts and pipelines",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var ask askFlags
	var goals []string
	var timeout time.Duration
	group := &cobra.Command{
		Use:   "group NAME",
		Short: "Wait until a group has caught up, or whatever else is asked",
		Long: "Waits until every --for holds in the latest look: lag, time_lag, eta, members or state,\n" +
			"compared by <=, >=, <, > or ==. What is not known does not hold. Exit code 3: it did\n" +
			"not come true in time.",
		Example: "  tidemark wait group crm-events-sse --for 'lag<=0' --timeout 5m\n  tidemark wait group crm-events-sse --for 'members>=2' --for 'eta<=10m'",
		Args:    needs(cobra.ExactArgs(1), "name one group: tidemark wait group crm-events-sse --for 'lag<=0'"),
		RunE: func(c *cobra.Command, args []string) error {
			wanted, err := parseGoals(goals)
			if err != nil {
				return exit{exitUsage, err}
			}
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			return waitFor(c, o, args[0], wanted, timeout)
		},
	}
	group.Flags().StringArrayVar(&goals, "for", []string{"lag<=0"}, "what shall hold; can be given several times")
	group.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "give up after this long")
	ask.bindServer(group)
	waiting.AddCommand(group)
	return waiting
}

// goal is a comparison that shall hold.
type goal struct {
	text, field, compare string
	state                tidemark.State
	limit                float64 // records, seconds or members
}

var goalForm = regexp.MustCompile(`^\s*(lag|time_lag|eta|members|state)\s*(<=|>=|==|<|>)\s*(\w[\w.]*)\s*$`)

func parseGoals(texts []string) (goals []goal, err error) {
	for _, text := range texts {
		parts := goalForm.FindStringSubmatch(text)
		if parts == nil {
			return nil, fmt.Errorf("--for %q: write it like lag<=0, time_lag<=30s, eta<=10m, members>=2 or state==caught_up", text)
		}
		g := goal{text: text, field: parts[1], compare: parts[2], state: tidemark.State(parts[3])}
		switch g.field {
		case "state":
			if g.compare != "==" || !slices.Contains(tidemark.States(), g.state) {
				return nil, fmt.Errorf("--for %q: write state== and one of %v", text, tidemark.States())
			}
		case "lag", "members":
			if g.limit, err = strconv.ParseFloat(parts[3], 64); err != nil {
				return nil, fmt.Errorf("--for %q: %q is no number", text, parts[3])
			}
		default:
			d, err := time.ParseDuration(parts[3])
			if err != nil {
				return nil, fmt.Errorf("--for %q: %q is no duration; write 30s, 10m or 1h", text, parts[3])
			}
			g.limit = d.Seconds()
		}
		goals = append(goals, g)
	}
	return goals, nil
}

// holds says whether the goal is reached, and what is so instead. Numbers that
// were not seen in the latest look reach nothing.
func (g goal) holds(row web.Row) (reached bool, now string) {
	if !row.Fresh {
		return false, "the latest look did not see the group"
	}
	var value web.Number
	switch g.field {
	case "state":
		return row.State == g.state, "state is " + string(row.State)
	case "lag":
		value, now = row.Lag.Records, "lag is "+lagText(row.Lag)
	case "time_lag":
		value, now = row.TimeLag.Seconds, "time lag is "+span(row.TimeLag.Seconds)
	case "eta":
		value, now = row.Drain.P50, "ETA is "+eta(row)
	case "members":
		value, now = row.Members, "members are "+whole(row.Members)
	}
	if !value.Known {
		return false, now
	}
	switch g.compare {
	case "<=":
		return value.Value <= g.limit, now
	case ">=":
		return value.Value >= g.limit, now
	case "<":
		return value.Value < g.limit, now
	case ">":
		return value.Value > g.limit, now
	default:
		return value.Value == g.limit, now
	}
}

// waitFor asks once a second. A server that cannot be reached for a while is one
// more reason to wait.
func waitFor(c *cobra.Command, o oracle, name string, goals []goal, timeout time.Duration) error {
	path, err := find(c, o, name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), timeout)
	defer cancel()
	talk := c.ErrOrStderr()
	for {
		reached, now := judge(ctx, o, path, goals)
		if reached {
			fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", name, now)
			return nil
		}
		if terminal(talk) {
			fmt.Fprintf(talk, "\r\x1b[K%s: %s", name, now)
		}
		if wait(ctx, time.Second) == nil {
			continue
		}
		if terminal(talk) {
			fmt.Fprintln(talk)
		}
		if c.Context().Err() != nil {
			return c.Context().Err()
		}
		return exit{exitFinding, fmt.Errorf("%s: not in %s: %s", name, timeout, now)}
	}
}

// judge says whether all goals hold now; now tells of the first that does not.
func judge(ctx context.Context, o oracle, path string, goals []goal) (all bool, now string) {
	var g web.GroupDetail
	if err := o.ask(ctx, path, nil, &g); err != nil {
		return false, err.Error()
	}
	var said []string
	for _, goal := range goals {
		reached, now := goal.holds(g.Group.Row)
		if !reached {
			return false, now + ", wanted " + goal.text
		}
		said = append(said, now)
	}
	return true, strings.Join(said, ", ")
}
