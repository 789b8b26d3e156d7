package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/notify"
)

func notifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "Who is told about alerts",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(notifyTestCommand())
	return c
}

func notifyTestCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "test RECEIVER",
		Short:   "Tell one receiver about an alert that is none: that it fires, and that it is over",
		Example: "  tidemark notify test team-slack --config.file tidemark.yaml",
		Args:    needs(cobra.ExactArgs(1), "name one receiver of your alertmanager.yml: tidemark notify test team-slack --config.file tidemark.yaml"),
		RunE: func(c *cobra.Command, receiver []string) error {
			if file == "" {
				return exit{exitUsage, errors.New("say which configuration: tidemark notify test " + receiver[0] + " --config.file tidemark.yaml")}
			}
			settings, err := config.Load(file, os.Environ())
			if err != nil {
				return exit{exitUsage, err}
			}
			options := notify.Options{Config: settings.Notify, ExternalURL: settings.Web.ExternalURL, Log: slog.New(slog.DiscardHandler)}
			if err := notify.Test(c.Context(), options, receiver[0]); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "✓ %s was told, twice: that a test alert fires, and that it is over\n", receiver[0])
			return nil
		},
	}
	c.Flags().StringVar(&file, "config.file", "", "tidemark.yaml to read")
	return c
}
