package sandbox_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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

// bed is a world in virtual time that runs until stop.
type bed struct {
	*sandbox.World
	t    *testing.T
	net  *memory
	stop func()
}

// run opens a world and lets it run. It must be called in a bubble.
func run(t *testing.T, speed float64, dir string) *bed {
	t.Helper()
	net := new(memory)
	listener, err := net.Listen("tcp", "127.0.0.1:9308")
	if err != nil {
		t.Fatal(err)
	}
	w, err := sandbox.Open(t.Context(), sandbox.Options{
		Listener: listener, Speed: speed, Dir: dir, Log: slog.New(slog.DiscardHandler),
		Network: &sandbox.Network{Listen: net.Listen, Dial: net.DialContext},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return &bed{World: w, t: t, net: net, stop: func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.Close()
	}}
}

// page returns the values on the metrics page, by series as written there.
func (b *bed) page() map[string]float64 {
	b.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: b.net.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://127.0.0.1:9308/metrics", http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
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
