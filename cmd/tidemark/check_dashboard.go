package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/artifacts"
	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/rules"
)

func checkDashboardCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "dashboard FILE…",
		Short:   "Lint Grafana dashboards, also for metrics that nobody exposes",
		Example: "  tidemark check dashboard deploy/grafana/dashboards/*.json",
		Args:    needs(cobra.MinimumNArgs(1), "name the file: tidemark check dashboard dashboard.json"),
		RunE:    func(c *cobra.Command, files []string) error { return checkDashboards(c, files) },
	}
}

func checkDashboards(c *cobra.Command, files []string) error {
	known, err := recorded()
	if err != nil {
		return err
	}
	linter := artifacts.Linter{Metrics: metricsOf, Known: func(name string) bool { return exposed(name) || slices.Contains(known, name) }}
	good := true
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read dashboard: %w", err)
		}
		found, err := linter.Check(text)
		if err != nil {
			return exit{exitUsage, fmt.Errorf("%s: %w", file, err)}
		}
		if len(found) == 0 {
			fmt.Fprintf(c.OutOrStdout(), "✓ %s\n", file)
		}
		for _, f := range found {
			good = false
			fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", file, f)
		}
	}
	if !good {
		return exit{code: exitFinding}
	}
	return nil
}

// metricsOf parses a query and names what it reads.
func metricsOf(query string) (names []string, err error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return nil, err
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if selector, is := node.(*parser.VectorSelector); is && selector.Name != "" {
			names = append(names, selector.Name)
		}
		return nil
	})
	return names, nil
}

// recorded are the series that the shipped packs record.
func recorded() (names []string, err error) {
	for _, pack := range packs() {
		text, err := rules.Pack(pack)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if name, is := strings.CutPrefix(strings.TrimSpace(line), "- record: "); is {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// exposed says whether tidemark, crm-events or every Prometheus has a metric.
func exposed(name string) bool {
	switch {
	case name == "up" || name == "ALERTS" || name == "ALERTS_FOR_STATE":
		return true
	case strings.HasPrefix(name, "crm_events_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "go_"):
		return true
	}
	return slices.ContainsFunc(metrics.Families(), func(f metrics.Family) bool { return f.Name == name })
}
