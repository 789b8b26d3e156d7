package main

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/web"
)

func groupCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "group NAME",
		Short:   "One group: the verdict, its partitions and its members",
		Example: "  tidemark group crm-events-sse",
		Args:    needs(cobra.ExactArgs(1), "name one group: tidemark group crm-events-sse   (all of them: tidemark groups)"),
		RunE: func(c *cobra.Command, args []string) error {
			o, path, err := ask.about(c, args[0])
			if err != nil {
				return err
			}
			var g web.GroupDetail
			return show(c, o, output, path, nil, &g, func() error {
				fmt.Fprintf(c.ErrOrStderr(), "%s\n\n", o.says)
				return describe(c, g)
			})
		},
	}
	ask.bind(c)
	bindOutput(c, &output, oneForm())
	return c
}

// about is whom to ask about one group, and where in the API the group is.
func (a *askFlags) about(c *cobra.Command, group string) (o oracle, path string, err error) {
	if o, err = a.oracle(c); err != nil {
		return o, "", err
	}
	path, err = find(c, o, group)
	return o, path, err
}

// find is the API's path of a group, or says which names come close.
func find(c *cobra.Command, o oracle, name string) (string, error) {
	var list web.GroupList
	if err := o.ask(c.Context(), "/groups", nil, &list); err != nil {
		return "", err
	}
	var near []string
	for _, g := range list.Groups {
		if g.Group == name {
			return "/groups/" + url.PathEscape(g.Cluster) + "/" + url.PathEscape(name), nil
		}
		if strings.Contains(g.Group, name) || strings.Contains(name, g.Group) {
			near = append(near, g.Group)
		}
	}
	hint := "list all: tidemark groups"
	if len(near) > 0 {
		hint = "Close: " + strings.Join(near[:min(5, len(near))], ", ") + "    " + hint
	}
	return "", fmt.Errorf("no consumer group is called %q\n  %s", name, hint)
}

func describe(c *cobra.Command, g web.GroupDetail) error {
	out := c.OutOrStdout()
	level, text := verdict(g.Group.State)
	fmt.Fprintf(out, "%s  %s\n%s\n\n", g.Group.Group, paint(out, level, text), g.Group.Because)
	facts := [][2]string{
		{"Lag", lagText(g.Group.Lag) + " records"},
		{"Time lag", span(g.Group.TimeLag.Seconds) + " ± " + span(g.Group.TimeLag.Error)},
		{"Arriving", rate(g.Group.Arrivals.PerSecond) + "/s"},
		{"Consumed", rate(g.Group.Consumption.PerSecond) + "/s"},
		{"One replica", rate(g.Group.Capacity.PerSecond) + "/s"},
		{"Drain ETA", eta(g.Group.Row)},
		{"Replicas", replicas(g.Group.Replicas)},
		{"Group", fmt.Sprintf("%s, %s, %s, %s members", cmp.Or(g.Group.Type, nothing), cmp.Or(g.Group.Phase, nothing), cmp.Or(g.Assignor, "no assignor"), whole(g.Group.Members))},
	}
	for _, f := range facts {
		fmt.Fprintf(out, "  %-12s %s\n", f[0], f[1])
	}
	if g.Group.Lag.Uncommitted > 0 {
		fmt.Fprintf(out, "  %-12s %d partitions, up to %d records\n", "No commit", g.Group.Lag.Uncommitted, g.Group.Lag.UncommittedRecords)
	}
	fmt.Fprintln(out)
	return partitionTable(c, g)
}

func partitionTable(c *cobra.Command, g web.GroupDetail) error {
	table := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tPARTITION\tSTART\tCOMMITTED\tEND\tLAG\tIN/s\tOUT/s\tOWNER\tSTATE")
	for _, p := range g.Partitions {
		state := string(p.State)
		if p.Reason != "" {
			state += " (" + p.Reason + ")"
		}
		fmt.Fprintln(table, strings.Join([]string{
			p.Topic, strconv.Itoa(int(p.ID)), whole(p.LogStart), whole(p.Committed), whole(p.LogEnd), whole(p.Lag),
			rate(p.Arrivals.PerSecond), rate(p.Consumption.PerSecond), client(g.Members, p.Owner), state,
		}, "\t"))
	}
	return table.Flush()
}

// client names the owner of a partition as people know it: client id and host.
func client(members []web.Member, id string) string {
	i := slices.IndexFunc(members, func(m web.Member) bool { return m.ID == id && id != "" })
	if i < 0 {
		return nothing
	}
	return members[i].Client + "@" + strings.TrimPrefix(members[i].Host, "/")
}
