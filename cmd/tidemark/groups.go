package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

func groupsCommand() *cobra.Command {
	var ask askFlags
	var output string
	var watch bool
	c := &cobra.Command{
		Use:     "groups",
		Short:   "All consumer groups: how far behind, how fast, when done",
		Example: "  tidemark groups\n  tidemark groups --kafka.server=localhost:9092\n  tidemark groups --watch\n  tidemark groups -o csv",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := ask.oracle(c)
			if err != nil {
				return err
			}
			if watch {
				return watchGroups(c, o, output)
			}
			return printGroups(c, o, output)
		},
	}
	ask.bind(c)
	bindOutput(c, &output, listForms())
	c.Flags().BoolVarP(&watch, "watch", "w", false, "print them again every 2 s")
	return c
}

// interval is how often a watch asks: a running server looks less often, but
// tells at once.
const interval = 2 * time.Second

// watchGroups prints the groups again and again; on a terminal in the same place.
func watchGroups(c *cobra.Command, o oracle, output string) error {
	if !o.live {
		return exit{exitUsage, fmt.Errorf("--watch needs a running tidemark, and none was found\n  tidemark serve --kafka.server=localhost:9092")}
	}
	for {
		if output == "table" && terminal(c.OutOrStdout()) {
			fmt.Fprint(c.OutOrStdout(), "\x1b[H\x1b[2J")
		}
		if err := printGroups(c, o, output); err != nil {
			return err
		}
		if err := wait(c.Context(), interval); err != nil {
			return err
		}
	}
}

func printGroups(c *cobra.Command, o oracle, output string) error {
	var list web.GroupList
	return show(c, o, output, "/groups", nil, &list, func() error {
		slices.SortStableFunc(list.Groups, func(a, b web.Group) int {
			return cmp.Or(cmp.Compare(severity(b.State), severity(a.State)), cmp.Compare(b.Lag.Known.Value, a.Lag.Known.Value))
		})
		switch output {
		case "jsonl":
			return jsonLines(c, list.Groups)
		case "csv":
			return commaSeparated(c, csvHead(), list.Groups, csvRow)
		}
		return listGroups(c, o, list)
	})
}

func csvHead() []string {
	return []string{"cluster", "group", "state", "lag", "time_lag_seconds", "arrivals_per_second", "consumption_per_second", "drain_seconds", "replicas", "replicas_needed", "replicas_useful", "because"}
}

func csvRow(g web.Group) []string {
	return []string{
		g.Cluster, g.Group, string(g.State), exact(g.Lag.Records), exact(g.TimeLag.Seconds), exact(g.Arrivals.PerSecond), exact(g.Consumption.PerSecond),
		exact(g.Drain.P50), exact(g.Replicas.Have), exact(g.Replicas.Needed), exact(g.Replicas.Useful), g.Because,
	}
}

func listGroups(c *cobra.Command, o oracle, list web.GroupList) error {
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

// groupTable leaves out what a narrow terminal has no room for.
func groupTable(out io.Writer, groups []web.Group) error {
	head := []string{"GROUP", "PHASE", "LAG", "TIME LAG", "TREND", "IN/s", "OUT/s", "DRAIN ETA", "REPLICAS", "STATUS"}
	rows := [][]string{head}
	for _, g := range groups {
		_, text := verdict(g.State)
		rows = append(rows, []string{
			g.Group, cmp.Or(g.Phase, nothing), lagText(g.Lag), span(g.TimeLag.Seconds),
			strings.TrimSpace(sparkline(g.Trend) + " " + signed(g.Slope)),
			rate(g.Arrivals.PerSecond), rate(g.Consumption.PerSecond), eta(g.Row), replicas(g.Replicas), text,
		})
	}
	rows = narrow(rows, columns(out), "PHASE", "TREND", "OUT/s", "IN/s", "REPLICAS", "TIME LAG")
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i, row := range rows {
		if i > 0 {
			level, text := verdict(groups[i-1].State)
			row[len(row)-1] = paint(out, level, text)
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// narrow drops columns, in the order told, until the lines fit; width 0 fits all.
func narrow(rows [][]string, width int, dispensable ...string) [][]string {
	for _, name := range dispensable {
		if width == 0 || widthOf(rows) <= width {
			break
		}
		at := slices.Index(rows[0], name)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], at, at+1)
		}
	}
	return rows
}

// widthOf is how wide the rows are as a table with two spaces between columns.
func widthOf(rows [][]string) (width int) {
	for column := range rows[0] {
		widest := 0
		for _, row := range rows {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
		width += widest + 2
	}
	return width - 2
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
