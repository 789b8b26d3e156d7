package clients

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// openBrowser starts a browser.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is a tool beside Go")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not here")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	browser, quit := chromedp.NewContext(allocator)
	t.Cleanup(quit)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return browser
}

// tab is one tab of the browser.
type tab struct {
	t     *testing.T
	ctx   context.Context
	close func()
}

func openTab(t *testing.T, browser context.Context, address string) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	return tab{t, ctx, cancel}
}

// eval returns what an expression, or its promise, comes to in the page, as JSON.
func (b tab) eval(expression string) string {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(value)
}

// await looks until the condition holds in the page.
func (b tab) await(what, condition string) {
	b.t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); b.eval("Boolean("+condition+")") != "true"; <-again.C {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited for %s; the page says:\n%s", what, b.eval("document.body.innerText"))
		}
	}
}

// openPages serves the test's own page and the packages that it uses: an origin
// other than the service's.
func openPages(t *testing.T) *httptest.Server {
	t.Helper()
	if _, err := os.Stat("node/node_modules"); err != nil {
		missing(t, "the packages of test/clients/node are not installed")
	}
	files := http.FileServer(http.Dir("node"))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/esm/") && path.Ext(r.URL.Path) == "" {
			r.URL.Path += ".js" // as bundlers resolve it
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestClientsOfBrowsersGoOnExactlyAfterACut has pages of another origin: what the
// service allows is part of it.
func TestClientsOfBrowsersGoOnExactlyAfterACut(t *testing.T) {
	browser := openBrowser(t)
	pages := openPages(t)
	for _, dense := range []string{"false", "true"} {
		for _, kind := range []string{"native", "polyfill", "fetch"} {
			t.Run(kind+"/dense="+dense, func(t *testing.T) {
				b := openBed(t, "--dense="+dense, "--cors.allow-origin="+pages.URL)
				page := openTab(t, browser, pages.URL+"/browser.html?kind="+kind+"&url="+url.QueryEscape(b.line.url("/crm-events")))
				page.await("the client to be connected", `heard.includes("connected live")`)
				b.publish(5)
				page.await("five events", `heard.filter(line => line.startsWith("event")).length === 5`)
				b.line.cut()
				b.publish(5)
				b.line.mend()
				page.await("the client to go on exactly", `heard.includes("connected exact")`)
				b.publish(5)
				page.await("each event once and in order",
					`heard.filter(line => line.startsWith("event")).join() === Array.from({length: 15}, (_, i) => "event 0 " + i).join()`)
			})
		}
	}
}

// TestPageOfAnotherOriginIsNotLetIn is the same page without the permission.
func TestPageOfAnotherOriginIsNotLetIn(t *testing.T) {
	browser := openBrowser(t)
	pages := openPages(t)
	b := openBed(t)
	page := openTab(t, browser, pages.URL+"/browser.html?kind=native&url="+url.QueryEscape(b.line.url("/crm-events")))
	page.await("the browser to give up", "source.readyState === EventSource.CLOSED && heard.length === 0")
}

// TestOverloadedBrowserComesBack: an answer that is no stream would have ended its
// EventSource for good.
func TestOverloadedBrowserComesBack(t *testing.T) {
	browser := openBrowser(t)
	pages := openPages(t)
	b := openBed(t, "--clients.max=1", "--cors.allow-origin="+pages.URL)
	first := openTab(t, browser, pages.URL+"/browser.html?kind=native&url="+url.QueryEscape(b.line.url("/crm-events")))
	first.await("the first to be connected", `heard.includes("connected live")`)
	second := openTab(t, browser, pages.URL+"/browser.html?kind=native&url="+url.QueryEscape(b.line.url("/crm-events?")))
	second.await("the second to be told", `heard.includes("overloaded clients")`)
	second.await("its browser to try again", "source.readyState === EventSource.CONNECTING")
	first.eval("source.close()")
	second.await("the second to be let in", `heard.includes("connected live")`)
}

// rows is how many events the live page shows.
const rows = "document.querySelectorAll('tbody tr').length"

// TestTabsOfABrowserShareOneStream opens the live page twice. When the tab that has
// the stream closes, the other one goes on where that was.
func TestTabsOfABrowserShareOneStream(t *testing.T) {
	browser := openBrowser(t)
	onBothTransports(t, func(t *testing.T, b *bed) {
		first := openTab(t, browser, b.line.url("/crm-events/live.html?type=JobCreated"))
		first.await("the stream", "document.querySelector('[role=status]').innerText.includes('live')")
		second := openTab(t, browser, b.line.url("/crm-events/live.html?type=JobCreated"))
		second.await("its script to run", "document.querySelector('input[name=type]').value === 'JobCreated'")
		second.await("its turn to be asked for", "navigator.locks.query().then(locks => locks.pending.length === 1)")
		b.publish(10)
		first.await("ten rows", rows+" === 10")
		second.await("ten rows", rows+" === 10")
		if got, want := b.service.metric("crm_events_sse_clients"), "1"; got != want {
			t.Errorf("%s streams for two tabs, want %s", got, want)
		}
		if got := first.eval("document.querySelector('tbody tr').cells[1].innerText"); !strings.Contains(got, " ms") {
			t.Errorf("the latency of an event is shown as %s", got)
		}
		first.close()
		b.publish(5)
		second.await("fifteen rows, none twice", rows+" === 15")
		offsets := "[...document.querySelectorAll('tbody tr')].map(row => +row.cells[3].innerText).reverse().join()"
		if got, want := second.eval(offsets), `"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14"`; got != want {
			t.Errorf("the page shows the events %s, want %s", got, want)
		}
	})
}

// TestFiltersOfTheLivePageAreTheServers: what is not asked for does not cross the
// network.
func TestFiltersOfTheLivePageAreTheServers(t *testing.T) {
	browser := openBrowser(t)
	b := openBed(t)
	page := openTab(t, browser, b.line.url("/crm-events/live.html?type=JobDone"))
	page.await("the stream", "document.querySelector('[role=status]').innerText.includes('live')")
	b.publish(600)
	await(t, "the service to have read them", func() bool {
		return b.service.metric(`crm_events_partition_position{partition="0",stage="flushed"}`) == "600"
	})
	if got, want := b.service.metric("crm_events_deliveries_total"), "0"; got != want {
		t.Errorf("%s events were delivered, want %s", got, want)
	}
	all := openTab(t, browser, b.line.url("/crm-events/live.html?since=1"))
	all.await("the latest 500 and no more", rows+" === 500")
}
