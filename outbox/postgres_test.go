package outbox_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is a PostgreSQL on a free port of this machine. All tests share one; it
// ends with them.
type server struct {
	dir  string
	port int
	cmd  *exec.Cmd
}

var (
	theServer   *server
	errServer   error
	startServer sync.Once
	databases   atomic.Int64
)

func TestMain(m *testing.M) {
	if os.Getenv(asRelay) != "" {
		os.Exit(runRelay())
	}
	code := m.Run()
	if theServer != nil {
		theServer.stop()
	}
	os.Exit(code)
}

// postgres returns the server. Without PostgreSQL the test is skipped, unless
// TIDEMARK_INTEGRATION is set: then it fails.
func postgres(t testing.TB) *server {
	t.Helper()
	startServer.Do(func() { theServer, errServer = startPostgres() })
	if errServer == nil {
		return theServer
	}
	if os.Getenv("TIDEMARK_INTEGRATION") != "" {
		t.Fatal(errServer)
	}
	t.Skipf("NOT CHECKED: %v; apt-get install postgresql brings it, and TIDEMARK_INTEGRATION=1 insists on it", errServer)
	return nil
}

func startPostgres() (*server, error) {
	dir, err := os.MkdirTemp("", "outbox-postgres-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: filepath.Join(dir, "data")}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := handOver(dir); err != nil {
		return nil, err
	}
	if err := s.run("initdb", "-D", s.dir, "-U", "postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8"); err != nil {
		return nil, err
	}
	return s, s.start()
}

// start starts the server and waits until it answers.
func (s *server) start() error {
	cmd, err := program("postgres", "-D", s.dir, "-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300", "-c", "wal_level=replica")
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	for range 300 {
		if s.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)) == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond) // another process gives no other sign
	}
	return fmt.Errorf("postgres on port %d does not answer", s.port)
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
	_ = s.cmd.Wait()
	_ = os.RemoveAll(filepath.Dir(s.dir))
}

// standby starts a standby that follows the server until the end of the test.
func (s *server) standby(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "outbox-standby-") //nolint:usetesting // another user must reach it
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	if err := handOver(dir); err != nil {
		t.Fatal(err)
	}
	other := &server{dir: filepath.Join(dir, "data"), port: port}
	if err := s.run("pg_basebackup", "-D", other.dir, "-R", "--no-sync", "-c", "fast", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres"); err != nil {
		t.Fatal(err)
	}
	if err := other.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.stop)
	return other
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// database makes a database for one test and returns its address.
func (s *server) database(t testing.TB) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	name := fmt.Sprintf("test%d", databases.Add(1))
	if _, err := c.Exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

func (s *server) run(name string, args ...string) error {
	cmd, err := program(name, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// program is one of PostgreSQL's, as a user that it accepts: it refuses root.
func program(name string, args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(name)
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		path, err = found[len(found)-1], nil
	}
	if err != nil {
		return nil, fmt.Errorf("no PostgreSQL to test with: %w", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	if os.Getuid() == 0 {
		uid, gid, err := someone()
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return cmd, nil
}

func someone() (uid, gid uint32, err error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, err
	}
	id, _ := strconv.ParseUint(u.Uid, 10, 32)
	group, _ := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), nil
}

// handOver gives a folder to the user that PostgreSQL runs as.
func handOver(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := someone()
	if err != nil {
		return err
	}
	return os.Chown(dir, int(uid), int(gid))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
