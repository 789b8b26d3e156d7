package metrics

import (
	"fmt"
	"io"
	"strings"
)

// WriteDoc writes the page docs/metrics.md: what all families have in common, and
// their table.
func WriteDoc(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# Metrics

A series carries fresh and complete values only. What was not seen in the latest
look is absent, never 0; ` + "`tidemark_group_state`, `tidemark_group_complete`, `tidemark_gaps`,\n`tidemark_broker_up` and `tidemark_look_age_seconds`" + ` stay and say why.

The families that begin with ` + "`kafka_`" + ` have kafka_exporter's names and labels, and the
label ` + "`cluster`" + ` beside them. A partition that was never committed has no lag: it has no
series there, where kafka_exporter says -1.

| Name | Type | Unit | Labels | Meaning |
|---|---|---|---|---|
`)
	for _, f := range Families() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Name, f.Type, f.Unit, strings.Join(f.Labels, ", "), f.Help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
