package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

// nothing stands where a value is not known.
const nothing = "—"

// whole writes 12345 as 12,345.
func whole(n web.Number) string {
	if !n.Known {
		return nothing
	}
	digits := strconv.FormatFloat(math.Round(math.Abs(n.Value)), 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if n.Value < 0 {
		return "-" + b.String()
	}
	return b.String()
}

// rate writes records per second with three significant digits.
func rate(n web.Number) string {
	switch {
	case !n.Known:
		return nothing
	case math.Abs(n.Value) >= 100:
		return whole(n)
	case math.Abs(n.Value) >= 10:
		return strconv.FormatFloat(n.Value, 'f', 1, 64)
	default:
		return strconv.FormatFloat(n.Value, 'f', 2, 64)
	}
}

// span writes seconds as people say them: 20s, 1m 15s, 1h 51m, 3d 4h.
func span(n web.Number) string {
	if !n.Known {
		return nothing
	}
	d := time.Duration(n.Value * float64(time.Second)).Round(time.Second)
	units := []struct {
		name string
		long time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.long && i < len(units)-1 {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.long, u.name)
		if i+1 < len(units) {
			if rest := (d % u.long) / units[i+1].long; rest > 0 {
				text += fmt.Sprintf(" %d%s", rest, units[i+1].name)
			}
		}
		return text
	}
	return nothing
}

// eta says when the lag is gone, or why there is no such moment.
func eta(row web.Row) string {
	switch row.State {
	case tidemark.Growing:
		return "never"
	case tidemark.Stalled, tidemark.Stopped, tidemark.Steady:
		return string(row.State)
	case tidemark.Unknown:
		return nothing
	case tidemark.Idle, tidemark.CaughtUp, tidemark.Draining:
	}
	text := span(row.Drain.P50)
	if row.Drain.P10.Known && row.Drain.P90.Known && row.Drain.P50.Value >= 1 {
		text += " ±" + span(web.Number{Value: (row.Drain.P90.Value - row.Drain.P10.Value) / 2, Known: true})
	}
	return text
}

// replicas says how many there are, how many it takes, and whether partitions forbid that.
func replicas(r web.Replicas) string {
	text := whole(r.Have) + " → " + whole(r.Needed)
	if r.Needed.Known && r.Useful.Known && r.Needed.Value > r.Useful.Value {
		text += " ▲" + whole(r.Useful)
	}
	return text
}

// verdict is a state in words, with a shape and a level for colour.
func verdict(state tidemark.State) (level, text string) {
	switch state {
	case tidemark.Idle:
		return "good", "✓ idle"
	case tidemark.CaughtUp:
		return "good", "✓ caught up"
	case tidemark.Draining:
		return "warn", "! draining"
	case tidemark.Steady:
		return "warn", "! behind, steady"
	case tidemark.Growing:
		return "bad", "× falling behind"
	case tidemark.Stalled:
		return "never", "× stalled"
	case tidemark.Stopped:
		return "never", "! no members"
	default:
		return "quiet", "– unknown"
	}
}

// sparkline draws the last totals as eight blocks; a gap is a space.
func sparkline(trend []web.Number) string {
	const blocks, width = "▁▂▃▄▅▆▇█", 8
	trend = trend[max(0, len(trend)-width):]
	low, high := math.Inf(1), math.Inf(-1)
	for _, n := range trend {
		if n.Known {
			low, high = min(low, n.Value), max(high, n.Value)
		}
	}
	var b strings.Builder
	for _, n := range trend {
		switch {
		case !n.Known:
			b.WriteByte(' ')
		case high == low:
			b.WriteString("▁")
		default:
			b.WriteRune([]rune(blocks)[int((n.Value-low)/(high-low)*7)])
		}
	}
	return b.String()
}
