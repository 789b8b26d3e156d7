package sim

import (
	"fmt"
	"html"
	"math"
	"strings"
	"text/tabwriter"
)

// Section is a table of the comparison and what it is about.
type Section struct {
	Title string
	Rows  []Row
}

// Cheapest returns the row with the fewest replica-hours of those that were avoidably
// late for a minute a day at most, whoever's it is. Source: capacity.md 3.5.
func (s Section) Cheapest() (r Row, ok bool) {
	for _, row := range s.Rows {
		if !row.Reference && row.Avoidable.Median <= 1 && (!ok || row.Clairvoyant.Median < r.Clairvoyant.Median) {
			r, ok = row, true
		}
	}
	return r, ok
}

// verdict says who won.
func (s Section) verdict() string {
	if r, ok := s.Cheapest(); ok {
		return fmt.Sprintf("Cheapest with at most a minute avoidably late a day: %s, %s times the clairvoyant's replica-hours.", r.Policy, r.Clairvoyant.text(2))
	}
	return "Nobody was avoidably late for a minute a day at most."
}

// column is one figure of a table.
type column struct {
	name   string
	digits int
	of     func(Row) Band
}

func columns() []column {
	return []column{
		{"late min/day", 1, func(r Row) Band { return r.Late }},
		{"avoidable", 1, func(r Row) Band { return r.Avoidable }},
		{"p95 s", 0, func(r Row) Band { return r.P95 }},
		{"p99 s", 0, func(r Row) Band { return r.P99 }},
		{"rep-h/day", 0, func(r Row) Band { return r.ReplicaHours }},
		{"×clairvoyant", 2, func(r Row) Band { return r.Clairvoyant }},
		{"actions", 1, func(r Row) Band { return r.Actions }},
		{"rebalances", 1, func(r Row) Band { return r.Rebalances }},
		{"reversals", 1, func(r Row) Band { return r.Reversals }},
	}
}

// text writes 3.7 (3.1–4.4), and 0 where all are 0.
func (b Band) text(digits int) string {
	text := fmt.Sprintf("%.*f", digits, b.Median)
	low, high := fmt.Sprintf("%.*f", digits, b.Low), fmt.Sprintf("%.*f", digits, b.High)
	if low == text && high == text {
		return text
	}
	return fmt.Sprintf("%s (%s–%s)", text, low, high)
}

// Text is the table for a terminal, who won it, and a bar per policy: what it cost,
// and how long it was late.
func (s Section) Text() string {
	var out strings.Builder
	fmt.Fprintln(&out, s.Title)
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "policy")
	for _, c := range columns() {
		fmt.Fprint(t, "\t", c.name)
	}
	fmt.Fprintln(t)
	for _, r := range s.Rows {
		fmt.Fprint(t, r.Policy)
		for _, c := range columns() {
			fmt.Fprint(t, "\t", c.of(r).text(c.digits))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	fmt.Fprintln(&out, s.verdict())
	return out.String()
}

// Bars draws what each policy cost and how long it was late, for a terminal. Lengths
// are by logarithm: twice as much is as much longer everywhere.
//
//	tidemark        1.13 ██▎              2.4 min ███
func (s Section) Bars() string {
	var out strings.Builder
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "policy\t×clairvoyant\t\tlate min/day\t")
	for _, r := range s.Rows {
		fmt.Fprintf(t, "%s\t%.2f\t%-16s\t%.1f\t%s\n", r.Policy,
			r.Clairvoyant.Median, bar(4*math.Log2(1+r.Clairvoyant.Median)), r.Late.Median, bar(2*math.Log2(1+r.Late.Median)))
	}
	t.Flush()
	return out.String()
}

