package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryExampleIsACommandLineThatIsTaken reads README, the manual and every
// command's own examples: each names a command that exists, with flags that it has
// and arguments that it takes.
func TestEveryExampleIsACommandLineThatIsTaken(t *testing.T) {
	examples := map[string][]string{}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../../README.md") {
		if filepath.Base(page) == "cli.md" {
			continue // written from the commands
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		examples[page] = lines(string(text))
	}
	walk(commands(), func(c *cobra.Command) { examples[c.CommandPath()] = lines(c.Example) })
	checked := 0
	for where, all := range examples {
		for _, line := range all {
			if found := commandLine.FindStringSubmatch(line); found != nil {
				checked++
				taken(t, where, strings.Fields(strings.ReplaceAll(found[1], "'", "")))
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d examples were found", checked)
	}
}

// lines are those of a text, with what the shell puts together put together.
func lines(text string) []string { return strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") }

// commandLine finds a line that a person may copy, up to what the shell adds and the
// words beside it.
var commandLine = regexp.MustCompile(`^\s*(?:\$ )?tidemark ((?:[^\s|>#&\[…]+ ?)+)(?:$|\s|[|>#&])`)

func walk(c *cobra.Command, see func(*cobra.Command)) {
	see(c)
	for _, child := range c.Commands() {
		walk(child, see)
	}
}

func taken(t *testing.T, where string, args []string) {
	t.Helper()
	c, rest, err := commands().Find(compatible(args))
	if err != nil {
		t.Errorf("%s: tidemark %s: %v", where, strings.Join(args, " "), err)
		return
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("%s: tidemark %s: %v", where, strings.Join(args, " "), err)
		return
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Errorf("%s: tidemark %s: %v", where, strings.Join(args, " "), err)
	}
}
