package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/web"
)

func explainCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "explain GROUP",
		Short:   "What is wrong with a group, why, how long, and what to do about it",
		Example: "  tidemark explain crm-events-sse",
		Args:    needs(cobra.ExactArgs(1), "name one group: tidemark explain crm-events-sse   (all of them: tidemark groups)"),
		RunE: func(c *cobra.Command, args []string) error {
			o, path, err := ask.about(c, args[0])
			if err != nil {
				return err
			}
			var g web.GroupDetail
			return show(c, o, output, path, nil, &g, func() error { return explain(c, o, g) })
		},
	}
	ask.bind(c)
	bindOutput(c, &output, oneForm())
	return c
}

func explain(c *cobra.Command, o oracle, g web.GroupDetail) error {
	out := c.OutOrStdout()
	level, text := verdict(g.Group.State)
	shape, _, _ := strings.Cut(text, " ")
	fmt.Fprintf(c.ErrOrStderr(), "%s\n\n", o.says)
	fmt.Fprintf(out, "%s %s", paint(out, level, shape), g.Explanation.Text())
	return nil
}
