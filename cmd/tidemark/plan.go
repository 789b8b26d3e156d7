package main

import (
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/web"
)

func planCommand() *cobra.Command {
	var ask askFlags
	var output, arrivals string
	var replicas, partitions int
	var target time.Duration
	c := &cobra.Command{
		Use:   "plan GROUP",
		Short: "What would be with other replicas, partitions or arrivals",
		Long: "Says when a group would have caught up with so many replicas and partitions, and what\n" +
			"to type for it. Without --replicas: with as many as meet the target.",
		Example: "  tidemark plan crm-events-sse --target 10m\n" +
			"  tidemark plan crm-events-sse --replicas 6 --partitions 6\n" +
			"  tidemark plan crm-events-sse --arrivals x2          twice of what arrives now",
		Args: needs(cobra.ExactArgs(1), "name one group: tidemark plan crm-events-sse --target 10m"),
		RunE: func(c *cobra.Command, args []string) error {
			o, path, err := ask.about(c, args[0])
			if err != nil {
				return err
			}
			query := url.Values{}
			for name, text := range map[string]string{"replicas": strconv.Itoa(replicas), "partitions": strconv.Itoa(partitions), "arrivals": arrivals, "target": target.String()} {
				if c.Flags().Changed(name) {
					query.Set(name, text)
				}
			}
			var p web.Plan
			return show(c, o, output, path+"/plan", query, &p, func() error { return printPlan(c, o, p) })
		},
	}
	c.Flags().IntVar(&replicas, "replicas", 0, "so many replicas (default: as many as meet the target)")
	c.Flags().IntVar(&partitions, "partitions", 0, "so many partitions (default: as there are, or as many as the replicas need)")
	c.Flags().StringVar(&arrivals, "arrivals", "", "records per second, as 14.7, or times of what arrives now, as x2")
	c.Flags().DurationVar(&target, "target", 0, "the lag shall be gone after this long (default: as the pipeline says, or 10m)")
	ask.bind(c)
	bindOutput(c, &output, oneForm())
	return c
}

func printPlan(c *cobra.Command, o oracle, p web.Plan) error {
	out := c.OutOrStdout()
	fmt.Fprintf(c.ErrOrStderr(), "%s\n\n", o.says)
	fmt.Fprintf(out, "%s\n\n", p.Text)
	facts := [][2]string{
		{"Replicas", fmt.Sprintf("%s → %d", whole(p.ReplicasNow), p.Replicas)},
		{"Partitions", fmt.Sprintf("%d → %d", p.PartitionsNow, p.Partitions)},
		{"Arriving", rate(p.Arrivals) + "/s"},
		{"One replica", rate(p.Capacity.PerSecond) + "/s"},
		{"Together", rate(p.Together) + "/s"},
		{"Needed", whole(p.Needed) + " replicas for " + span(p.Target)},
	}
	for _, f := range facts {
		fmt.Fprintf(out, "  %-12s %s\n", f[0], f[1])
	}
	if len(p.Commands) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, command := range p.Commands {
		fmt.Fprintf(table, "  %s\t%s\n", command.As, command.Text)
	}
	return table.Flush()
}
