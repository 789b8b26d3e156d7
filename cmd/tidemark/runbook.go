package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/runbooks"
)

func runbookCommand() *cobra.Command {
	var server, cluster, group string
	c := &cobra.Command{
		Use:       "runbook [ALERT]",
		Short:     "What to do when an alert fires, with live values of a running tidemark",
		Long:      "Runbook prints what to do when an alert fires. A running tidemark fills in the live\nvalues of the group and what it has checked already; without one the steps are the same,\nwithout values. Without ALERT it lists all.",
		Example:   "  tidemark runbook CrmEventsConsumerLagHigh\n  tidemark runbook KafkaHotPartition --group orders --cluster main",
		Args:      needs(cobra.MaximumNArgs(1), "name one alert, or none for the list: tidemark runbook CrmEventsConsumerLagHigh"),
		ValidArgs: runbooks.Names(),
		RunE: func(c *cobra.Command, alert []string) error {
			if len(alert) == 0 {
				for _, name := range runbooks.Names() {
					fmt.Fprintf(c.OutOrStdout(), "%-34s %s\n", name, runbooks.Meaning(name))
				}
				return nil
			}
			plain, err := runbooks.Render(alert[0], runbooks.Subject{Cluster: cluster, Group: group})
			if errors.Is(err, runbooks.ErrNone) {
				return exit{exitUsage, fmt.Errorf("%w\n  all of them: tidemark runbook", err)}
			}
			if err != nil {
				return err
			}
			base := serverAddress(server)
			text, err := liveRunbook(c.Context(), base, alert[0], url.Values{"cluster": {cluster}, "group": {group}})
			if err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "without live values: %v\n", err)
				text = plain
			}
			_, err = io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "", "address of a running tidemark, or $TIDEMARK_SERVER (default: the one on this machine)")
	f.StringVar(&group, "group", "", "consumer group to show (default: the one that the alert is about)")
	f.StringVar(&cluster, "cluster", "", "cluster of the group (default: the one that has it)")
	return c
}

// liveRunbook asks a running server for the page as Markdown.
func liveRunbook(ctx context.Context, base, alert string, query url.Values) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/runbooks/"+alert+".md?"+query.Encode(), http.NoBody)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("no tidemark answers at %s: %w", base, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", fmt.Errorf("read the runbook from %s: %w", base, err)
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("tidemark at %s: %w", base, refusal(answer.StatusCode, text))
	}
	return string(text), nil
}
