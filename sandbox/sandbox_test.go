package sandbox_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/sandbox"
)

// TestMain looks up a name before any test does: Go's resolver makes a channel at
// its first use, and one made in one test's bubble may not be used in the next.
func TestMain(m *testing.M) {
	host, _ := os.Hostname()
	_, _ = net.DefaultResolver.LookupHost(context.Background(), host)
	os.Exit(m.Run())
}

// address is where tidemark listens on a network in memory.
const address = "127.0.0.1:9308"

// memory is a network in memory, on which port 0 is any free one.
type memory struct {
	kfake.VirtualNetwork
	ports atomic.Int32
}

func (m *memory) Listen(network, address string) (net.Listener, error) {
	if host, is := strings.CutSuffix(address, ":0"); is {
		address = net.JoinHostPort(host, strconv.Itoa(int(20000+m.ports.Add(1))))
	}
	return m.VirtualNetwork.Listen(network, address)
}

// bed is a world that runs until stop.
type bed struct {
	*sandbox.World
	t    *testing.T
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	stop func()
}

// run opens a world on a network in memory. It must be called in a bubble.
func run(t *testing.T, speed float64, dir string) *bed {
	t.Helper()
	net := new(memory)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return runOn(t, sandbox.Options{
		Listener: listener, Speed: speed, Dir: dir, Network: &sandbox.Network{Listen: net.Listen, Dial: net.DialContext},
	}, net.DialContext)
}

func runOn(t *testing.T, o sandbox.Options, dial func(ctx context.Context, network, address string) (net.Conn, error)) *bed {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	w, err := sandbox.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return &bed{World: w, t: t, dial: dial, stop: func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.Close()
	}}
}

// get asks tidemark's port, whatever the address is called in the URL.
func (b *bed) get(path string) string {
	b.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: b.dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

// page returns the values on the metrics page, by series as written there.
func (b *bed) page() map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(b.get("/metrics")) {
		series, value, _ := strings.Cut(line, "} ")
		if number, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			values[series+"}"] = number
		}
	}
	return values
}

func TestEveryBuiltInDrillPassesInTheSandbox(t *testing.T) {
	scripts, err := drill.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		t.Run(script.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const speed = 30
				b := run(t, speed, "")
				defer b.stop()
				time.Sleep(5 * time.Second)
				report, err := drill.Run(t.Context(), drill.Options{Script: script, World: b, Speed: speed})
				if err != nil {
					t.Fatal(err)
				}
				if !report.Passed {
					t.Error("\n" + report.Text())
				}
			})
		})
	}
}

// Offsets only grow. So what a page says lies between what was true before its
// look and what is true after it.
func TestTheMetricsPageSaysWhatIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, 1, "")
		defer b.stop()
		time.Sleep(time.Minute)
		groups, checked := []string{"crm-events-sse", "orders-billing", "audit-archiver"}, 0
		before := map[string][]tidemark.Partition{}
		for _, group := range groups {
			before[group] = b.Truth(group)
		}
		time.Sleep(2 * time.Second) // a look is made every second
		page := b.page()
		for _, group := range groups {
			for i, after := range b.Truth(group) {
				labels := fmt.Sprintf(`{cluster="demo",consumergroup=%q,topic=%q,partition="%d"}`, group, after.Topic, after.ID)
				lag, there := page["kafka_consumergroup_lag"+labels]
				least, most := before[group][i].LogEnd-after.Committed, after.LogEnd-before[group][i].Committed
				if !there || lag < float64(least) || lag > float64(most) {
					t.Errorf("lag%s = %g (there: %t), want %d to %d", labels, lag, there, least, most)
				}
				checked++
			}
		}
		if want := 9; checked != want {
			t.Errorf("checked %d partitions, want %d", checked, want)
		}
	})
}

func TestTheThreeGroupsAreInThreeConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, 1, "")
		defer b.stop()
		time.Sleep(2 * time.Minute)
		page := b.page()
		for group, state := range map[string]string{"crm-events-sse": "caught_up", "orders-billing": "draining", "audit-archiver": "stopped"} {
			series := fmt.Sprintf(`tidemark_group_state{cluster="demo",consumergroup=%q,state=%q}`, group, state)
			if got := page[series]; got != 1 {
				t.Errorf("%s = %g, want 1", series, got)
			}
		}
	})
}

func TestAWorldThatIsKeptGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		first := run(t, 1, dir)
		time.Sleep(10 * time.Second)
		was := first.Truth("audit-archiver")
		first.stop()
		second := run(t, 1, dir)
		time.Sleep(20 * time.Second)
		is := second.Truth("audit-archiver")
		second.stop()
		for i := range was {
			if is[i].Committed != was[i].Committed || is[i].LogEnd <= was[i].LogEnd {
				t.Errorf("was %+v and is %+v, want the same commit and a later end", was[i], is[i])
			}
		}
		if got, want := len(was), 3; got != want {
			t.Errorf("%d partitions, want %d", got, want)
		}
	})
}

func TestWhatTheSandboxCannotDoIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, 1, "")
		defer b.stop()
		for _, a := range []drill.Action{{Verb: "explode"}, {Verb: drill.Freeze, Partition: 3}} {
			if err := b.Do(t.Context(), a); err == nil {
				t.Errorf("%v was done", a)
			}
		}
	})
}

// On this machine's loopback, where a file says which replicas there are.
func TestReplicasThatComeLaterAreScrapedToo(t *testing.T) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := runOn(t, sandbox.Options{Listener: listener, Speed: 30}, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
	})
	defer b.stop()
	if err := b.Do(t.Context(), drill.Action{Verb: drill.Scale, Count: 3}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.Replicas(), 3; got != want {
		t.Errorf("replicas = %d, want %d", got, want)
	}
	until := func(met func() bool) {
		for !met() {
			select { // the test's own limit ends this if it never comes
			case <-t.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	until(func() bool { sight, _ := b.Look(t.Context()); return sight.MembersKnown })
	query := "/api/v1/query?query=" + url.QueryEscape(`sum(up{job="crm-events"})`)
	until(func() bool { return strings.Contains(b.get(query), `"3"]`) })
}
