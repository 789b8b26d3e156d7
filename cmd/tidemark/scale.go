package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/scale"
)

func scaleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "scale",
		Short: "What the scaler wants and does; pause it, approve a change, freeze all sizes",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(scaleStatusCommand(), scaleWhyCommand(),
		handCommand("pause", "paused", "Leave one target's size alone until it is resumed"),
		handCommand("resume", "resumed", "Scale a paused target again"),
		scaleApproveCommand(),
		handCommand("freeze", "froze", "Change no size of any target until it is thawed"),
		handCommand("thaw", "thawed", "End a freeze"))
	return c
}

const scaleAPI = "/api/tidemark/v1/scale"

func scaleStatusCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "status",
		Short:   "All targets: how large they are, how large they should be, what holds them",
		Example: "  tidemark scale status",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			var all []scale.Status
			return show(c, o, output, scaleAPI, nil, &all, func() error { return listTargets(c, all) })
		},
	}
	ask.bindServer(c)
	bindOutput(c, &output, oneForm())
	return c
}

func listTargets(c *cobra.Command, all []scale.Status) error {
	table := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "TARGET\tGROUP\tMODE\tREPLICAS\tSTATUS\tBECAUSE")
	for _, s := range all {
		fmt.Fprintln(table, strings.Join([]string{s.Target, s.Group, string(s.Mode), sizes(s.Decision), standing(s), s.Decision.Because}, "\t"))
	}
	return table.Flush()
}

// sizes is how large a target is and should be: 2 → 3. Without a decision nobody knows.
func sizes(d tidemark.Decision) string {
	switch {
	case d.At.IsZero():
		return nothing
	case d.Present < 0:
		return nothing + " → " + strconv.Itoa(d.Desired)
	}
	return fmt.Sprintf("%d → %d", d.Present, d.Desired)
}

// standing is what has become of the decision, or what stands before any.
func standing(s scale.Status) string {
	switch {
	case s.Paused != "":
		return "paused by " + s.Paused
	case s.Blind != "":
		return "size not known: " + s.Blind
	}
	return cmp.Or(strings.Join(append([]string{s.Decision.Outcome}, s.Decision.Held...), "; "), "not decided yet")
}

func scaleWhyCommand() *cobra.Command {
	var ask askFlags
	var output string
	c := &cobra.Command{
		Use:     "why TARGET",
		Short:   "One target: what was decided, ordered and done by hand, the newest first",
		Example: "  tidemark scale why crm-events",
		Args:    needs(cobra.ExactArgs(1), "name one target: tidemark scale why crm-events   (all of them: tidemark scale status)"),
		RunE: func(c *cobra.Command, target []string) error {
			o, err := ask.connect(c)
			if err != nil {
				return err
			}
			var s scale.Status
			return show(c, o, output, scaleAPI+"/"+url.PathEscape(target[0]), nil, &s, func() error { return printWhy(c, s) })
		},
	}
	ask.bindServer(c)
	bindOutput(c, &output, oneForm())
	return c
}

func printWhy(c *cobra.Command, s scale.Status) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s  %s  %s\n%s\n\n", s.Target, sizes(s.Decision), standing(s), cmp.Or(s.Decision.Because, "nothing was decided yet"))
	for _, f := range [][2]string{{"Group", s.Group + " on " + s.Cluster}, {"Mode", string(s.Mode)}, {"Outlet", cmp.Or(s.Outlet, "none: it is only said")}, {"So far", s.Shadow}} {
		fmt.Fprintf(out, "  %-8s %s\n", f[0], cmp.Or(f[1], nothing))
	}
	fmt.Fprintln(out)
	for _, e := range s.Journal {
		fmt.Fprintf(out, "%s  %s\n", e.At.Local().Format(time.DateTime), entryText(e))
	}
	return nil
}

