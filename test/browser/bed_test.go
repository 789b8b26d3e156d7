// Package browser holds the pages to what people do with them, in a real browser
// against the whole product: the sandbox's Kafka, the daemon, its rules and its port.
//
// Nothing here waits for a time: each step waits for what it makes visible.
package browser

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/aetherlink/tidemark/sandbox"
)

// patience is how long a page on a busy machine may take for something that it will do.
const patience = time.Minute

// missing skips a test that lacks a tool, or fails it where nothing may be skipped.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("TIDEMARK_INTEGRATION") != "" {
		t.Fatalf("%s; test/tools brings it", what)
	}
	t.Skipf("NOT TESTED: %s; test/tools brings it, and TIDEMARK_INTEGRATION=1 insists on it", what)
}

// openWorld runs the demo five times faster than the clock, so that alerts and
// estimates are there within seconds.
func openWorld(t *testing.T) *outage {
	t.Helper()
	port := openPort(t)
	world, err := sandbox.Open(t.Context(), sandbox.Options{Listener: port, Speed: 5, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- world.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the sandbox ended: %v", err)
		}
		world.Close()
	})
	return port
}

func openPort(t testing.TB) *outage {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &outage{Listener: listener}
}

// outage is a port that can be cut off, as when a network fails.
type outage struct {
	net.Listener

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

// Accept returns the next connection that comes while there is no outage.
func (o *outage) Accept() (net.Conn, error) {
	for {
		conn, err := o.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if o.admit(conn) {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func (o *outage) admit(conn net.Conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.down {
		o.conns = append(o.conns, conn)
	}
	return !o.down
}

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = true
	for _, conn := range o.conns {
		_ = conn.Close()
	}
	o.conns = nil
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = false
}

func (o *outage) page(path string) string { return "http://" + o.Addr().String() + path }

// program is a browser that runs.
type program struct{ ctx context.Context }

// openBrowser starts a browser that resolves no name: whatever it asked another
// host for would fail, and is reported besides.
func openBrowser(t testing.TB) program {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is a tool beside Go")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not here")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.WindowSize(1400, 900), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	started, quit := chromedp.NewContext(allocator)
	t.Cleanup(quit)
	if err := chromedp.Do(started); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return program{started}
}

// tab is one tab of the browser.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// openTab opens a tab that may ask only the given port.
func (p program) openTab(t testing.TB, port *outage) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithListener(func(event any) {
		sent, is := event.(*network.EventRequestWillBeSent)
		if !is {
			return
		}
		if u, err := url.Parse(sent.Request.URL); err != nil || u.Host != port.Addr().String() && u.Scheme != "data" && u.Scheme != "blob" {
			t.Errorf("the page asked %s, which is another host", sent.Request.URL)
		}
	}))
	t.Cleanup(cancel)
	return tab{t, ctx}
}

// openFile opens a file in a tab that may ask nobody for anything else.
func (p program) openFile(t *testing.T, file string) tab {
	t.Helper()
	address := (&url.URL{Scheme: "file", Path: file}).String()
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithListener(func(event any) {
		if sent, is := event.(*network.EventRequestWillBeSent); is && sent.Request.URL != address {
			t.Errorf("the file asked for %s", sent.Request.URL)
		}
	}))
	t.Cleanup(cancel)
	page := tab{t, ctx}
	page.do(chromedp.Navigate(address))
	return page
}

// download clicks and returns the file that comes of it.
func (b tab) download(button string) string {
	b.t.Helper()
	dir := b.t.TempDir()
	b.do(chromedp.Func(func(ctx context.Context, page *chromedp.Target) error {
		_, err := cdp.Call(ctx, page, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir})
		return err
	}))
	found := "[...document.querySelectorAll('button')].find(b => b.innerText === '" + button + "')"
	b.await("the button "+button, found+"?.disabled === false")
	b.eval(found + ".click()")
	again, late := time.NewTicker(50*time.Millisecond), time.After(patience)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-late:
			b.t.Fatalf("nothing came of %s", button)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			b.t.Fatal(err)
		}
		// A file has another name while it comes in.
		if len(files) == 1 && filepath.Ext(files[0]) != ".crdownload" && !strings.HasPrefix(filepath.Base(files[0]), ".") {
			return files[0]
		}
	}
}

func (b tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
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
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for b.eval("Boolean("+condition+")") != "true" {
		select {
		case <-again.C:
		case <-ctx.Done():
			b.t.Fatalf("waited for %s; the page says:\n%s", what, b.eval("document.body.innerText"))
		}
	}
}

// named is a key with what it writes: its own name, unless it has a longer one.
func named(key string) input.DispatchKeyEventParams {
	switch key {
	case "Enter":
		return input.DispatchKeyEventParams{Key: key, Text: "\r", WindowsVirtualKeyCode: 13}
	case "ArrowRight":
		return input.DispatchKeyEventParams{Key: key, WindowsVirtualKeyCode: 39}
	case "Escape":
		return input.DispatchKeyEventParams{Key: key, WindowsVirtualKeyCode: 27}
	}
	return input.DispatchKeyEventParams{Key: key, Text: key}
}

// press sends one event per key that goes down, so that a page that takes a key
// for itself keeps it out of a field, as with a keyboard.
func (b tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.Func(func(ctx context.Context, page *chromedp.Target) error {
			event := named(key)
			event.Type = input.DispatchKeyEventTypeKeyDown
			if _, err := cdp.Call(ctx, page, input.DispatchKeyEvent, event); err != nil {
				return err
			}
			event.Type, event.Text = input.DispatchKeyEventTypeKeyUp, ""
			_, err := cdp.Call(ctx, page, input.DispatchKeyEvent, event)
			return err
		}))
	}
}
