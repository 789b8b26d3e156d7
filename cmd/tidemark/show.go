package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark/web"
)

// The forms in which one thing can be printed, and those for a list of things.
func oneForm() []string   { return []string{"table", "json"} }
func listForms() []string { return []string{"table", "json", "jsonl", "csv"} }

func bindOutput(c *cobra.Command, output *string, forms []string) {
	c.Flags().StringVarP(output, "output", "o", forms[0], strings.Join(forms[:len(forms)-1], ", ")+" or "+forms[len(forms)-1])
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	c.PreRunE = func(*cobra.Command, []string) error {
		if slices.Contains(forms, *output) {
			return nil
		}
		return exit{exitUsage, fmt.Errorf("--output=%s: use one of %s", *output, strings.Join(forms, ", "))}
	}
}

// show gets one answer and prints it: as it came, for programs, or read into the
// given value, in the other forms.
func show(c *cobra.Command, o oracle, output, path string, query url.Values, into any, others func() error) error {
	body, err := o.raw(c.Context(), path, query)
	if err != nil {
		return err
	}
	if output == "json" {
		_, err := c.OutOrStdout().Write(append(bytes.TrimSpace(body), '\n'))
		return err
	}
	if err := o.read(path, body, into); err != nil {
		return err
	}
	return others()
}

// jsonLines prints each thing on a line of its own.
func jsonLines[T any](c *cobra.Command, things []T) error {
	encoder := json.NewEncoder(c.OutOrStdout())
	for _, thing := range things {
		if err := encoder.Encode(thing); err != nil {
			return err
		}
	}
	return nil
}

// commaSeparated prints a head and a row for each thing. What is not known is empty.
func commaSeparated[T any](c *cobra.Command, head []string, things []T, row func(T) []string) error {
	w := csv.NewWriter(c.OutOrStdout())
	err := w.Write(head)
	for _, thing := range things {
		err = errors.Join(err, w.Write(row(thing)))
	}
	w.Flush()
	return errors.Join(err, w.Error())
}

// exact writes a number with all its digits.
func exact(n web.Number) string {
	if !n.Known {
		return ""
	}
	return strconv.FormatFloat(n.Value, 'f', -1, 64)
}
