package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func apiCommand() *cobra.Command {
	var server, method, body string
	c := &cobra.Command{
		Use:   "api PATH",
		Short: "Ask a running tidemark's API and print the answer",
		Long: "Asks a path of the API, docs/api.md, and prints the answer as indented JSON. A path\n" +
			"without /api/ in front is one of ours: /api/tidemark/v1. What acts needs a token:\n$TIDEMARK_TOKEN.",
		Example: "  tidemark api groups\n  tidemark api /api/v1/query?query=kafka_consumergroup_lag_sum\n  tidemark api --method POST /-/reload",
		Args:    needs(cobra.ExactArgs(1), "name one path: tidemark api groups   (all of them: docs/api.md)"),
		RunE: func(c *cobra.Command, path []string) error {
			base := strings.TrimSuffix(cmp.Or(server, os.Getenv("TIDEMARK_SERVER"), usualServer), "/")
			text, err := callAPI(c.Context(), method, base+apiPath(path[0]), body)
			if err != nil {
				return err
			}
			var indented bytes.Buffer
			if json.Indent(&indented, bytes.TrimSpace(text), "", "  ") != nil {
				indented = *bytes.NewBuffer(bytes.TrimSpace(text))
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", indented.Bytes())
			return err
		},
	}
	c.Flags().StringVar(&server, "server", "", "address of a running tidemark, or $TIDEMARK_SERVER (default "+usualServer+")")
	c.Flags().StringVarP(&method, "method", "X", http.MethodGet, "method of the request")
	c.Flags().StringVarP(&body, "data", "d", "", "JSON to send")
	return c
}

// apiPath is a whole path for what a person types.
func apiPath(typed string) string {
	typed = "/" + strings.TrimPrefix(typed, "/")
	if strings.HasPrefix(typed, "/api/") || strings.HasPrefix(typed, "/-/") {
		return typed
	}
	return "/api/tidemark/v1" + typed
}

func callAPI(ctx context.Context, method, address, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token := os.Getenv("TIDEMARK_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", address, err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %w", method, address, refusal(answer.StatusCode, text))
	}
	return text, nil
}
