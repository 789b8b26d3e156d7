package browser

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPeopleUseThePages goes through the pages as people do, in one browser.
func TestPeopleUseThePages(t *testing.T) {
	browser := openBrowser(t)
	port := openWorld(t)
	start := func(t *testing.T, path string) tab {
		t.Helper()
		page := browser.openTab(t, port)
		page.do(chromedp.Navigate(port.page(path)))
		return page
	}
	t.Run("the overview follows the cluster by itself", func(t *testing.T) {
		page := start(t, "/")
		page.await("the three groups", groups+".length === 3")
		page.awaitNews()
	})
	t.Run("a filter stands in the address and survives a reload", func(t *testing.T) {
		page := start(t, "/")
		page.await("the three groups", groups+".length === 3")
		page.findFilter()
		page.press(strings.Split("audit", "")...)
		page.await("one group left", groups+".length === 1 && location.search === '?q=audit'")
		page.do(chromedp.Reload())
		page.await("the same one group", groups+`.length === 1 && document.querySelector('input[type=search]').value === 'audit'`)
	})
	t.Run("keys lead from the overview to a group and change the theme", func(t *testing.T) {
		page := start(t, "/")
		page.await("the three groups", groups+".length === 3")
		page.findFilter()
		page.press("Escape")
		page.press("j")
		page.await("the first row", row("0"))
		page.press("j")
		page.await("the second row", row("1"))
		page.press("k")
		page.await("the first row again", row("0"))
		page.press("Enter")
		page.await("a group's page", "location.pathname.startsWith('/groups/') && document.querySelector('main h1')")
		before := page.eval("document.documentElement.dataset.theme")
		page.press("t")
		page.await("the other theme", "document.documentElement.dataset.theme !== "+before)
	})
	t.Run("two keys lead to every page", func(t *testing.T) {
		page := start(t, "/")
		page.await("the three groups", groups+".length === 3")
		for key, path := range map[string]string{"c": "/capacity", "a": "/alerts", "t": "/topology", "k": "/clusters", "d": "/drills", "r": "/rules", "o": "/"} {
			page.press("g", key)
			page.await(path, "location.pathname === '"+path+"' && document.querySelector('main h1')")
		}
		page.press("g", "b")
		page.await("the runbooks", "location.pathname === '/runbooks/' && document.querySelector('main h1')")
	})
	t.Run("groups stand under their owners, and the address says so", func(t *testing.T) {
		page := start(t, "/?by=owner")
		page.await("an owner over the groups", groups+`.length === 3 && [...document.querySelectorAll('tr.heading')].map(h => h.innerText.trim()).sort().join() === 'no owner 2,team-crm 1'`)
		page.findFilter()
		page.press("Escape", "j", "j", "j") // past the headings, which are no rows
		page.await("the last group", "document.activeElement.closest('tr[data-i]')?.nextElementSibling === null")
	})
	t.Run("a page shows the past, says so, and leads back", func(t *testing.T) {
		page := start(t, "/")
		page.await("the three groups", groups+".length === 3")
		page.awaitNews()
		at := strings.Trim(page.eval("new Date(Date.now() - 2000).toISOString()"), `"`)
		page.do(chromedp.Navigate(port.page("/?at=" + at)))
		page.await("three groups of the past", groups+".length === 3 && document.querySelector('.ribbon.past') && "+connection("past"))
		before := page.eval(lags)
		page.eval("document.querySelector('a[href*=\"orders-billing\"]').click()")
		page.await("the group at the same moment", "location.pathname.endsWith('/orders-billing') && location.search.startsWith('?at=') && document.querySelector('td.committed')")
		page.eval("history.back()")
		page.await("the same numbers as before: the past stands still", lags+" === "+before)
		page.eval("[...document.querySelectorAll('button')].find(b => b.innerText === 'Back to now').click()")
		page.await("the present", "location.search === '' && "+connection("live"))
	})
	t.Run("an incident is one file that needs nobody", func(t *testing.T) {
		page := start(t, crm)
		page.await("partitions and a chart", "document.querySelector('canvas') && document.querySelectorAll('td.committed').length === 3")
		file := page.download("Export incident")
		if got, want := filepath.Base(file), "incident-crm-events-sse.html"; got != want {
			t.Errorf("the file is called %s, want %s", got, want)
		}
		saved := browser.openFile(t, file)
		for what, condition := range map[string]string{
			"its name":          "document.querySelector('h1').innerText.startsWith('crm-events-sse')",
			"three charts":      "document.querySelectorAll('svg.still path').length === 4",
			"a line in them":    "document.querySelector('svg.still path').getTotalLength() > 10",
			"its partitions":    "document.body.innerText.includes('aetherlink.events')",
			"its estimates":     "document.body.innerText.includes('records per second')",
			"no program at all": "document.scripts.length === 0",
		} {
			saved.await(what+" in the file", condition)
		}
	})
	t.Run("rows become a file for a spreadsheet", func(t *testing.T) {
		page := start(t, "/")
		page.await("the three groups", groups+".length === 3")
		text, err := os.ReadFile(page.download("CSV"))
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Split(string(text), "\r\n"); len(lines) != 5 || !strings.HasPrefix(lines[0], "group,state,lag,") {
			t.Errorf("the file says\n%s\nwant a head and three groups", text)
		}
	})
	t.Run("a group's page draws its lag and lists its partitions", func(t *testing.T) {
		page := start(t, crm)
		page.await("a chart", "document.querySelector('canvas')?.width > 100")
		page.await("three partitions", "document.querySelectorAll('tr[data-i] td.committed').length === 3")
	})
	t.Run("a plan stands in the address and says what comes of it", func(t *testing.T) {
		page := start(t, "/groups/demo/orders-billing")
		page.await("a plan for what is there", outcome+"?.innerText.includes(' on 3 partitions ')")
		page.eval("document.getElementById('replicas').focus()")
		before := page.eval(outcome + ".innerText")
		page.press("ArrowRight")
		page.await("another plan", "location.search.startsWith('?replicas=') && "+outcome+".innerText !== "+before)
	})
	t.Run("a lost stream is announced and taken up again", func(t *testing.T) {
		page := start(t, "/")
		page.await("the stream", connection("live"))
		port.begin()
		page.await("the loss to be announced", connection("reconnecting"))
		port.end()
		page.await("the stream to be back", connection("live"))
		page.awaitNews()
	})
	for _, theme := range []string{"light", "dark"} {
		t.Run("everybody can read the pages when they are "+theme, func(t *testing.T) {
			axe := openAxe(t)
			page := start(t, "/")
			page.eval("localStorage.setItem('theme', '" + theme + "')")
			for path, ready := range readable() {
				page.do(chromedp.Navigate(port.page(path)))
				page.await(path+" in "+theme, "(/^.(api|runbooks)/.test(location.pathname) || document.documentElement.dataset.theme === '"+theme+"') && "+ready)
				page.do(chromedp.Evaluate[chromedp.Void](axe))
				page.judge(path)
			}
		})
	}
}

