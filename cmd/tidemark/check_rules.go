package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/rules"
)

func checkRulesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "rules FILE…",
		Short:   "Show every mistake in Prometheus rule files, with its line",
		Example: "  tidemark check rules rules/*.yaml",
		Args:    needs(cobra.MinimumNArgs(1), "name the file: tidemark check rules rules.yaml"),
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
