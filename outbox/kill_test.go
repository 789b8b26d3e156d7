package outbox_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/outbox"
)

// asRelay makes this test binary a relay: the database's address, and the file
// that stands for the brokers.
const asRelay = "OUTBOX_TEST_RELAY"

func runRelay() int {
	address, file, _ := strings.Cut(os.Getenv(asRelay), " ")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := relayInto(ctx, address, file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func relayInto(ctx context.Context, address, file string) error {
	table, err := outbox.Open(address)
	if err != nil {
		return err
	}
	defer table.Close()
	log, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	o := outbox.Options{Table: table, Publish: func(_ context.Context, records ...tidemark.Record) error {
		var lines bytes.Buffer
		for _, r := range records {
			fmt.Fprintln(&lines, string(r.Key), string(r.Value), headerOf(r, "shard"), headerOf(r, "epoch"))
		}
		<-time.After(rand.N(20 * time.Millisecond)) // the way there
		_, err := log.Write(lines.Bytes())          // all of it or nothing
		<-time.After(rand.N(20 * time.Millisecond)) // and back
		return err
	}}
	o.Lease, o.Poll, o.BatchRecords = 1500*time.Millisecond, 100*time.Millisecond, 5
	relay, err := outbox.New(o)
	if err != nil {
		return err
	}
	return relay.Run(ctx)
}

// 2, 3 and 8 with real processes: three relays, one after the other killed or
// stopped for longer than its lease, while the application writes.
func TestKilledAndStoppedRelaysLoseNothing(t *testing.T) {
	for kind, address := range map[outbox.Kind]func() string{
		outbox.SQLite:     func() string { return filepath.Join(folder(t), "outbox.db") },
		outbox.PostgreSQL: func() string { return postgres(t).database(t) },
	} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, &world{address: address(), kind: kind})
			brokers := filepath.Join(t.TempDir(), "brokers")
			if err := os.WriteFile(brokers, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			relays := []*exec.Cmd{w.spawn(brokers), w.spawn(brokers), w.spawn(brokers)}
			for round := range 12 {
				for i := range 10 {
					w.write(fmt.Sprintf("job-%d", i), 3)
				}
				victim := &relays[round%3]
				if round%4 == 3 {
					w.signal(*victim, syscall.SIGSTOP)
					w.pass(2500 * time.Millisecond)
					w.signal(*victim, syscall.SIGCONT)
					continue
				}
				w.pass(rand.N(300 * time.Millisecond))
				w.signal(*victim, syscall.SIGKILL)
				_ = (*victim).Wait() // it says that it was killed
				*victim = w.spawn(brokers)
			}
			w.await("everything", func() bool {
				w.load(brokers)
				return w.missing() == "" && w.rows() == 0
			})
			w.checkEpochs()
			t.Logf("%d events, %d records", 360, len(w.records()))
		})
	}
}

func (w *world) spawn(brokers string) *exec.Cmd {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asRelay+"="+w.address+" "+brokers)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

func (w *world) signal(cmd *exec.Cmd, s syscall.Signal) {
	w.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		w.Fatal(err)
	}
}

// load takes over what the relays have written.
func (w *world) load(brokers string) {
	w.Helper()
	text, err := os.ReadFile(brokers)
	if err != nil {
		w.Fatal(err)
	}
	var records []tidemark.Record
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		records = append(records, tidemark.Record{
			Key: []byte(f[0]), Value: []byte(f[1]),
			Headers: []tidemark.Header{{Key: "shard", Value: []byte(f[2])}, {Key: "epoch", Value: []byte(f[3])}},
		})
	}
	w.set(func(b *fakeBrokers) { b.taken = records })
}
