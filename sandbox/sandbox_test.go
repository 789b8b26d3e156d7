package sandbox_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

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

// inWorld runs a test in virtual time, in a world of that speed.
func inWorld(t *testing.T, speed float64, test func(t *testing.T, w *sandbox.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net := new(memory)
		listener, err := net.Listen("tcp", "127.0.0.1:9308")
		if err != nil {
			t.Fatal(err)
		}
		w, err := sandbox.Open(t.Context(), sandbox.Options{
			Listener: listener, Speed: speed, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
			Network: &sandbox.Network{Listen: net.Listen, Dial: net.DialContext},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		test(t, w)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.Close()
		synctest.Wait()
	})
}

func TestLagAndRecovery(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *sandbox.World) {
		script, err := drill.Find("lag-and-recovery")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		report, err := drill.Run(t.Context(), drill.Options{Script: script, World: w})
		if err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + report.Text())
	})
}
