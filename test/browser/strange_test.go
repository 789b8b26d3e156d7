package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/runbooks"
	"github.com/aetherlink/tidemark/web"
)

// serve answers from one View that a test has made up, with the runbooks and an
// engine that has rules of these names.
func serve(t testing.TB, view *tidemark.View, rules ...string) *outage {
	t.Helper()
	now := func() *tidemark.View { return view }
	var known []string
	for _, name := range rules {
		known = append(known, fmt.Sprintf(`{"name":%q,"query":%[1]q,"type":"alerting","state":"firing","duration":300,"health":"ok","lastError":%[1]q,"lastEvaluation":"2026-11-23T13:00:00Z"}`, jsonSafe(name)))
	}
	says := func(body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
	}
	pages, err := web.New(web.Options{Version: "test", Mounts: []web.Mount{
		{Path: "/runbooks/", Handler: runbooks.Handler(now)},
		{Path: "/api/v1/rules", Handler: says(`{"status":"success","data":{"groups":[{"name":"names","file":"names.yaml","interval":15,"rules":[` + strings.Join(known, ",") + `]}]}}`)},
		{Path: "/api/v1/query_range", Handler: says(`{"status":"success","data":{"resultType":"matrix","result":[]}}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	pages.Publish(view)
	port := openPort(t)
	server := &http.Server{Handler: pages.Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(port) }()
	t.Cleanup(func() { _ = server.Close() })
	return port
}

// jsonSafe leaves out what %q writes in a way that JSON does not know.
func jsonSafe(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x2028 {
			return ' '
		}
		return r
	}, text)
}

// names are what somebody may call a group, a topic, a client or an alert who
// would like to run something in the pages of who looks at it.
func names() []string {
	return []string{
		`<script>ran=1</script>`,
		`"><img src=x onerror=ran=1>`,
		`'><svg/onload=ran=1>`,
		`<img src="http://evil.example/x.png">`,
		`</title></style></textarea><script>ran=1</script>`,
		`" autofocus onfocus=ran=1 x="`,
		"`${ran=1}`{{constructor.constructor('ran=1')()}}",
		`javascript:ran=1`,
		`[x](javascript:ran=1) ![x](http://evil.example/y.png)`,
		`--><script>ran=1</script><!--`,
		`]]><script>ran=1</script>`,
		`&lt;script&gt;ran=1&lt;/script&gt;&#60;img src=x onerror=ran=1&#62;`,
		"<iframe srcdoc='<script>parent.ran=1</script>'>",
		"a\u2028ran=1\nb\t<details open ontoggle=ran=1>",
		`=HYPERLINK("http://evil.example","x")`,
		`a/b?c#d%2e%3Cscript%3E`,
	}
}

// namedWorld is a View in which every name is one of those, and every state occurs.
func namedWorld(at time.Time) *tidemark.View {
	o := tidemark.Observation{Cluster: "main", Snapshot: &tidemark.Snapshot{Cluster: "main", Began: at, Ended: at}}
	v := &tidemark.View{At: at}
	for i, name := range slices.Sorted(slices.Values(names())) {
		owns := []tidemark.Assignment{{Topic: name, Partitions: []int32{0}}}
		o.Snapshot.Brokers = append(o.Snapshot.Brokers, tidemark.Broker{ID: int32(i), Address: name})
		o.Snapshot.Topics = append(o.Snapshot.Topics, tidemark.Topic{Name: name, Partitions: []tidemark.Log{{ID: 0, Leader: -1, At: at, Held: at}}})
		o.Snapshot.Groups = append(o.Snapshot.Groups, tidemark.Group{Name: name, Type: name, Phase: name, Assignor: name, At: at, Members: []tidemark.Member{{ID: name, InstanceID: name, Client: name, Host: name, Assigned: owns}}})
		o.Snapshot.Partitions = append(o.Snapshot.Partitions, tidemark.Partition{Group: name, Topic: name, ID: 0, Committed: 1, LogEnd: 1000})
		o.Snapshot.Gaps = append(o.Snapshot.Gaps, tidemark.Gap{What: name, Reason: tidemark.Denied, Err: errors.New(name)})
		o.Snapshot.Requests = append(o.Snapshot.Requests, tidemark.RequestCount{API: name, N: 1})
		known := tidemark.Rate{PerSecond: 10, Known: true}
		o.Estimates = append(o.Estimates, tidemark.Estimate{
			Cluster: "main", Group: name, State: tidemark.States()[i%8], Because: name, Lag: tidemark.Total{Records: 999, Partitions: 1, Complete: true},
			Arrivals: known, Consumption: known, ReplicaCapacity: known, Replicas: tidemark.Replicas{Have: 1, Needed: 3, Useful: 1, PartitionsNeeded: 3, Known: true},
			Partitions: make([]tidemark.PartitionEstimate, 1),
		})
		labels := map[string]string{"alertname": name, "severity": name, "cluster": "main", "consumergroup": name}
		notes := map[string]string{"summary": name, "description": name, "runbook_url": name}
		v.Alerts = append(v.Alerts, tidemark.Alert{Name: name, State: tidemark.AlertFiring, Labels: labels, Annotations: notes, ActiveSince: at, FiredAt: at})
		v.Events = append(v.Events, tidemark.Event{At: at, Kind: tidemark.EventKind(name), Cluster: "main", Group: name, Text: name})
		v.Pipelines = append(v.Pipelines, tidemark.Pipeline{Name: name, Group: name, Owner: name, Thresholds: tidemark.Thresholds{LagRecords: 5}})
	}
	v.Observations = []tidemark.Observation{o}
	return v
}

// TestNothingRunsWhateverThingsAreCalled goes to every page of a cluster whose
// names are programs, and saves what can be saved. Nothing may run, nothing may
// even try: the pages' policy would stop a script, and report that it had to.
func TestNothingRunsWhateverThingsAreCalled(t *testing.T) {
	started := openBrowser(t)
	port := serve(t, namedWorld(time.Now()), names()...)
	look := started.openTab(t, port)
	look.tellTale()
	calm := func(where string) {
		t.Helper()
		const found = "[window.ran, window.stopped, document.querySelectorAll('img:not([src=\"/favicon.svg\"]), iframe, details[ontoggle], script:not([src])').length].join()"
		if got, want := look.eval(found), `",,0"`; got != want {
			t.Errorf("%s: ran, was stopped, was made: %s, want %s", where, got, want)
		}
	}
	paths := []string{"/", "/?by=owner", "/capacity", "/alerts", "/topology", "/clusters", "/rules", "/connect", "/runbooks/", "/api/docs"}
	for _, name := range names() {
		about := url.Values{"cluster": {"main"}, "group": {name}}.Encode()
		paths = append(paths, "/groups/main/"+url.PathEscape(name), "/runbooks/CrmEventsConsumerLagHigh?"+about)
	}
	for _, path := range append(paths, "/?q="+url.QueryEscape(names()[0]), "/graph?g0.expr="+url.QueryEscape(names()[1]), "/replay?rule="+url.QueryEscape(names()[2])) {
		look.do(chromedp.Navigate(port.page(path)))
		ready := "document.querySelector('main h1, .yaml')"
		if strings.HasPrefix(path, "/groups/") {
			ready = "document.querySelectorAll('td.committed').length === 1"
		}
		look.await(path, ready)
		calm(path)
	}
	for _, name := range []string{names()[0], names()[4], names()[11]} {
		look.do(chromedp.Navigate(port.page("/groups/main/" + url.PathEscape(name))))
		saved := started.openFile(t, look.download("Export incident"))
		saved.await("the name in the file", fmt.Sprintf("document.querySelector('h1')?.innerText.includes(%q)", name))
		if got, want := saved.eval("[window.ran, document.scripts.length, document.images.length, document.styleSheets.length].join()"), `",0,0,1"`; got != want {
			t.Errorf("the incident of %q: ran, scripts, images, styles: %s, want %s", name, got, want)
		}
	}
}

// tellTale makes every page tell what its policy had to stop.
func (b tab) tellTale() {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		script := page.AddScriptToEvaluateOnNewDocumentParams{Source: "addEventListener('securitypolicyviolation', e => { window.stopped = e.violatedDirective + ' ' + e.sample })"}
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, script)
		return err
	}))
}

