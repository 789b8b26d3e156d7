package sink_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/relay/sink"
)

// server is a PostgreSQL that may be stopped and started again.
type server struct {
	testing.TB
	address string
	launch  func() *exec.Cmd
	running *exec.Cmd
}

func (s *server) start() {
	s.Helper()
	s.running = s.launch()
	if err := s.running.Start(); err != nil {
		s.Fatal(err)
	}
}

// stop ends it at once, as a crash does.
func (s *server) stop() {
	if s.running != nil {
		_ = s.running.Process.Signal(syscall.SIGQUIT)
		_ = s.running.Wait() // it says that it was stopped
	}
	s.running = nil
}

// postgres runs a PostgreSQL until the end of the test. Without one the test is
// skipped, unless TIDEMARK_INTEGRATION is set: then it fails.
func postgres(t testing.TB) *server {
	t.Helper()
	if testing.Short() {
		t.Skip("a database takes a second to start; not with -short")
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 && os.Getenv("TIDEMARK_INTEGRATION") != "" {
		t.Fatal("no PostgreSQL to test with; apt-get install postgresql")
	}
	if len(found) == 0 {
		t.Skip("NOT CHECKED: no PostgreSQL; apt-get install postgresql brings it, and TIDEMARK_INTEGRATION=1 insists on it")
	}
	dir, err := os.MkdirTemp("", "sink-postgres-") //nolint:usetesting // the test's own folder is closed to PostgreSQL's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: credential(t, dir)}
	start := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(filepath.Dir(found[0]), name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, attributes
		return cmd
	}
	if out, err := start("initdb", "-D", dir+"/db", "-U", "postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	_ = listener.Close()
	s := &server{TB: t, address: "postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable"}
	s.launch = func() *exec.Cmd { return start("postgres", "-D", dir+"/db", "-p", port, "-k", dir, "-h", "127.0.0.1") }
	s.start()
	t.Cleanup(s.stop)
	return s
}

// credential is somebody that PostgreSQL agrees to run as: it refuses root.
func credential(t testing.TB, dir string) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// open opens the sink as soon as the database answers.
func open(t testing.TB, address string) *sink.Sink {
	t.Helper()
	s, err := sink.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for range 600 {
		if err = s.Migrate(t.Context()); err == nil {
			return s
		}
		<-again.C
	}
	t.Fatal(err)
	return nil
}

func records(partition, from, n int) (list []tidemark.Record) {
	for i := range n {
		list = append(list, tidemark.Record{
			Topic: "aetherlink.events", Partition: int32(partition), Offset: int64(from + i), Timestamp: time.UnixMilli(1700000000000),
			Key: []byte("job-1"), Value: fmt.Appendf(nil, `{"n":%d,"text":%q}`, i, strings.Repeat("x", 150)),
			Headers: []tidemark.Header{
				{Key: "event_id", Value: fmt.Appendf(nil, "%d-%d", partition, from+i)},
				{Key: "type", Value: []byte("JobCreated")},
				{Key: "tenant_id", Value: []byte("t1")},
			},
		})
	}
	return list
}

func count(t testing.TB, address string) (n int) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "select count(*) from crm_event").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachEventIsStoredOnceHoweverOftenItComes(t *testing.T) {
	address := postgres(t).address
	s := open(t, address)
	moved := records(1, 900, 1) // the same event, published again elsewhere
	moved[0].Headers[0].Value = []byte("0-3")
	for _, batch := range [][]tidemark.Record{records(0, 0, 10), records(0, 5, 10), records(0, 0, 10), moved, nil} {
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := count(t, address), 15; got != want {
		t.Errorf("%d events are stored, want %d", got, want)
	}
}

func TestWhateverARecordHoldsIsStoredByteByByte(t *testing.T) {
	address := postgres(t).address
	s := open(t, address)
	value := []byte("{\"a\":1.0}\x00\xff\r\n")
	odd := tidemark.Record{Topic: "t", Value: value, Key: []byte{0, 255}, Timestamp: time.UnixMilli(1), Headers: []tidemark.Header{{Key: "type", Value: []byte("a\x00\xff")}}}
	tombstone := tidemark.Record{Topic: "t", Offset: 1, Timestamp: time.UnixMilli(1)}
	again := odd // of a topic that was made anew
	again.Timestamp = time.UnixMilli(2)
	if err := s.Write(t.Context(), []tidemark.Record{odd, tombstone, again}); err != nil {
		t.Fatal(err)
	}
	if got, want := count(t, address), 3; got != want {
		t.Errorf("%d events are stored, want %d", got, want)
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var stored []byte
	if err := db.QueryRowContext(t.Context(), `select value from crm_event where "offset" = 0 limit 1`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, value) {
		t.Errorf("stored %q, want %q", stored, value)
	}
}

func TestDatabaseThatIsAwayIsAnErrorAndNothingIsHalfWritten(t *testing.T) {
	s, err := sink.Open("postgres://postgres@127.0.0.1:1/postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(t.Context(), records(0, 0, 1)); err == nil {
		t.Error("no error, though nothing was stored")
	}
}

// TestDatabaseThatComesBackIsWrittenToAgain: the one that has lost its connections
// is the one that goes on.
func TestDatabaseThatComesBackIsWrittenToAgain(t *testing.T) {
	database := postgres(t)
	s := open(t, database.address)
	write := func(from int) error { return s.Write(t.Context(), records(0, from, 5)) }
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	database.stop()
	if err := write(5); err == nil {
		t.Error("no error while the database is away")
	}
	database.start()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for err, left := write(5), 600; err != nil; err, left = write(5), left-1 {
		if left == 0 {
			t.Fatal(err)
		}
		<-again.C
	}
	if got, want := count(t, database.address), 10; got != want {
		t.Errorf("%d events are stored, want %d", got, want)
	}
}

// BenchmarkWrite says how many events a replica with three partitions stores per
// second: one by one, as the original did, in batches, and in batches of all
// partitions at once.
func BenchmarkWrite(b *testing.B) {
	s := open(b, postgres(b).address)
	const batch = 500
	next := 0
	run := func(name string, round func(ctx context.Context, lists [3][]tidemark.Record)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var lists [3][]tidemark.Record
				for p := range lists {
					lists[p] = records(p, next, batch)
				}
				next += batch
				round(b.Context(), lists)
			}
			b.ReportMetric(float64(b.N)*3*batch/b.Elapsed().Seconds(), "events/s")
		})
	}
	write := func(ctx context.Context, list []tidemark.Record) {
		if err := s.Write(ctx, list); err != nil {
			b.Error(err)
		}
	}
	run("one-by-one", func(ctx context.Context, lists [3][]tidemark.Record) {
		for _, list := range lists {
			for i := range list {
				write(ctx, list[i:i+1])
			}
		}
	})
	run("in-batches", func(ctx context.Context, lists [3][]tidemark.Record) {
		for _, list := range lists {
			write(ctx, list)
		}
	})
	run("in-batches-at-once", func(ctx context.Context, lists [3][]tidemark.Record) {
		var all sync.WaitGroup
		for _, list := range lists {
			all.Go(func() { write(ctx, list) })
		}
		all.Wait()
	})
}
