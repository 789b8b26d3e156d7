package sandbox_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/sandbox"
)

func open(t *testing.T, speed float64) *sandbox.World {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w, err := sandbox.Open(t.Context(), sandbox.Options{Listener: listener, Speed: speed, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.Close()
	})
	return w
}

func TestLook(t *testing.T) {
	w := open(t, 30)
	for range 20 {
		time.Sleep(time.Second)
		s, _ := w.Look(t.Context())
		e := s.Estimate
		t.Logf("%v %v lag %+v in %.1f out %.1f cap %+v repl %+v because %s alerts %d members %d", s.At.Format("05.000"), e.State, e.Lag, e.Arrivals.PerSecond, e.Consumption.PerSecond, e.ReplicaCapacity, e.Replicas, e.Because, len(s.Alerts), s.Members)
	}
	t.Log(w.Truth("orders-billing"), w.Truth("audit-archiver"))
}

func TestLagAndRecovery(t *testing.T) {
	w := open(t, 30)
	script, err := drill.Find("lag-and-recovery")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	report, err := drill.Run(t.Context(), drill.Options{Script: script, World: w, Speed: 30, Progress: func(s drill.Step) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report.Text())
}
