package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark/sim"
)

func simCommand() *cobra.Command {
	var seeds int
	var partitions []int
	var policies []string
	var each bool
	c := &cobra.Command{
		Use:   "sim",
		Short: "Compare scaling policies on simulated days",
		Long: "Runs our scaling policy, the seed's and those of KEDA, the HPA, Flink and DS2 through\n" +
			"simulated days of load and prints what each cost: late records, replica-hours, changes.\n" +
			"The same seeds give the same table.",
		Example: "  tidemark sim --seeds 20                      the table of docs/model.md\n  tidemark sim --seeds 1 --policies tidemark --each   one day of ours, scenario by scenario",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			entrants, err := entrantsNamed(policies)
			if err != nil {
				return err
			}
			for _, p := range partitions {
				results, err := simulate(entrants, p, seeds)
				if err != nil {
					return err
				}
				printComparison(c.OutOrStdout(), results, p, seeds, each)
			}
			return nil
		},
	}
	c.AddCommand(simETACommand())
	c.Flags().IntVar(&seeds, "seeds", 20, "run every scenario with seeds 1 to `N`")
	c.Flags().IntSliceVar(&partitions, "partitions", []int{24, 96}, "numbers of partitions")
	c.Flags().StringSliceVar(&policies, "policies", nil, "only these `policies`, by the beginning of their names")
	c.Flags().BoolVar(&each, "each", false, "a table per scenario")
	return c
}

func simETACommand() *cobra.Command {
	var seeds int
	c := &cobra.Command{
		Use:   "eta",
		Short: "Compare the time told until a lag is gone with how long it took",
		Long: "Lets simulated groups stand still for ten minutes and catch up again, under loads from\n" +
			"30 % of their capacity to more than all of it, and judges what was told at every look.",
		Example: "  tidemark sim eta --seeds 20",
		Args:    cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "load\tguesses\tmedian error\tmean error\tP10–P90 covers\tno number\tcapacity within 10 %\t\"growing\" is right\tand found")
			for _, load := range []float64{0.3, 0.6, 0.8, 0.9, 1.1, 1.3} {
				var guesses []sim.Guess
				for seed := range seeds {
					guesses = append(guesses, sim.Guesses(load, uint64(seed+1))...)
				}
				a := sim.Judge(guesses)
				told := strings.Repeat(nothing+"\t", 4)
				if a.Guesses > 0 {
					told = strings.Join([]string{percent(a.Median), percent(a.Mean), percent(a.Covered), percent(a.Silent), ""}, "\t")
				}
				fmt.Fprintf(t, "%.1f\t%d\t%s%s\t%s\t%s\n", load, a.Guesses, told, percent(a.Capacity), percent(a.Precision), percent(a.Recall))
			}
			t.Flush()
		},
	}
	c.Flags().IntVar(&seeds, "seeds", 20, "drains of each load, seeds 1 to `N`")
	return c
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }

// entrantsNamed returns the policies whose names begin so; all, if none is named.
func entrantsNamed(names []string) ([]sim.Entrant, error) {
	if len(names) == 0 {
		return sim.Entrants(), nil
	}
	var chosen []sim.Entrant
	for _, name := range names {
		before := len(chosen)
		for _, e := range sim.Entrants() {
			if strings.HasPrefix(strings.ToLower(e.Name), strings.ToLower(name)) {
				chosen = append(chosen, e)
			}
		}
		if len(chosen) == before {
			return nil, exit{exitUsage, fmt.Errorf("no policy is called %q", name)}
		}
	}
	return chosen, nil
}

// simulate runs the seeds side by side, since each is a world of its own.
func simulate(entrants []sim.Entrant, partitions, seeds int) ([]sim.Result, error) {
	bySeed := make([][]sim.Result, seeds)
	var g errgroup.Group
	g.SetLimit(2)
	for i := range bySeed {
		g.Go(func() error {
			bySeed[i] = sim.Compare(entrants, sim.Scenarios(partitions, uint64(i+1)))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []sim.Result
	for _, results := range bySeed {
		all = append(all, results...)
	}
	return all, nil
}

func printComparison(w io.Writer, results []sim.Result, partitions, seeds int, each bool) {
	winnable := func(r sim.Result) bool { return r.Winnable }
	fmt.Fprintf(w, "P = %d, %d seeds; mean of the scenarios that can be won; median, 5 %% to 95 %% of the seeds\n", partitions, seeds)
	printRows(w, sim.Summarise(results, winnable))
	fmt.Fprintf(w, "\nP = %d; scenarios that no size can win\n", partitions)
	printRows(w, sim.Summarise(results, func(r sim.Result) bool { return !r.Winnable }))
	if !each {
		return
	}
	seen := map[string]bool{}
	for _, r := range results {
		if !seen[r.Scenario] {
			seen[r.Scenario] = true
			fmt.Fprintf(w, "\nP = %d; %s\n", partitions, r.Scenario)
			printRows(w, sim.Summarise(results, func(other sim.Result) bool { return other.Scenario == r.Scenario }))
		}
	}
}

func printRows(w io.Writer, rows []sim.Row) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "policy\tlate min/day\tavoidable\tp95 s\tp99 s\trep-h/day\t×clairvoyant\tactions\trebalances\treversals")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Policy,
			bandText(r.Late, 1), bandText(r.Avoidable, 1), bandText(r.P95, 0), bandText(r.P99, 0), bandText(r.ReplicaHours, 0),
			bandText(r.Clairvoyant, 2), bandText(r.Actions, 1), bandText(r.Rebalances, 1), bandText(r.Reversals, 1))
	}
	t.Flush()
}

// bandText writes 3.7 (3.1–4.4), and 0 where all are 0.
func bandText(b sim.Band, digits int) string {
	text := fmt.Sprintf("%.*f", digits, b.Median)
	low, high := fmt.Sprintf("%.*f", digits, b.Low), fmt.Sprintf("%.*f", digits, b.High)
	if low == text && high == text {
		return text
	}
	return fmt.Sprintf("%s (%s–%s)", text, low, high)
}
