package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/compat"
)

// compatFlags say which pages to compare.
type compatFlags struct {
	against, server, cluster, output string
	patience                         time.Duration
}

func compatCommand() *cobra.Command {
	var f compatFlags
	c := &cobra.Command{
		Use:   "compat --against URL",
		Short: "Compare another exporter's page with ours, series by series",
		Long: "Reads our metrics page, theirs, and ours again after our next look at the cluster:\n" +
			"what lies between our two values only moved. Every other difference is listed, with\n" +
			"its reason where it is known (docs/compat.md).\n\n" +
			"Exit codes: 0 the same, or explained; 1 something is not explained; 2 one of the\npages could not be read.",
		Example: "  tidemark compat --against http://kafka-exporter:9308/metrics\n  tidemark compat --against http://kafka-exporter:9308/metrics --server http://127.0.0.1:9309 -o json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return f.compare(c) },
	}
	c.Flags().StringVar(&f.against, "against", "", "address of the other exporter's metrics page")
	c.Flags().StringVar(&f.server, "server", "", "address of a running tidemark or tidemark exporter, or $TIDEMARK_SERVER (default "+usualServer+")")
	c.Flags().StringVar(&f.cluster, "cluster", "", "which of our clusters the other one watches (default: the only one)")
	c.Flags().DurationVar(&f.patience, "timeout", time.Minute, "how long to wait for our next look")
	bindOutput(c, &f.output, []string{"text", "json"})
	return c
}

// couldNotLook is why there is nothing to compare: nobody answered, or a page is none.
func couldNotLook(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return exit{exitUsage, err}
}

func (f *compatFlags) compare(c *cobra.Command) error {
	if f.against == "" {
		return exit{exitUsage, errors.New("name the other page: tidemark compat --against http://kafka-exporter:9308/metrics")}
	}
	pages, err := f.pages(c)
	if err != nil {
		return couldNotLook(err)
	}
	r := compat.Compare(pages)
	if f.output == "json" {
		err = json.NewEncoder(c.OutOrStdout()).Encode(r)
	} else {
		err = printCompat(c.OutOrStdout(), r)
	}
	if err == nil && r.Unexplained() > 0 {
		return exit{code: exitFailed}
	}
	return err
}

// pages are ours, theirs, and ours once we have looked at the cluster again.
func (f *compatFlags) pages(c *cobra.Command) (p compat.Pages, err error) {
	ours := serverAddress(f.server) + "/metrics"
	ctx, cancel := context.WithTimeout(c.Context(), f.patience)
	defer cancel()
	if p.Before, _, err = f.our(ctx, ours); err != nil {
		return p, err
	}
	if p.Theirs, err = getPage(ctx, f.against); err != nil {
		return p, err
	}
	asked := time.Now()
	fmt.Fprintln(c.ErrOrStderr(), "waiting for our next look at the cluster, to tell what only moved")
	for {
		var looked time.Time
		if p.After, looked, err = f.our(ctx, ours); err != nil || looked.After(asked) {
			return p, err
		}
		if err := wait(ctx, time.Second); err != nil {
			return p, fmt.Errorf("%s: no new look at the cluster within %s: %w", ours, f.patience, err)
		}
	}
}

// our is our page of the cluster, and when what it says was seen.
func (f *compatFlags) our(ctx context.Context, address string) (compat.Page, time.Time, error) {
	p, err := getPage(ctx, address)
	if err != nil {
		return p, time.Time{}, err
	}
	clusters := p.Clusters()
	name := f.cluster
	if name == "" && len(clusters) == 1 {
		name = clusters[0]
	}
	if name == "" {
		return p, time.Time{}, fmt.Errorf("%s is about the clusters %s\n  say which of them the other one watches, with --cluster", address, strings.Join(clusters, ", "))
	}
	part := p.Of(name)
	age, seen := part.Value("tidemark_look_age_seconds")
	if !seen {
		return p, time.Time{}, fmt.Errorf("%s says nothing of a cluster %q; it knows %s", address, name, strings.Join(clusters, ", "))
	}
	return part, time.Now().Add(-time.Duration(age * float64(time.Second))), nil
}

// getPage reads a metrics page.
func getPage(ctx context.Context, address string) (compat.Page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return compat.Page{}, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return compat.Page{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return compat.Page{}, fmt.Errorf("%s answers %s", address, answer.Status)
	}
	p, err := compat.Read(answer.Body)
	if err != nil {
		return p, fmt.Errorf("%s: %w", address, err)
	}
	return p, nil
}

func printCompat(out io.Writer, r compat.Report) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(r.Differences) > 0 {
		fmt.Fprintln(table, "THEIRS\tOURS\tREASON\tSERIES")
	}
	told := map[string]bool{}
	for _, d := range r.Differences {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", orNothing(d.Theirs), orNothing(d.Ours), cmp.Or(d.Reason, "?"), d.Series)
		told[d.Reason] = true
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, reason := range compat.Reasons() {
		if told[reason.Name] {
			fmt.Fprintf(out, "\n%s\n  kafka_exporter: %s\n  tidemark: %s\n", reason.Name, reason.Case, reason.Ours)
		}
	}
	_, err := fmt.Fprintf(out, "\n%d series are the same, %d differ, %d of them without a known reason.\n", r.Same, len(r.Differences), r.Unexplained())
	return err
}

func orNothing(v *float64) string {
	if v == nil {
		return nothing
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}