// bar is a bar of that many characters, in eighths.
func bar(length float64) string {
	eighths := int(math.Round(length * 8))
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// The picture, in pixels.
const (
	wide, high   = 860, 460
	left, bottom = 60, 410
	plotted      = 560 // of the width
)

// SVG draws cost against lateness: to the left is cheap, below is in time. Each policy
// is a point with its band of nine in ten seeds.
func (s Section) SVG() string {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="system-ui, sans-serif" font-size="12">`,
		wide, high, html.EscapeString(s.Title))
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/>`, wide, high)
	for _, tick := range []float64{0.5, 1, 2, 4, 8, 16} {
		fmt.Fprintf(&out, `<line x1="%.1f" y1="30" x2="%.1f" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle" fill="#444">%g×</text>`,
			acrossOf(tick), acrossOf(tick), bottom, acrossOf(tick), bottom+18, tick)
	}
	for _, tick := range []float64{0, 1, 10, 100, 1000} {
		fmt.Fprintf(&out, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#444">%g</text>`,
			left, downOf(tick), left+plotted, downOf(tick), left-6, downOf(tick)+4, tick)
	}
	fmt.Fprintf(&out, `<text x="%d" y="%d" fill="#444">replica-hours, times the clairvoyant's</text><text x="8" y="20" fill="#444">late minutes a day</text>`, left, bottom+38)
	for i, r := range s.Rows {
		s.point(&out, i, r)
	}
	out.WriteString("</svg>")
	return out.String()
}

// acrossOf and downOf are where a value stands.
func acrossOf(cost float64) float64 {
	return left + plotted*math.Log2(max(0.5, min(cost, 24))/0.5)/math.Log2(48)
}

func downOf(late float64) float64 { return bottom - 370*math.Log10(1+late)/math.Log10(1441) }

// point draws one policy, and its line of the legend.
func (s Section) point(out *strings.Builder, i int, r Row) {
	colour := "#5c636e"
	switch {
	case strings.HasPrefix(r.Policy, "tidemark"):
		colour = "#0b6e4f"
	case r.Reference:
		colour = "#b8860b"
	}
	x, y, name := acrossOf(r.Clairvoyant.Median), downOf(r.Late.Median), html.EscapeString(r.Policy)
	fmt.Fprintf(out, `<g stroke="%s" stroke-opacity="0.5"><line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/></g>`,
		colour, acrossOf(r.Clairvoyant.Low), y, acrossOf(r.Clairvoyant.High), y, x, downOf(r.Late.Low), x, downOf(r.Late.High))
	fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="8" fill="%s"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#fff" font-size="10">%d</text>`,
		x, y, colour, x, y+3.5, i+1)
	fmt.Fprintf(out, `<text x="%d" y="%d" fill="%s">%d %s</text>`, left+plotted+24, 44+20*i, colour, i+1, name)
}

// Page is a page of HTML with each section as a picture and as a table.
func Page(sections []Section) string {
	var out strings.Builder
	out.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Scaling policies compared</title><style>` +
		`body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#1c2024}` +
		`table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right}` +
		`td{white-space:nowrap}td:first-child,th:first-child{text-align:left}.ours{font-weight:600}</style></head><body><h1>Scaling policies compared</h1>` +
		`<p>Simulated days. Median over the seeds; in brackets what nine seeds of ten lie between. A record is late after a minute.</p>`)
	for _, s := range sections {
		fmt.Fprintf(&out, "<h2>%s</h2>%s<p>%s</p><table><thead><tr><th>policy</th>", html.EscapeString(s.Title), s.SVG(), html.EscapeString(s.verdict()))
		for _, c := range columns() {
			fmt.Fprintf(&out, "<th>%s</th>", c.name)
		}
		out.WriteString("</tr></thead><tbody>")
		for _, r := range s.Rows {
			class := ""
			if strings.HasPrefix(r.Policy, "tidemark") {
				class = ` class="ours"`
			}
			fmt.Fprintf(&out, "<tr%s><td>%s</td>", class, html.EscapeString(r.Policy))
			for _, c := range columns() {
				fmt.Fprintf(&out, "<td>%s</td>", c.of(r).text(c.digits))
			}
			out.WriteString("</tr>")
		}
		out.WriteString("</tbody></table>")
	}
	out.WriteString("</body></html>\n")
	return out.String()
}