// entryText is one line of the journal as a sentence.
func entryText(e scale.Entry) string {
	switch {
	case e.Hand != nil:
		return fmt.Sprintf("%s by %s: %s", e.Hand.Did, e.Hand.By, cmp.Or(e.Hand.Why, "no reason given"))
	case e.Order != nil:
		return fmt.Sprintf("order %s: from %d to %d, because %s", e.Order.ID, e.Order.From, e.Order.To, e.Order.Because)
	case e.Result != nil:
		return fmt.Sprintf("order %s: %s", e.Result.Order, cmp.Or(e.Result.Error, "carried out"))
	case e.Decision != nil:
		return fmt.Sprintf("%s (%s): %s", sizes(*e.Decision), e.Decision.Outcome, e.Decision.Because)
	}
	return nothing
}

// handCommand does one thing to one target, or to all of them.
func handCommand(name, did, short string) *cobra.Command {
	var ask askFlags
	hand := scale.Hand{Did: did}
	all := did == "froze" || did == "thawed"
	c := &cobra.Command{
		Use: name, Short: short, Long: short + ". Needs the server's token: $TIDEMARK_TOKEN.",
		Example: "  tidemark scale " + name + " --why incident", Args: cobra.NoArgs,
	}
	if !all {
		c.Use, c.Example = name+" TARGET", "  tidemark scale "+name+" crm-events --why deploy"
		c.Args = needs(cobra.ExactArgs(1), "name one target: tidemark scale "+name+" crm-events   (all of them: tidemark scale status)")
	}
	c.RunE = func(c *cobra.Command, target []string) error {
		path := scaleAPI
		if !all {
			path += "/" + url.PathEscape(target[0])
		}
		return give(c, &ask, path, hand)
	}
	bindHand(c, &ask, &hand)
	return c
}

func scaleApproveCommand() *cobra.Command {
	var ask askFlags
	hand := scale.Hand{Did: "approved"}
	c := &cobra.Command{
		Use:   "approve TARGET",
		Short: "Let a change of size happen that waits for it",
		Long: "Approves one order, and no other: without --order it says which one waits.\n" +
			"Needs the server's token: $TIDEMARK_TOKEN.",
		Example: "  tidemark scale approve crm-events --order 7f3a",
		Args:    needs(cobra.ExactArgs(1), "name one target: tidemark scale approve crm-events   (all of them: tidemark scale status)"),
		RunE: func(c *cobra.Command, target []string) error {
			path := scaleAPI + "/" + url.PathEscape(target[0])
			if hand.Order == "" {
				return waits(c, &ask, target[0], path)
			}
			return give(c, &ask, path, hand)
		},
	}
	c.Flags().StringVar(&hand.Order, "order", "", "which order to approve")
	bindHand(c, &ask, &hand)
	return c
}

// waits says which order waits for approval: who approves shall have seen it.
func waits(c *cobra.Command, ask *askFlags, target, path string) error {
	o, err := ask.connect(c)
	if err != nil {
		return err
	}
	var s scale.Status
	if err := o.ask(c.Context(), path, nil, &s); err != nil {
		return err
	}
	if s.Mode != scale.Approve || s.Decision.Order == "" {
		return errors.New("nothing of " + target + " waits for approval: " + standing(s))
	}
	return exit{exitUsage, fmt.Errorf("say which order: %s waits, %s, because %s\n  tidemark scale approve %s --order %s",
		s.Decision.Order, sizes(s.Decision), s.Decision.Because, target, s.Decision.Order)}
}

func bindHand(c *cobra.Command, ask *askFlags, hand *scale.Hand) {
	c.Flags().StringVar(&hand.Why, "why", "", "the reason, for the journal")
	bindBy(c, &hand.By)
	ask.bindServer(c)
}

// give does something to the scaler and shows how it stands then.
func give(c *cobra.Command, ask *askFlags, path string, hand scale.Hand) error {
	o, err := ask.connect(c)
	if err != nil {
		return err
	}
	var all []scale.Status
	if err := o.act(c.Context(), http.MethodPost, path, hand, &all); err != nil {
		return err
	}
	return listTargets(c, all)
}
