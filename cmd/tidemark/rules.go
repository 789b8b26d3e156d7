package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/web"
)

func rulesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rules",
		Short: "Rules: what is loaded, what it would have done, whether files are right",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(rulesListCommand(), rulesReplayCommand(), checkRulesCommand("check", "tidemark rules check"), testRulesCommand("test", "tidemark rules test"))
	return c
}

func testCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "test",
		Short: "Test what is written before it is used",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(testRulesCommand("rules", "tidemark test rules"))
	return c
}

// loadedRule is a rule as Prometheus' API tells it.
type loadedRule struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"` // alerting or recording
	State     string  `json:"state"`
	Health    string  `json:"health"`
	LastError string  `json:"lastError"`
	Duration  float64 `json:"duration"` // seconds that it must hold
}

// status is the state of an alert, or what is wrong with the rule.
func (r loadedRule) status() string {
	if r.Health == "err" {
		return "× " + r.LastError
	}
	return cmp.Or(r.State, r.Health)
}

func rulesListCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "list",
		Short:   "The rules that a running tidemark evaluates, and how they are",
		Example: "  tidemark rules list\n  tidemark rules list -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			var loaded struct {
				Data struct {
					Groups []struct {
						Name  string       `json:"name"`
						Rules []loadedRule `json:"rules"`
					} `json:"groups"`
				} `json:"data"`
			}
			return show(c, o, output, "/api/v1/rules", nil, &loaded, func() error {
				table := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
				fmt.Fprintln(table, "RULE\tTYPE\tFOR\tSTATE\tGROUP")
				for _, g := range loaded.Data.Groups {
					for _, r := range g.Rules {
						fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.Type, span(web.Number{Value: r.Duration, Known: r.Type == "alerting"}), r.status(), g.Name)
					}
				}
				return table.Flush()
			})
		},
	}
	ask.bindServer(c)
	bindOutput(c, &output, oneForm())
	return c
}

func rulesReplayCommand() *cobra.Command {
	var ask askFlags
	var output, to string
	since := model.Duration(24 * time.Hour)
	c := &cobra.Command{
		Use:   "replay ALERT",
		Short: "What an alert would have done over the history that is kept",
		Long: "Evaluates a loaded alerting rule over what a running tidemark recorded: when it would\n" +
			"have fired, how long, and which threshold or which for would have halved the noise.",
		Example: "  tidemark rules replay CrmEventsConsumerLagHigh --since 7d",
		Args:    needs(cobra.ExactArgs(1), "name one alert: tidemark rules replay CrmEventsConsumerLagHigh   (all of them: tidemark rules list)"),
		RunE: func(c *cobra.Command, alert []string) error {
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			query := url.Values{"rule": {alert[0]}, "range": {time.Duration(since).String()}}
			if to != "" {
				query.Set("to", to)
			}
			var r web.Replay
			return show(c, o, output, "/replay", query, &r, func() error { return printReplay(c, r) })
		},
	}
	c.Flags().Var(&since, "since", "over how long, as 36h or 7d, up to 31d")
	c.Flags().StringVar(&to, "to", "", "until when, as 2026-11-23T12:00:00Z (default: now)")
	ask.bindServer(c)
	bindOutput(c, &output, oneForm())
	return c
}

func printReplay(c *cobra.Command, r web.Replay) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s would have fired %d times between %s and %s.\n", r.Rule, len(r.Firings), r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	fmt.Fprintln(c.ErrOrStderr(), "what history does not hold, for its age or because nothing was seen, fires nothing")
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i, f := range r.Firings {
		if i == 0 {
			fmt.Fprintln(table, "FIRED\tLASTED\tWORST\tABOUT")
		}
		lasted := "still fires"
		if !f.EndedAt.IsZero() {
			lasted = span(web.Number{Value: f.EndedAt.Sub(f.FiredAt.Time).Seconds(), Known: true})
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.FiredAt.Format(time.RFC3339), lasted, rate(f.Worst), labelsOf(f.Labels))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var halved []string
	if r.Threshold.Known {
		halved = append(halved, "a threshold of "+whole(r.Threshold))
	}
	if r.Hold.Known {
		halved = append(halved, "for: "+span(r.Hold))
	}
	if len(halved) > 0 {
		fmt.Fprintf(out, "\n%s would have halved that.\n", strings.Join(halved, ", or "))
	}
	return nil
}

func labelsOf(labels map[string]string) model.LabelSet {
	set := model.LabelSet{}
	for name, value := range labels {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	return set
}

// testRulesCommand runs rule unit tests; it is called in two ways.
func testRulesCommand(name, called string) *cobra.Command {
	return &cobra.Command{
		Use:     name + " FILE…",
		Short:   "Run rule unit tests, in promtool's format and with its verdict",
		Example: "  " + called + " rules_test.yaml",
		Args:    needs(cobra.MinimumNArgs(1), "name the file: "+called+" rules_test.yaml"),
		RunE: func(c *cobra.Command, files []string) error {
			good := true
			for _, t := range rules.RunTests(c.Context(), files) {
				if err := errors.Join(t.Failures...); err != nil {
					good = false
					fmt.Fprintf(c.ErrOrStderr(), "× %s\n%v\n", t.File, err)
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "✓ %s: %d tests\n", t.File, t.Tests)
			}
			if !good {
				return exit{code: exitFinding}
			}
			return nil
		},
	}
}
