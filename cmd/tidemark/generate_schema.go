package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/aetherlink/tidemark/config"
)

// schemaCommand writes to standard output: an editor wants one file, anywhere.
func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of tidemark.yaml, for editors",
		Example: "  tidemark generate schema > tidemark.schema.json\n  # then begin tidemark.yaml with:  # yaml-language-server: $schema=tidemark.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			schema := schemaOf(reflect.TypeFor[config.Config]())
			schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
			schema["title"] = "tidemark.yaml"
			encoder := json.NewEncoder(c.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(schema)
		},
	}
}

// schemaOf describes what the configuration's reader takes for a type: a field that
// is not known is a mistake there, so it is one here.
func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": `^(0|([0-9]+(y|w|d|h|m|s|ms))+)$`, "examples": []string{"15s", "10m", "1h30m", "15d"}}
	case t.Kind() == reflect.Struct:
		fields := map[string]any{}
		for field := range t.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); name != "" && name != "-" {
				fields[name] = schemaOf(field.Type)
			}
		}
		return map[string]any{"type": "object", "properties": fields, "additionalProperties": false}
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		return map[string]any{"type": "number"}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return map[string]any{"type": "integer"}
	}
	return map[string]any{} // what others read in their own form
}

func manCommand() *cobra.Command {
	return writer("man", "Write man pages", "man", func(c *cobra.Command, dir string) error {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make directory for the man pages: %w", err)
		}
		return doc.GenManTree(c.Root(), &doc.GenManHeader{Title: "TIDEMARK", Section: "1", Source: "tidemark " + version}, dir)
	})
}

// completionCommand writes what a shell reads to complete commands, flags and names.
func completionCommand() *cobra.Command {
	shells := map[string]func(*cobra.Command) error{
		"bash":       func(c *cobra.Command) error { return c.Root().GenBashCompletionV2(c.OutOrStdout(), true) },
		"zsh":        func(c *cobra.Command) error { return c.Root().GenZshCompletion(c.OutOrStdout()) },
		"fish":       func(c *cobra.Command) error { return c.Root().GenFishCompletion(c.OutOrStdout(), true) },
		"powershell": func(c *cobra.Command) error { return c.Root().GenPowerShellCompletionWithDesc(c.OutOrStdout()) },
	}
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print the completion of a shell: bash, zsh, fish or powershell",
		Example:   "  source <(tidemark completion bash)\n  tidemark completion powershell | Out-String | Invoke-Expression",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      needs(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), "name the shell: tidemark completion bash   (or zsh, fish, powershell)"),
		RunE:      func(c *cobra.Command, shell []string) error { return shells[shell[0]](c) },
	}
}
