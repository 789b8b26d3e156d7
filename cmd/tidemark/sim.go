package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark/sim"
)

// comparison is one call of `sim`.
type comparison struct {
	seeds      int
	partitions []int
	policies   []string
	all, each  bool
	pictures   pictures
}

func simCommand() *cobra.Command {
	var s comparison
	c := &cobra.Command{
		Use:   "sim",
		Short: "Compare scaling policies on simulated days",
		Long: "Runs our scaling policy, the seed's and those of KEDA, the HPA, Flink and DS2 through\n" +
			"simulated days of load and prints what each cost: late records, replica-hours, changes.\n" +
			"The same seeds give the same table.",
		Example: "  tidemark sim --seeds 20                      the table of docs/model.md\n" +
			"  tidemark sim --seeds 1 --policies tidemark --each   one day of ours, scenario by scenario\n" +
			"  tidemark sim --seeds 5 --all --html sim.html",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c) },
	}
	c.AddCommand(simETACommand())
	f := c.Flags()
	f.IntVar(&s.seeds, "seeds", 20, "run every scenario with seeds 1 to `N`")
	f.IntSliceVar(&s.partitions, "partitions", []int{24, 96}, "numbers of partitions")
	f.StringSliceVar(&s.policies, "policies", nil, "only these `policies`, by the beginning of their names")
	f.BoolVar(&s.all, "all", false, "all scenarios, not only the eight that the comparison is the mean of")
	f.BoolVar(&s.each, "each", false, "a table per scenario")
	s.pictures.bind(f)
	return c
}

func (s *comparison) run(c *cobra.Command) error {
	entrants, err := entrantsNamed(s.policies)
	if err != nil {
		return err
	}
	results := s.simulate(entrants)
	var sections []sim.Section
	for i, p := range s.partitions {
		sections = append(sections, s.sections(p, results[i])...)
	}
	return s.pictures.show(c, sections)
}

// simulate runs all seeds of all sizes side by side, since each is a world of its own.
// It returns the results of each size, in the order of the seeds.
func (s *comparison) simulate(entrants []sim.Entrant) [][]sim.Result {
	worlds := make([][]sim.Result, len(s.partitions)*s.seeds)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range worlds {
		g.Go(func() error {
			days := sim.Scenarios(s.partitions[i/s.seeds], uint64(i%s.seeds+1))
			if !s.all {
				days = slices.DeleteFunc(days, func(d *sim.Scenario) bool { return !d.Core })
			}
			worlds[i] = sim.Compare(entrants, days)
			return nil
		})
	}
	_ = g.Wait() // none fails
	results := make([][]sim.Result, len(s.partitions))
	for i := range results {
		results[i] = slices.Concat(worlds[i*s.seeds : (i+1)*s.seeds]...)
	}
	return results
}

// sections are the tables about one size.
func (s *comparison) sections(partitions int, results []sim.Result) []sim.Section {
	var all []sim.Section
	add := func(about string, keep func(sim.Result) bool) {
		if rows := sim.Summarise(results, keep); len(rows) > 0 {
			all = append(all, sim.Section{Title: fmt.Sprintf("P = %d, seeds 1 to %d; %s; median, 5 %% to 95 %% of the seeds", partitions, s.seeds, about), Rows: rows})
		}
	}
	add("mean of the core scenarios", func(r sim.Result) bool { return r.Core })
	add("other scenarios that can be won", func(r sim.Result) bool { return !r.Core && r.Winnable })
	add("scenarios that no size can win", func(r sim.Result) bool { return !r.Core && !r.Winnable })
	if !s.each {
		return all
	}
	told := map[string]bool{}
	for _, r := range results {
		if !told[r.Scenario] {
			told[r.Scenario] = true
			add(r.Scenario, func(other sim.Result) bool { return other.Scenario == r.Scenario })
		}
	}
	return all
}

// pictures are where a comparison is drawn, beside its tables on the terminal.
type pictures struct{ svg, html string }

func (p *pictures) bind(f *pflag.FlagSet) {
	f.StringVar(&p.svg, "svg", "", "also draw the first table to this file")
	f.StringVar(&p.html, "html", "", "also write all tables and their pictures to this file, as a page")
}

// show prints the tables, and writes what is to be drawn.
func (p *pictures) show(c *cobra.Command, sections []sim.Section) error {
	for i, s := range sections {
		if i > 0 {
			fmt.Fprintln(c.OutOrStdout())
		}
		fmt.Fprint(c.OutOrStdout(), s.Text())
		if terminal(c.OutOrStdout()) {
			fmt.Fprint(c.OutOrStdout(), "\n", s.Bars())
		}
	}
	if p.svg != "" && len(sections) > 0 {
		if err := os.WriteFile(p.svg, []byte(sections[0].SVG()), 0o644); err != nil {
			return fmt.Errorf("write the picture: %w", err)
		}
	}
	if p.html != "" {
		if err := os.WriteFile(p.html, []byte(sim.Page(sections)), 0o644); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	}
	return nil
}

func simETACommand() *cobra.Command {
	var seeds int
	c := &cobra.Command{
		Use:   "eta",
		Short: "Compare what is told of a lag with what is so: when it is gone, and what is wrong",
		Long: "Lets simulated groups stand still for ten minutes and catch up again, under loads from\n" +
			"30 % of their capacity to more than all of it, and judges what was told at every look.\n" +
			"Then injects every fault and judges what the diagnosis finds.",
		Example: "  tidemark sim eta --seeds 20",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			printAccuracies(t, seeds)
			fmt.Fprintln(t)
			printDiagnosis(t, seeds)
			return t.Flush()
		},
	}
	c.Flags().IntVar(&seeds, "seeds", 20, "drains of each load and of each fault, seeds 1 to `N`")
	return c
}

func printAccuracies(t *tabwriter.Writer, seeds int) {
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
}

func printDiagnosis(t *tabwriter.Writer, seeds int) {
	scores, macro := sim.Diagnose(seeds)
	fmt.Fprintln(t, "finding\tright\twrong\tmissed\tF1")
	for _, s := range scores {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.2f\n", s.Finding, s.Right, s.Wrong, s.Missed, s.F1())
	}
	fmt.Fprintf(t, "mean\t\t\t\t%.2f\n", macro)
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
