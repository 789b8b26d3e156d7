package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aetherlink/tidemark/compat"
	"github.com/aetherlink/tidemark/metrics"
)

// compatDoc is docs/compat.md: made of the tables that the program itself goes by.
func compatDoc() string {
	var b strings.Builder
	b.WriteString(`# Coming from another exporter

Tidemark answers on kafka_exporter's port with kafka_exporter's metrics, labels, help
texts and flags: change the image or the program's name, and nothing else.

    tidemark exporter --kafka.server=kafka:9092         # the metrics page alone
    tidemark serve --kafka.server=kafka:9092            # and history, rules, alerts and pages
    ln -s tidemark kafka_exporter                       # under the old name it is the exporter
    tidemark compat --against http://kafka-exporter:9308/metrics

The last one compares both pages while both run, and says why what differs does.

## What differs on purpose

| Reason | kafka_exporter | Tidemark |
|---|---|---|
`)
	for _, r := range compat.Reasons() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Case, r.Ours)
	}
	b.WriteString(`
Every series has the label ` + "`cluster`" + ` beside kafka_exporter's. A scrape makes no Kafka
call: the values are those of the latest look, and ` + "`tidemark_look_age_seconds`" + ` says how
old it is. One group that is seen from two brokers is one group.

## Flags

All flags of kafka_exporter are taken, with their environment variables
(SASL_USER_NAME, SASL_USER_PASSWORD, SASL_OAUTHBEARER_TOKEN_URL,
SASL_OAUTHBEARER_TOKEN_FILE); switches also as ` + "`--no-…`" + `, filters match anywhere in a
name, and ` + "`--sasl.enabled`" + ` without a mechanism means plain. These change nothing:

| Flag | Why |
|---|---|
`)
	for _, name := range slices.Sorted(maps.Keys(withoutEffect)) {
		fmt.Fprintf(&b, "| `--%s` | %s |\n", name, withoutEffect[name])
	}
	b.WriteString(`
## A page of a given size

Sums are exact whatever is left out, and ` + "`tidemark_page_hidden_partitions`" + ` counts it:
` + "`--detail.by`, `--detail.states`, `--detail.worst`, `--detail.limit`" + `.

## Other exporters' names

` + "`--compat.names=…`" + ` shows the same values once more under another exporter's names. What
such an exporter knows beyond them is not there.
`)
	for _, name := range metrics.Dialects() {
		fmt.Fprintf(&b, "\n### %s\n\n| Name | Labels | Meaning |\n|---|---|---|\n", name)
		for _, f := range metrics.FamiliesOf(name) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, strings.Join(f.Labels, ", "), f.Help)
		}
	}
	return b.String()
}
