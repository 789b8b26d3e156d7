package web

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

// The JSON in Go's words: types, names and comments in one.
//
//go:embed model.go
var model string

// WriteDoc writes the page docs/api.md: every call, and what it answers.
func WriteDoc(w io.Writer) error {
	var page strings.Builder
	page.WriteString("# HTTP API\n\n" +
		"Every answer is JSON with `apiVersion`, `kind`, `sequence` and `observedAt`. What is not known is `null`, never 0; " +
		"durations are seconds; what was not seen stands in `errors`. Errors are `application/problem+json`. " +
		"Who may call is settled by `web.access`; with `Authorization: Bearer <token>` one may from anywhere.\n\n" +
		"| Call | Answers |\n|---|---|\n")
	for _, c := range (&Server{}).calls() {
		fmt.Fprintf(&page, "| `%s` | %s", c.pattern, c.answers)
		for _, q := range c.query {
			fmt.Fprintf(&page, "<br>`%s`: %s", q[0], q[1])
		}
		page.WriteString(" |\n")
	}
	page.WriteString("\nThe stream sends `snapshot` once, then a `patch` for what has changed, at most one a second, and `bye` before the server stops. " +
		"A comment each 15 seconds shows that it lives. The `id` of an event is the sequence of the View.\n\n" +
		"Prometheus' API is at `/api/v1`, Alertmanager's at `/api/v2`.\n\n## Types\n\n```go\n")
	_, types, _ := strings.Cut(model, "// Object opens")
	page.WriteString("// Object opens" + types + "```\n")
	_, err := io.WriteString(w, page.String())
	return err
}
