package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/record"
	"github.com/aetherlink/tidemark/sim"
)

func replayCommand() *cobra.Command {
	var file string
	var group sim.Recording
	var policies []string
	var pictures pictures
	c := &cobra.Command{
		Use:   "replay --from FILE --group NAME",
		Short: "Let every scaling policy run over a recorded load, and compare what each cost",
		Long: "Takes what arrived at a group while tidemark record looked, and lets simulated replicas\n" +
			"read it under every scaling policy: what each would have cost, how late it would have been.\n" +
			"At least an hour must be recorded; policies learn from the first sixth, which is not scored.",
		Example: "  tidemark replay --from night.rec --group crm-events-sse\n  tidemark replay --from night.rec --group crm-events-sse --per-replica 2.7 --html night.html",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" || group.Group == "" {
				return exit{exitUsage, errors.New("name the recording and the group: tidemark replay --from night.rec --group crm-events-sse")}
			}
			entrants, err := entrantsNamed(policies)
			if err != nil {
				return err
			}
			load, err := loadOf(c.ErrOrStderr(), file, group)
			if err != nil {
				return err
			}
			results := sim.Compare(entrants, []*sim.Scenario{load})
			title := fmt.Sprintf("%s in %s; P = %d, a replica reads %.3g/s", group.Group, file, load.Partitions, load.PerReplica)
			return pictures.show(c, []sim.Section{{Title: title, Rows: sim.Summarise(results, func(sim.Result) bool { return true })}})
		},
	}
	f := c.Flags()
	f.StringVar(&file, "from", "", "recording to read, of tidemark record")
	f.StringVar(&group.Group, "group", "", "consumer group whose arrivals to take")
	f.Float64Var(&group.PerReplica, "per-replica", 0, "records per second that one replica reads (default: as the recording shows)")
	f.StringSliceVar(&policies, "policies", nil, "only these `policies`, by the beginning of their names")
	pictures.bind(f)
	return c
}

// loadOf is the load on a group as a recording has it. Of one that was cut off it is
// that up to the cut, and talk is told.
func loadOf(talk io.Writer, file string, group sim.Recording) (*sim.Scenario, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	defer in.Close()
	reader, err := record.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return group.Scenario(func(yield func(*tidemark.Snapshot, error) bool) {
		for seen, err := range reader.All() {
			if err != nil {
				fmt.Fprintf(talk, "%s: %v\n", file, err)
			}
			if !yield(seen, err) {
				return
			}
		}
	})
}
