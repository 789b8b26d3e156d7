package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/sandbox"
)

func demoCommand() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:     "demo",
		Short:   "The whole product with an embedded Kafka: no Docker, no network, nothing to set up",
		Example: "  tidemark demo\n  tidemark demo --data-dir=./demo      what was there is there again next time",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	c.Flags().StringVar(&d.listen, "web.listen-address", "127.0.0.1:9308", "address to listen on")
	c.Flags().StringVar(&d.dir, "data-dir", "", "keep topics and history here; default: nothing is kept")
	c.Flags().Float64Var(&d.speed, "speed", 1, "run this many times faster than the clock")
	c.Flags().BoolVar(&d.verbose, "verbose", false, "show what the parts log")
	return c
}

type demo struct {
	listen, dir string
	speed       float64
	verbose     bool
}

func (d *demo) run(c *cobra.Command) error {
	began := time.Now()
	listener, err := listen(c.Context(), d.listen)
	if err != nil {
		return err
	}
	world, err := sandbox.Open(c.Context(), sandbox.Options{
		Listener: listener, Speed: d.speed, Dir: d.dir, Version: version, Token: rand.Text(), Log: d.log(c.ErrOrStderr()),
	})
	if err != nil {
		return err
	}
	defer world.Close()
	d.greet(c.OutOrStdout(), world, listener.Addr().String(), time.Since(began))

	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return world.Run(ctx) })
	if restore, err := keys(os.Stdin); err == nil {
		defer restore()
		go d.listenToKeys(ctx, os.Stdin, c.OutOrStdout(), world, stop) // ends with the process: a read from a terminal cannot be given up
	}
	return g.Wait()
}

func (d *demo) log(talk io.Writer) *slog.Logger {
	if !d.verbose {
		return slog.New(slog.NewTextHandler(talk, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	return slog.New(slog.NewTextHandler(talk, nil))
}

func (d *demo) greet(out io.Writer, world *sandbox.World, address string, took time.Duration) {
	tick := paint(out, "good", "✓")
	fmt.Fprintf(out, `tidemark %s · demo (embedded Kafka, nothing leaves this machine)

  %s Kafka     %s   3 topics, 9 partitions   %d ms
  %s Traffic   2.0 msg/s → aetherlink.events · 180 msg/s → orders
  %s Groups    crm-events-sse (1 replica, 2.7 msg/s) · orders-billing (draining) · audit-archiver (stopped)

  Pages      http://%s/
  Metrics    http://%s/metrics      kafka_exporter's names, and ours
  Query      http://%s/api/v1/query?query=kafka:group_lag_sum

  Things to try
    s    stop crm-events-sse, and watch lag, ETA and alerts; s again starts it
    + -  one replica more or less                    q  quit
    in another terminal:  tidemark groups      tidemark group crm-events-sse      tidemark drill run lag-and-recovery

`, version, tick, world.Brokers()[0], took.Milliseconds(), tick, tick, address, address, address)
}

// keys makes a terminal hand over each key at once, and returns how to undo that.
func keys(in *os.File) (restore func(), err error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(int(in.Fd()), before) }, nil
}

func (d *demo) listenToKeys(ctx context.Context, in io.Reader, out io.Writer, world *sandbox.World, stop func()) {
	stopped := false
	say := func(err error, format string, args ...any) {
		if err != nil {
			format, args = "that did not work: %v", []any{err}
		}
		fmt.Fprintf(out, "  "+format+"\r\n", args...) // raw mode: a line feed alone does not return the carriage
	}
	for key := make([]byte, 1); ; {
		if _, err := in.Read(key); err != nil {
			return
		}
		switch key[0] {
		case 's':
			if stopped = !stopped; stopped {
				say(world.Do(ctx, drill.Action{Verb: drill.Stop}), "crm-events-sse is stopped; press s to start it")
			} else {
				say(world.Do(ctx, drill.Action{Verb: drill.Start}), "crm-events-sse is started")
			}
		case '+', '=':
			n := world.Replicas() + 1
			say(world.Do(ctx, drill.Action{Verb: drill.Scale, Count: n}), "crm-events-sse: %d replicas", n)
		case '-':
			n := max(1, world.Replicas()-1)
			say(world.Do(ctx, drill.Action{Verb: drill.Scale, Count: n}), "crm-events-sse: %d replicas", n)
		case 'q', 3: // Ctrl-C comes as a character in raw mode
			stop()
			return
		}
	}
}
