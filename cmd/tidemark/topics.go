package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/web"
)

func topicsCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "topics",
		Short:   "All topics: who reads them, and who is furthest behind",
		Example: "  tidemark topics\n  tidemark topics -o csv",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := ask.oracle(c)
			if err != nil {
				return err
			}
			var all web.Topology
			return show(c, o, output, "/topology", nil, &all, func() error { return listTopics(c, o, topicRows(all), output) })
		},
	}
	ask.bind(c)
	bindOutput(c, &output, listForms())
	return c
}

// topicRow is a topic with what its readers say of it.
type topicRow struct {
	web.Topic
	Groups   int        `json:"groups"`
	Arrivals web.Number `json:"arrivals"` // per second; null: no reader knows
	Worst    *web.Read  `json:"worst"`    // the group furthest behind; null: nobody reads it
}

// topicRows are the topics, the one with the largest lag first.
func topicRows(all web.Topology) []topicRow {
	rows := make([]topicRow, len(all.Topics))
	for i, t := range all.Topics {
		rows[i].Topic = t
		for _, r := range all.Reads {
			if r.Cluster != t.Cluster || r.Topic != t.Name {
				continue
			}
			rows[i].Groups++
			if r.Arrivals.Known {
				rows[i].Arrivals = r.Arrivals
			}
			if rows[i].Worst == nil || r.Lag.Known.Value > rows[i].Worst.Lag.Known.Value {
				rows[i].Worst = &r
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b topicRow) int { return cmp.Compare(b.behind(), a.behind()) })
	return rows
}

// behind orders topics; one that nobody reads comes last.
func (r topicRow) behind() float64 {
	if r.Worst == nil {
		return -1
	}
	return r.Worst.Lag.Known.Value
}

func listTopics(c *cobra.Command, o oracle, rows []topicRow, output string) error {
	switch output {
	case "jsonl":
		return jsonLines(c, rows)
	case "csv":
		return commaSeparated(c, []string{"cluster", "topic", "partitions", "leaderless", "out_of_sync", "groups", "arrivals_per_second", "worst_group", "worst_lag"}, rows, topicCells)
	}
	fmt.Fprintf(c.ErrOrStderr(), "%d topics · %s\n\n", len(rows), o.says)
	table := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tPARTITIONS\tGROUPS\tIN/s\tFURTHEST BEHIND\tLAG\tSTATUS")
	for _, r := range rows {
		worst, lag := nothing, nothing
		if r.Worst != nil {
			worst, lag = r.Worst.Group, lagText(r.Worst.Lag)
		}
		fmt.Fprintln(table, strings.Join([]string{
			r.Name, strconv.Itoa(r.Partitions), strconv.Itoa(r.Groups), rate(r.Arrivals), worst, lag, r.status(),
		}, "\t"))
	}
	return table.Flush()
}

func topicCells(r topicRow) []string {
	worst, lag := "", ""
	if r.Worst != nil {
		worst, lag = r.Worst.Group, exact(r.Worst.Lag.Records)
	}
	return []string{r.Cluster, r.Name, strconv.Itoa(r.Partitions), exact(r.Leaderless), exact(r.OutOfSync), strconv.Itoa(r.Groups), exact(r.Arrivals), worst, lag}
}

func (r topicRow) status() string {
	switch {
	case r.Leaderless.Value > 0:
		return "× " + whole(r.Leaderless) + " without a leader"
	case r.OutOfSync.Value > 0:
		return "! " + whole(r.OutOfSync) + " out of sync"
	case !r.Leaderless.Known:
		return "– not all seen"
	}
	return "✓ ok"
}
