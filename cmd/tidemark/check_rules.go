package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/rules"
)

// checkRulesCommand looks at rule files; it is called in two ways.
func checkRulesCommand(name, called string) *cobra.Command {
	return &cobra.Command{
		Use:     name + " FILE…",
		Short:   "Show every mistake in Prometheus rule files, with its line",
		Example: "  " + called + " rules/*.yaml",
		Args:    needs(cobra.MinimumNArgs(1), "name the file: "+called+" rules.yaml"),
		RunE: func(c *cobra.Command, files []string) error {
			good := true
			for _, file := range files {
				if problems := rules.CheckFiles([]string{file}); len(problems) > 0 {
					good = false
					fmt.Fprintln(c.ErrOrStderr(), problems)
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "✓ %s\n", file)
			}
			if !good {
				return exit{code: exitFinding}
			}
			return nil
		},
	}
}
