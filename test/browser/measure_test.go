package browser

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"github.com/aetherlink/tidemark"
)

// BenchmarkTenThousandGroups says how the overview of 10,000 groups feels: how
// long until something is painted, what the browser has to do for each frame
// while somebody scrolls by three rows a frame, as a hard flick does (a frame at
// 60 Hz has 16.7 ms), and what the page holds.
// Work is counted in the main thread's own time, so that a busy machine shows the
// same; the first paint is by the clock.
func BenchmarkTenThousandGroups(b *testing.B) {
	started := openBrowser(b)
	port := serve(b, crowd(10_000, time.Now()))
	look := started.openTab(b, port)
	const frames = 300
	for b.Loop() {
		look.do(chromedp.Navigate(port.page("/")))
		look.await("the table", groups+".length > 10")
		b.ReportMetric(look.number("performance.getEntriesByName('first-contentful-paint')[0].startTime"), "ms-to-first-paint")
		before := look.work()
		look.eval(fmt.Sprintf(`new Promise(done => {
			let left = %d
			const step = () => { scrollBy(0, 120); if (--left) requestAnimationFrame(step); else done(true) }
			requestAnimationFrame(step)
		})`, frames))
		b.ReportMetric(1000*(look.work()-before)/frames, "ms-work/frame")
		b.ReportMetric(look.number("performance.memory.usedJSHeapSize")/1e6, "MB-heap")
	}
}

// crowd is a View of so many groups of three partitions each, every 17th of which is behind.
func crowd(n int, at time.Time) *tidemark.View {
	o := tidemark.Observation{Cluster: "main", Snapshot: &tidemark.Snapshot{Cluster: "main", Began: at, Ended: at}}
	for i := range n {
		name, lag, state := fmt.Sprintf("service-%05d.team-%02d", i, i%37), int64(0), tidemark.CaughtUp
		if i%17 == 0 {
			lag, state = int64(100+i), tidemark.Growing
		}
		o.Snapshot.Groups = append(o.Snapshot.Groups, tidemark.Group{Name: name, Type: "classic", Phase: "Stable", At: at})
		rate := tidemark.Rate{PerSecond: float64(i%100) + 0.5, Known: true}
		o.Estimates = append(o.Estimates, tidemark.Estimate{
			Cluster: "main", Group: name, State: state, Because: "the numbers say so", Arrivals: rate, Consumption: rate,
			Lag: tidemark.Total{Records: lag, Partitions: 3, Complete: true}, Replicas: tidemark.Replicas{Have: 1, Needed: 2, Useful: 3, Known: true},
		})
	}
	return &tidemark.View{At: at, Observations: []tidemark.Observation{o}}
}

func (b tab) number(expression string) float64 {
	b.t.Helper()
	n, err := strconv.ParseFloat(b.eval(expression), 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// work is how many seconds the page's main thread has been at work since this was
// first asked.
func (b tab) work() (seconds float64) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}); err != nil {
			return err
		}
		all, err := cdp.Call(ctx, target, performance.GetMetrics, cdp.Empty{})
		if err != nil {
			return err
		}
		for _, m := range all.Metrics {
			if m.Name == "TaskDuration" {
				seconds = m.Value
			}
		}
		return nil
	}))
	return seconds
}