const (
	outcome = "document.querySelector('.outcome')"
	crm     = "/groups/demo/crm-events-sse"
	groups  = "document.querySelectorAll('tr[data-i] td.group')"
	lags    = "[...document.querySelectorAll('td.lag, tr[data-i] td.flow')].map(cell => cell.innerText).join()"
)

// findFilter presses the key for the filter, until the page listens to keys: it
// shows its groups a frame before that.
func (b tab) findFilter() {
	b.t.Helper()
	const found = "document.activeElement.matches('input[type=search]')"
	for b.eval(found) != "true" {
		b.press("/")
		b.eval("new Promise(drawn => requestAnimationFrame(() => drawn(true)))")
	}
}

// awaitNews waits until numbers changed without anybody asking.
func (b tab) awaitNews() {
	b.t.Helper()
	before := b.eval(lags)
	b.await("other numbers than "+before, lags+" !== "+before)
}

func row(i string) string {
	return "document.activeElement.closest('tr[data-i]')?.dataset.i === '" + i + "'"
}

func connection(word string) string {
	return "document.querySelector('.connection')?.innerText.includes('" + word + "')"
}

// readable are the pages and when they show what they are for.
func readable() map[string]string {
	return map[string]string{
		"/":                                  groups + ".length === 3",
		crm:                                  "document.querySelector('canvas') && document.querySelector('td.committed')",
		"/capacity":                          "document.querySelector('td.headroom')",
		"/api/docs":                          "document.querySelector('td')",
		"/alerts":                            "document.querySelector('tr[data-i]')",
		"/rules":                             "document.querySelector('td.expr')",
		"/targets":                           "document.querySelector('tr[data-i]')",
		"/graph?g0.expr=kafka_brokers%20>0":  "document.querySelector('canvas')",
		"/topology":                          "document.querySelectorAll('svg a.node').length === 3",
		"/clusters":                          "document.querySelector('td.address')",
		"/drills":                            "document.querySelector('main h1')",
		"/connect":                           "document.querySelector('.yaml')",
		"/replay?rule=KafkaHotPartition":     "document.querySelector('.problem, .timeline')",
		"/runbooks/":                         "document.querySelector('main li')",
		"/runbooks/CrmEventsConsumerLagHigh": "document.querySelector('main h1')",
	}
}

// openAxe reads the program that finds what some people cannot read or reach.
func openAxe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "web", "ui", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		missing(t, "axe-core is not in web/ui/node_modules")
	}
	return string(text)
}

// judge reports what axe calls serious or critical.
func (b tab) judge(path string) {
	b.t.Helper()
	var findings []struct{ ID, Help, Where string }
	answer := b.eval(`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations
		.filter(v => v.impact === 'serious' || v.impact === 'critical')
		.flatMap(v => v.nodes.map(n => ({id: v.id, help: v.help, where: n.html + ' ' + n.failureSummary}))))`)
	if err := json.Unmarshal([]byte(answer), &findings); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range findings {
		b.t.Errorf("%s: %s (%s): %s", path, f.Help, f.ID, f.Where)
	}
}