// TestWhatWasNotSeenIsSaidOnTheThingItself shows a forbidden group, a partition
// without a leader, one that a transaction holds, and a dead broker.
func TestWhatWasNotSeenIsSaidOnTheThingItself(t *testing.T) {
	started := openBrowser(t)
	port := serve(t, blindWorld(time.Now()))
	look := started.openTab(t, port)
	look.do(chromedp.Navigate(port.page("/")))
	look.await("both groups, one of them hidden", groups+`.length === 2 && document.querySelector('tr[data-i] .cap')?.innerText === 'hidden'`)
	look.await("a dead broker", `document.querySelector('.tiles').innerText.includes('1 broker down')`)
	look.eval(`[...document.querySelectorAll('button.chip')].find(b => b.innerText.includes('1 hidden')).click()`)
	look.await("only the hidden one", groups+`.length === 1 && location.search === '?q=denied'`)
	look.do(chromedp.Reload())
	look.await("still only that one", groups+`.length === 1 && document.querySelector('button.chip[aria-pressed=true]')?.innerText.includes('hidden')`)
	look.do(chromedp.Navigate(port.page("/groups/main/payments")))
	look.await("what to ask for", `document.querySelector('.problem')?.innerText.includes('--operation Describe --group payments')`)
	look.do(chromedp.Navigate(port.page("/groups/main/shipping")))
	look.await("what is wrong with each partition", `(text => text.includes('no leader') && text.includes('open transaction for ') && text.includes('1 broker down'))(document.querySelector('main').innerText)`)
	look.do(chromedp.Navigate(port.page("/clusters")))
	look.await("the broker and the gap", `(text => text.includes('2 down') && text.includes('GROUP_AUTHORIZATION_FAILED'))(document.querySelector('main').innerText)`)
}

func blindWorld(at time.Time) *tidemark.View {
	partition := func(id int32, reason tidemark.Reason) tidemark.Partition {
		return tidemark.Partition{Group: "shipping", Topic: "parcels", ID: id, Committed: 5, LogEnd: 9, Reason: reason}
	}
	s := &tidemark.Snapshot{
		Cluster: "main", Began: at, Ended: at,
		Brokers:    []tidemark.Broker{{ID: 1, Up: true}, {ID: 2}},
		Groups:     []tidemark.Group{{Name: "payments", Reason: tidemark.Denied}, {Name: "shipping", At: at}},
		Partitions: []tidemark.Partition{partition(0, tidemark.Fine), partition(1, tidemark.Unreachable)},
		Topics: []tidemark.Topic{{Name: "parcels", Partitions: []tidemark.Log{
			{ID: 0, Leader: 1, At: at, Held: at.Add(-12 * time.Minute), Stable: 7}, {ID: 1, Leader: -1, Reason: tidemark.Unreachable},
		}}},
		Gaps: []tidemark.Gap{{What: "group payments", Reason: tidemark.Denied, Err: errors.New("GROUP_AUTHORIZATION_FAILED")}},
	}
	return &tidemark.View{At: at, Observations: []tidemark.Observation{{Cluster: "main", Snapshot: s}}}
}
