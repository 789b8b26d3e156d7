package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

func groupsCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "groups",
		Short:   "All consumer groups: how far behind, how fast, when done",
		Example: "  tidemark groups\n  tidemark groups --kafka.server=localhost:9092\n  tidemark groups -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := ask.oracle(c)
			if err != nil {
				return err
			}
			return printGroups(c, o, output)
		},
	}
	ask.bind(c)
	bindOutput(c, &output)
	return c
}

func bindOutput(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "table", "table or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func printGroups(c *cobra.Command, o oracle, output string) error {
	switch output {
	case "json":
		body, err := o.raw(c.Context(), "/groups", nil)
		if err == nil {
			_, err = c.OutOrStdout().Write(append(body, '\n'))
		}
		return err
	case "table":
	default:
		return exit{exitUsage, fmt.Errorf("--output=%s: use table or json", output)}
	}
	var list web.GroupList
	if err := o.ask(c.Context(), "/groups", nil, &list); err != nil {
		return err
	}
	slices.SortStableFunc(list.Groups, func(a, b web.Group) int {
		return cmp.Or(cmp.Compare(severity(b.State), severity(a.State)), cmp.Compare(b.Lag.Known.Value, a.Lag.Known.Value))
	})
	out := c.OutOrStdout()
	fmt.Fprintf(c.ErrOrStderr(), "%d groups · %s\n\n", len(list.Groups), o.says)
	if err := groupTable(out, list.Groups); err != nil {
		return err
	}
	for _, gap := range list.Errors {
		fmt.Fprintf(c.ErrOrStderr(), "\nnot seen: %s (%s) %s", gap.What, gap.Reason, gap.Text)
	}
	if slices.ContainsFunc(list.Groups, func(g web.Group) bool { return g.Replicas.Needed.Known }) {
		fmt.Fprintln(c.ErrOrStderr(), "\nREPLICAS: have → needed to be clean in 10 min, or as the pipeline says. ▲3: capped by 3 partitions.")
	}
	return nil
}

func groupTable(out io.Writer, groups []web.Group) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "GROUP\tPHASE\tLAG\tTIME LAG\tTREND\tIN/s\tOUT/s\tDRAIN ETA\tREPLICAS\tSTATUS")
	for _, g := range groups {
		level, text := verdict(g.State)
		cells := []string{
			g.Group, cmp.Or(g.Phase, nothing), lagText(g.Lag), span(g.TimeLag.Seconds),
			strings.TrimSpace(sparkline(g.Trend) + " " + signed(g.Slope)),
			rate(g.Arrivals.PerSecond), rate(g.Consumption.PerSecond), eta(g.Row), replicas(g.Replicas), paint(out, level, text),
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// lagText never shows a part as the whole: "≥ 600 (2 of 3 seen)".
func lagText(l web.Lag) string {
	switch {
	case l.Complete:
		return whole(l.Records)
	case l.Partitions > 0 && l.Uncommitted == l.Partitions:
		return "no commit yet"
	case l.Partitions == 0:
		return nothing
	default:
		return fmt.Sprintf("≥ %s (%d of %d seen)", whole(l.Known), l.Partitions-l.Missing, l.Partitions)
	}
}

func signed(slope web.Number) string {
	switch {
	case !slope.Known:
		return ""
	case slope.Value > 0:
		return "+" + rate(slope) + "/s"
	default:
		return rate(slope) + "/s"
	}
}

// severity orders groups: the larger, the sooner somebody should look.
func severity(s tidemark.State) int {
	switch s {
	case tidemark.Stalled:
		return 7
	case tidemark.Growing:
		return 6
	case tidemark.Stopped:
		return 5
	case tidemark.Unknown:
		return 4
	case tidemark.Steady:
		return 3
	case tidemark.Draining:
		return 2
	case tidemark.CaughtUp:
		return 1
	default:
		return 0
	}
}
