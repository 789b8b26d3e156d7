package sim_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/sim"
)

func table() sim.Section {
	same := func(v float64) sim.Band { return sim.Band{Median: v, Low: v, High: v} }
	return sim.Section{Title: "P = 24 & more", Rows: []sim.Row{
		{Policy: "tidemark", Late: sim.Band{Median: 2.4, Low: 2.1, High: 2.7}, Avoidable: same(0.2), Clairvoyant: same(1.13), ReplicaHours: same(193)},
		{Policy: "incumbent <1>", Late: same(5), Avoidable: same(0.9), Clairvoyant: same(1.12), ReplicaHours: same(191)},
		{Policy: "never there", Late: same(900), Avoidable: same(880), Clairvoyant: same(0.4), ReplicaHours: same(24)},
		{Policy: "clairvoyant", Reference: true, Clairvoyant: same(1)},
	}}
}

func TestTableSaysWhoWonEvenIfItIsNotUs(t *testing.T) {
	text := table().Text()
	for _, want := range []string{
		"P = 24 & more\npolicy         late min/day   avoidable  p95 s  p99 s  rep-h/day  ×clairvoyant  actions  rebalances  reversals\n",
		"tidemark       2.4 (2.1–2.7)  0.2        0      0      193        1.13          0.0      0.0         0.0\n",
		"Cheapest with at most a minute avoidably late a day: incumbent <1>, 1.12 times the clairvoyant's replica-hours.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("text lacks %q:\n%s", want, text)
		}
	}
}

func TestTableOfWhomNobodyWasInTimeSaysSo(t *testing.T) {
	s := table()
	s.Rows = s.Rows[2:]
	if got, want := s.Text(), "Nobody was avoidably late for a minute a day at most.\n"; !strings.HasSuffix(got, want) {
		t.Errorf("text = %q, want it to end with %q", got, want)
	}
}

func TestBarsAreLongerForMore(t *testing.T) {
	lines := strings.Split(table().Bars(), "\n")
	if got, more := strings.Count(lines[1], "█"), strings.Count(lines[3], "█"); got >= more {
		t.Errorf("2.4 minutes late are %d blocks, 900 minutes %d:\n%s", got, more, table().Bars())
	}
}

func TestPictureAndPageAreWellFormedAndNamesEscaped(t *testing.T) {
	page := sim.Page([]sim.Section{table(), table()})
	for name, text := range map[string]string{"picture": table().SVG(), "page": strings.TrimPrefix(page, "<!doctype html>")} {
		d := xml.NewDecoder(strings.NewReader(text))
		d.Strict, d.AutoClose, d.Entity = name == "picture", xml.HTMLAutoClose, xml.HTMLEntity
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if strings.Contains(text, "<1>") || !strings.Contains(text, "incumbent &lt;1&gt;") {
			t.Errorf("%s: the name is not escaped", name)
		}
	}
	if got, want := strings.Count(page, "<circle"), 8; got != want {
		t.Errorf("page has %d points, want %d", got, want)
	}
}
