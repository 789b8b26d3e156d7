package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/web"
)

func alertsCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "alerts",
		Short:   "What fires, what is about to, and what was resolved just now",
		Example: "  tidemark alerts\n  tidemark alerts -o jsonl",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			var list web.AlertList
			return show(c, o, output, "/alerts", nil, &list, func() error { return listAlerts(c, o, list, output) })
		},
	}
	ask.bindServer(c)
	bindOutput(c, &output, listForms())
	return c
}

func listAlerts(c *cobra.Command, o oracle, list web.AlertList, output string) error {
	switch output {
	case "jsonl":
		return jsonLines(c, list.Alerts)
	case "csv":
		return commaSeparated(c, []string{"state", "severity", "alert", "cluster", "group", "since", "value", "summary"}, list.Alerts, func(a web.Alert) []string {
			return []string{a.State, a.Severity, a.Name, a.Labels["cluster"], a.Labels["consumergroup"], since(a).UTC().Format(time.RFC3339), exact(a.Value), a.Annotations["summary"]}
		})
	}
	fmt.Fprintf(c.ErrOrStderr(), "%d alerts · %s\n\n", len(list.Alerts), o.says)
	table := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "STATE\tSEVERITY\tALERT\tGROUP\tFOR\tSUMMARY")
	for _, a := range list.Alerts {
		age := web.Number{Value: list.ObservedAt.Sub(since(a)).Seconds(), Known: true}
		fmt.Fprintln(table, strings.Join([]string{
			a.State, cmp.Or(a.Severity, nothing), a.Name, cmp.Or(a.Labels["consumergroup"], nothing), span(age), a.Annotations["summary"],
		}, "\t"))
	}
	return table.Flush()
}

// since is when an alert came into the state it is in.
func since(a web.Alert) time.Time {
	for _, at := range []web.Time{a.ResolvedAt, a.FiredAt} {
		if !at.IsZero() {
			return at.Time
		}
	}
	return a.ActiveSince.Time
}
