package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/config"
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
	})
	return check
}

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
