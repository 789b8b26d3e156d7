package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/web"
)

func checkCommand() *cobra.Command {
	check := &cobra.Command{
		Use:   "check",
		Short: "Check files before they are used",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	check.AddCommand(&cobra.Command{
		Use:     "config FILE…",
		Short:   "Show every mistake in a tidemark.yaml, with its line and what was probably meant",
		Example: "  tidemark check config tidemark.yaml",
		Args:    needs(cobra.MinimumNArgs(1), "name the file: tidemark check config tidemark.yaml"),
		RunE:    func(c *cobra.Command, files []string) error { return checkConfigs(c, files) },
	}, checkRulesCommand("rules", "tidemark check rules"), checkDashboardCommand(), checkGroupCommand())
	return check
}

// Nagios' exit codes, which cron, Icinga and Sensu know too.
const (
	nagiosOK = iota
	nagiosWarning
	nagiosCritical
	nagiosUnknown
)

func checkGroupCommand() *cobra.Command {
	var ask askFlags
	var warn, crit int64
	c := &cobra.Command{
		Use:   "group NAME",
		Short: "A group's lag as a check of Nagios, Icinga or Sensu",
		Long: "Prints one line with performance data and exits with 0 (OK), 1 (warning: more than --warn\n" +
			"records behind), 2 (critical: more than --crit) or 3 (unknown: not all of it was seen).",
		Example: "  tidemark check group crm-events-sse --warn 500 --crit 1000",
		Args:    needs(cobra.ExactArgs(1), "name one group: tidemark check group crm-events-sse --warn 500 --crit 1000"),
		RunE: func(c *cobra.Command, args []string) error {
			code, says := nagios(c, &ask, args[0], warn, crit)
			fmt.Fprintf(c.OutOrStdout(), "%s - %s\n", [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[code], says)
			return exit{code: code}
		},
	}
	c.Flags().Int64Var(&warn, "warn", 500, "more records behind than this is a warning")
	c.Flags().Int64Var(&crit, "crit", 1000, "more records behind than this is critical")
	ask.bind(c)
	return c
}

// nagios judges a group in one line: what a person reads, a bar, what a program reads.
func nagios(c *cobra.Command, ask *askFlags, name string, warn, crit int64) (code int, says string) {
	o, path, err := ask.about(c, name)
	if err != nil {
		return nagiosUnknown, oneLine(err)
	}
	var g web.GroupDetail
	if err := o.ask(c.Context(), path, nil, &g); err != nil {
		return nagiosUnknown, oneLine(err)
	}
	if !g.Group.Fresh || !g.Group.Lag.Records.Known {
		return nagiosUnknown, fmt.Sprintf("%s: %s", name, g.Group.Because)
	}
	lag := int64(g.Group.Lag.Records.Value)
	switch {
	case lag > crit:
		code = nagiosCritical
	case lag > warn:
		code = nagiosWarning
	}
	return code, fmt.Sprintf("%s is %s records behind, %s | lag=%d;%d;%d;0", name, lagText(g.Group.Lag), g.Group.State, lag, warn, crit)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func checkConfigs(c *cobra.Command, files []string) error {
	good := true
	for _, file := range files {
		if _, err := config.Load(file, os.Environ()); err != nil {
			good = false
			fmt.Fprintln(c.ErrOrStderr(), err)
			continue
		}
		fmt.Fprintf(c.OutOrStdout(), "✓ %s\n", file)
	}
	if !good {
		return exit{code: exitUsage}
	}
	return nil
}

// needs turns cobra's count of arguments into a sentence that says what to type.
func needs(args cobra.PositionalArgs, says string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if args(c, given) != nil {
			return exit{exitUsage, fmt.Errorf("%s", says)}
		}
		return nil
	}
}
