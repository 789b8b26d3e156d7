// Package runbooks says what to do when an alert fires: one page for each alert of
// the shipped packs, every step with the live values of the group in question and
// with what has been checked already.
//
// It hides how a page finds its group, and how names that anybody may choose get
// into text and commands unharmed. It never asks Kafka and never acts: it reads the
// View that it is handed. What was not seen it calls unknown, never 0.
//
// May change until version 1.
package runbooks

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/aetherlink/tidemark"
)

// The book: a template for each alert, and the steps that several share.
//
//go:embed book
var book embed.FS

// ErrNone says that there is no such runbook.
var ErrNone = errors.New("no such runbook")

// Subject is what a runbook is about. Without a View it is the plain text, with
// nothing live in it. Without a group it is about the one that the alert is about,
// else the first that a pipeline watches.
type Subject struct {
	View           *tidemark.View
	Cluster, Group string
}

// Names returns the alerts that have a runbook, sorted.
func Names() []string {
	var names []string
	entries, _ := book.ReadDir("book") // it is embedded
	for _, entry := range entries {
		if name, is := strings.CutSuffix(entry.Name(), ".md"); is {
			names = append(names, name)
		}
	}
	return names
}

// Render returns the runbook of an alert as Markdown.
func Render(alert string, s Subject) (string, error) {
	if !slices.Contains(Names(), alert) {
		return "", fmt.Errorf("%w: %s", ErrNone, alert)
	}
	pages, err := template.ParseFS(book, "book/steps.tmpl", "book/"+alert+".md")
	if err != nil {
		return "", fmt.Errorf("read runbook %s: %w", alert, err)
	}
	var text bytes.Buffer
	if err := pages.ExecuteTemplate(&text, alert+".md", about(alert, s)); err != nil {
		return "", fmt.Errorf("render runbook %s: %w", alert, err)
	}
	return squeeze(text.String()), nil
}

// Meaning returns what an alert says, in the sentence its runbook begins with.
func Meaning(alert string) string {
	text, err := Render(alert, Subject{})
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(text, "\n\n")
	meaning, _, _ := strings.Cut(rest, "\n\n")
	return meaning
}

// squeeze leaves one empty line where steps that had nothing to say leave several.
func squeeze(text string) string {
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return strings.TrimSpace(text) + "\n"
}
