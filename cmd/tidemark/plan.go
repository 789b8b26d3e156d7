package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/web"
)

// planning is one call of `plan`.
type planning struct {
	ask                  askFlags
	output, arrivals     string
	replicas, partitions int
	target               time.Duration
	days, unordered      bool
	latest               []string
}

func planCommand() *cobra.Command {
	var p planning
	c := &cobra.Command{
		Use:   "plan GROUP",
		Short: "What would be with other replicas, partitions or arrivals",
		Long: "Says when a group would have caught up with so many replicas and partitions, and what\n" +
			"to type for it. Without --replicas: with as many as meet the target. Where it takes more\n" +
			"partitions, it says in which order to add them so that nothing is skipped or read out of\norder.",
		Example: "  tidemark plan crm-events-sse --target 10m\n" +
			"  tidemark plan crm-events-sse --replicas 6 --partitions 6\n" +
			"  tidemark plan crm-events-sse --arrivals x2          twice of what arrives now\n" +
			"  tidemark plan crm-events-sse --replicas 3 -o patch  only what to type\n" +
			"  tidemark plan crm-events-sse --table                events a day, and what they take",
		Args: needs(cobra.ExactArgs(1), "name one group: tidemark plan crm-events-sse --target 10m"),
		RunE: func(c *cobra.Command, args []string) error { return p.run(c, args[0]) },
	}
	f := c.Flags()
	f.IntVar(&p.replicas, "replicas", 0, "so many replicas (default: as many as meet the target)")
	f.IntVar(&p.partitions, "partitions", 0, "so many partitions (default: as there are, or as many as the replicas need)")
	f.StringVar(&p.arrivals, "arrivals", "", "records per second, as 14.7, or times of what arrives now, as x2")
	f.DurationVar(&p.target, "target", 0, "the lag shall be gone after this long (default: as the pipeline says, or 10m)")
	f.BoolVar(&p.days, "table", false, "instead: what so many events a day take, at what one replica reads")
	f.BoolVar(&p.unordered, "unordered", false, "records of one key may be read out of order while partitions are added")
	f.StringSliceVar(&p.latest, "latest", nil, "`groups` that begin at the end where they never committed (auto.offset.reset=latest)")
	p.ask.bind(c)
	bindOutput(c, &p.output, []string{"table", "json", "patch"})
	return c
}

func (p *planning) run(c *cobra.Command, group string) error {
	o, path, err := p.ask.about(c, group)
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, text := range map[string]string{"replicas": strconv.Itoa(p.replicas), "partitions": strconv.Itoa(p.partitions), "arrivals": p.arrivals, "target": p.target.String()} {
		if c.Flags().Changed(name) {
			query.Set(name, text)
		}
	}
	var plan web.Plan
	return show(c, o, p.output, path+"/plan", query, &plan, func() error {
		switch {
		case p.days:
			return printDays(c.OutOrStdout(), plan)
		case p.output == "patch":
			return printPatches(c.OutOrStdout(), plan)
		}
		return p.print(c, o, plan)
	})
}

func (p *planning) print(c *cobra.Command, o oracle, plan web.Plan) error {
	out := c.OutOrStdout()
	fmt.Fprintf(c.ErrOrStderr(), "%s\n\n", o.says)
	fmt.Fprintf(out, "%s\n\n", plan.Text)
	facts := [][2]string{
		{"Replicas", fmt.Sprintf("%s → %d", whole(plan.ReplicasNow), plan.Replicas)},
		{"Partitions", fmt.Sprintf("%d → %d", plan.PartitionsNow, plan.Partitions)},
		{"Arriving", rate(plan.Arrivals) + "/s"},
		{"One replica", rate(plan.Capacity.PerSecond) + "/s"},
		{"Together", rate(plan.Together) + "/s"},
		{"Needed", whole(plan.Needed) + " replicas for " + span(plan.Target)},
	}
	for _, f := range facts {
		fmt.Fprintf(out, "  %-12s %s\n", f[0], f[1])
	}
	if len(plan.Commands) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, command := range plan.Commands {
		fmt.Fprintf(table, "  %s\t%s\n", command.As, command.Text)
	}
	if err := table.Flush(); err != nil || plan.Partitions <= plan.PartitionsNow {
		return err
	}
	return p.printSteps(c, o, plan)
}

// printSteps says in which order to add the partitions, if it is one topic that gets them.
func (p *planning) printSteps(c *cobra.Command, o oracle, plan web.Plan) error {
	var all web.Topology
	if err := o.ask(c.Context(), "/topology", nil, &all); err != nil {
		return err
	}
	mine := slices.DeleteFunc(slices.Clone(all.Reads), func(r web.Read) bool { return r.Cluster != plan.Cluster || r.Group != plan.Group })
	if len(mine) != 1 {
		return nil
	}
	increase := capacity.Increase{Topic: mine[0].Topic, From: plan.PartitionsNow, To: plan.Partitions, Keyed: !p.unordered, Latest: p.latest}
	for _, r := range all.Reads {
		if r.Cluster == plan.Cluster && r.Topic == increase.Topic {
			increase.Groups = append(increase.Groups, r.Group)
		}
	}
	out, procedure := c.OutOrStdout(), increase.Procedure()
	fmt.Fprint(out, "\nMore partitions, in this order:\n\n")
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for i, step := range procedure.Steps {
		fmt.Fprintf(table, "  %d\t%s\t%s\t%s\n", i+1, step.Do, step.On, step.Why)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, risk := range procedure.Risks {
		fmt.Fprintf(out, "  !  %s\n", risk)
	}
	return nil
}

// printPatches prints what to type and nothing else, each under the name of its tool.
func printPatches(out io.Writer, plan web.Plan) error {
	if len(plan.Commands) == 0 {
		return errors.New(plan.Text)
	}
	for _, command := range plan.Commands {
		fmt.Fprintf(out, "# %s\n%s\n", command.As, command.Text)
	}
	return nil
}

// printDays prints the seed's planning table for what one replica reads.
func printDays(out io.Writer, plan web.Plan) error {
	if !plan.Capacity.PerSecond.Known {
		return errors.New(plan.Text)
	}
	fmt.Fprintf(out, "One replica reads %s/s.\n\n", rate(plan.Capacity.PerSecond))
	known := func(v float64) web.Number { return web.Number{Value: v, Known: true} }
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "EVENTS/DAY\tARRIVING\tMINIMUM\tCHOSEN\tSUSTAINS/DAY\tHEADROOM")
	for _, d := range capacity.PlanningTable(plan.Capacity.PerSecond.Value) {
		fmt.Fprintf(table, "%s\t%.3g/s\t%d\t%d on %d partitions\t%s\t%s\n",
			whole(known(d.Events)), d.PerSecond, d.Minimum, d.Replicas, d.Partitions, whole(known(d.SustainsPerDay)), percent(d.Headroom))
	}
	return table.Flush()
}
