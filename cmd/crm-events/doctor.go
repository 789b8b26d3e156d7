package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

func doctorCommand(s *outboxSettings) *cobra.Command {
	c := onTable(s, "doctor", "Say what is in the way of events, and what to do", 0, s.doctor)
	c.Long = "Look at the database, the tables, the relays and the topics of the events that come next,\nand say what is wrong and what to do. It changes nothing. Exits with 1 if something is wrong."
	c.Example = "  crm-events outbox doctor --db=postgres://crm@db/crm --kafka.brokers=kafka:9092"
	clusterFlags(c.Flags(), &s.kafka)
	return c
}

func (s *outboxSettings) doctor(ctx context.Context, table *outbox.Table, out io.Writer, _ []string) error {
	found := table.Examine(ctx)
	if topics, err := table.Heads(ctx); err == nil { // if not, the tables are among what was found
		for _, name := range topics {
			found = append(found, examineTopic(ctx, topic{cluster(s.kafka, nil), name}))
		}
	}
	wrong := 0
	for _, f := range found {
		if f.Cause == "" {
			fmt.Fprintf(out, "✓ %s\n", f.Check)
			continue
		}
		wrong++
		fmt.Fprintf(out, "✗ %s: %s\n  %s\n", f.Check, f.Cause, f.Cure)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks found something", wrong, len(found))
	}
	return nil
}

// examineTopic sees whether there are brokers, and whether they have the topic.
func examineTopic(ctx context.Context, t topic) outbox.Finding {
	f := outbox.Finding{Check: "topic " + t.name}
	found, err := t.Look(ctx)
	switch {
	case errors.Is(err, errNoTopic):
		f.Cause, f.Cure = "the cluster does not have it, or hides it from us", "Create it, or grant us Describe and Write on it. Until then the shards of its events stand still."
	case err != nil:
		f.Cause, f.Cure = err.Error(), "Check --kafka.brokers, TLS and how we sign in."
	}
	for _, log := range found.Partitions {
		switch {
		case log.Reason == tidemark.Denied:
			f.Cause, f.Cure = "we may not describe it", "Grant us Describe and Write on it."
		case log.Leader < 0:
			f.Cause, f.Cure = fmt.Sprintf("partition %d has no leader", log.ID), "Start the brokers that have its replicas."
		}
	}
	return f
}
