package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
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
			text, err := running(serverAddress(server)).call(c.Context(), method, path[0], body)
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
