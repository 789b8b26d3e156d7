package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/doctor"
)

func doctorCommand() *cobra.Command {
	var k kafkaFlags
	var output string
	c := &cobra.Command{
		Use:   "doctor [kafka]",
		Short: "Is everything wired? What ails it, and what to type",
		Long: "Looks at a cluster as tidemark serve would and says of each thing whether it is in order:\n" +
			"whether brokers answer where they say they are, what our rights do not show us, how long\na look takes. Exit code 3: it found something.",
		Example:   "  tidemark doctor\n  tidemark doctor kafka --kafka.server=kafka:9092 -o json",
		Args:      needs(cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), "there is one part to look at so far: tidemark doctor kafka"),
		ValidArgs: []string{"kafka"},
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := k.examine(c)
			if err != nil {
				return err
			}
			if output == "json" {
				err = json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"apiVersion": "tidemark/v1", "kind": "Doctor", "observedAt": time.Now(), "checks": r})
			} else {
				_, err = fmt.Fprint(c.OutOrStdout(), r.Text())
			}
			if err == nil && !r.Well() {
				return exit{code: exitFinding}
			}
			return err
		},
	}
	k.bind(c.Flags())
	bindOutput(c, &output, []string{"text", "json"})
	return c
}

// examine looks at the cluster that the flags name.
func (k *kafkaFlags) examine(c *cobra.Command) (doctor.Report, error) {
	settings, collector, err := k.collector(c.Flags())
	if err != nil {
		return nil, err
	}
	defer collector.Close()
	bootstrap := strings.Join(settings.Brokers, ",")
	lacks := func(ctx context.Context) (all []doctor.Lack) {
		for _, g := range collector.Missing(ctx) {
			all = append(all, doctor.Lack{Shows: g.Shows, Command: g.Command(bootstrap, cmp.Or(settings.SASL.Username, "tidemark"))})
		}
		return all
	}
	checks := doctor.Kafka{Bootstrap: bootstrap, Look: collector.Snapshot, Lacks: lacks, Interval: usualInterval}
	r := checks.Check(c.Context())
	return r, c.Context().Err()
}
