//go:build linux

package kafkatest

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Who may sign in at the SASL listener: by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
const (
	User     = "tidemark"
	Password = "tide-secret"
)

// Each broker takes four ports in a row, in this order (see the script).
const (
	plain = iota
	_     // the controllers among themselves
	sasl
	tls
	portsPerBroker
)

// Options say which cluster a test needs. The zero value is one broker without sign-in.
type Options struct {
	Brokers   int // 0: one
	SASL, TLS bool
	With      []string // more lines of every broker's configuration
}

// Cluster is a running Kafka. Its brokers are numbered from 1.
type Cluster struct {
	t        testing.TB
	external []string // addresses of brokers that are not ours
	dir      string
	port     int
	brokers  []*broker
}

// Start brings up the brokers and returns when all of them serve: after about 4 s
// for one, 9 s for three. They end with the test.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("a real Kafka takes seconds to start; not with -short")
	}
	if given := os.Getenv("TIDEMARK_TEST_BROKERS"); given != "" && o.Brokers <= 1 && !o.SASL && !o.TLS && len(o.With) == 0 {
		return &Cluster{t: t, external: strings.Split(given, ",")}
	}
	if out, err := command(t, "fetch").CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("no Kafka to test with: %v: %s", err, out))
	}
	n := max(o.Brokers, 1)
	c := &Cluster{t: t, dir: t.TempDir(), port: freePorts(t, n*portsPerBroker)}
	args := []string{"prepare", "--dir", c.dir, "--port", strconv.Itoa(c.port), "--brokers", strconv.Itoa(n)}
	if o.SASL {
		args = append(args, "--sasl")
	}
	if o.TLS {
		args = append(args, "--tls")
	}
	for _, line := range o.With {
		args = append(args, "--with", line)
	}
	if out, err := command(t, args...).CombinedOutput(); err != nil {
		t.Fatalf("prepare %d brokers: %v\n%s", n, err, out)
	}
	for id := range n {
		c.brokers = append(c.brokers, launch(t, c.dir, id+1))
	}
	for _, b := range c.brokers {
		b.await()
	}
	return c
}

// Bootstrap returns the addresses of the listeners without sign-in.
func (c *Cluster) Bootstrap() []string {
	if c.external != nil {
		return c.external
	}
	return c.addresses(plain)
}

// SASLBootstrap returns the addresses where [User] signs in, without TLS.
func (c *Cluster) SASLBootstrap() []string { return c.addresses(sasl) }

// TLSBootstrap returns the addresses that speak TLS with a certificate of [Cluster.CA].
func (c *Cluster) TLSBootstrap() []string { return c.addresses(tls) }

// CA returns the file with the certificate of the test's authority, in PEM.
func (c *Cluster) CA() string { return filepath.Join(c.dir, "tls", "ca.pem") }

// ClientCert returns the files with a client's certificate and key, in PEM.
func (c *Cluster) ClientCert() (cert, key string) {
	return filepath.Join(c.dir, "tls", "client.pem"), filepath.Join(c.dir, "tls", "client.key")
}

// Kill ends a broker with SIGKILL.
func (c *Cluster) Kill(id int) {
	c.t.Helper()
	b := c.broker(id)
	b.signal(syscall.SIGKILL)
	<-b.ended
}

// Freeze stops a broker with SIGSTOP: its connections stay open and nothing answers.
func (c *Cluster) Freeze(id int) {
	c.t.Helper()
	c.broker(id).signal(syscall.SIGSTOP)
}

// Thaw lets a frozen broker go on.
func (c *Cluster) Thaw(id int) {
	c.t.Helper()
	c.broker(id).signal(syscall.SIGCONT)
}

// Restart starts a killed broker again, on its own data and ports, and returns when it serves.
func (c *Cluster) Restart(id int) {
	c.t.Helper()
	<-c.broker(id).ended
	c.brokers[id-1] = launch(c.t, c.dir, id)
	c.brokers[id-1].await()
}

// Tool runs one of Kafka's command-line tools against the cluster and returns what
// it prints, for example Tool("GroupsCommand", "--list"). It costs a second.
func (c *Cluster) Tool(name string, args ...string) string {
	c.t.Helper()
	if out, err := command(c.t, "fetch").CombinedOutput(); err != nil {
		missing(c.t, fmt.Sprintf("no %s to compare with: %v: %s", name, err, out))
	}
	args = append([]string{"tool", name, "--bootstrap-server", strings.Join(c.Bootstrap(), ",")}, args...)
	cmd := command(c.t, args...)
	var trouble strings.Builder
	cmd.Stderr = &trouble
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, trouble.String())
	}
	return string(out)
}

func (c *Cluster) addresses(listener int) []string {
	var list []string
	for i := range c.brokers {
		list = append(list, fmt.Sprintf("127.0.0.1:%d", c.port+i*portsPerBroker+listener))
	}
	return list
}

func (c *Cluster) broker(id int) *broker {
	c.t.Helper()
	if id < 1 || id > len(c.brokers) {
		c.t.Fatalf("broker %d: this test started %d brokers", id, len(c.brokers))
	}
	return c.brokers[id-1]
}

// broker is one JVM.
type broker struct {
	t      testing.TB
	id     int
	cmd    *exec.Cmd
	serves chan struct{} // closed when it said that it does
	ended  chan struct{} // closed when the process is gone
	output strings.Builder
}

func launch(t testing.TB, dir string, id int) *broker {
	t.Helper()
	b := &broker{t: t, id: id, serves: make(chan struct{}), ended: make(chan struct{})}
	b.cmd = command(t, "broker", dir, strconv.Itoa(id))
	output, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("start broker %d: %v", id, err)
	}
	b.cmd.Stderr = b.cmd.Stdout
	started := make(chan error)
	go func() {
		// The kernel kills the broker when the thread that started it ends, so
		// this goroutine keeps its thread for as long as the broker runs, and
		// takes both along: not even a panic of the test leaves a broker behind.
		runtime.LockOSThread()
		defer close(b.ended)
		err := b.cmd.Start()
		started <- err
		if err == nil {
			b.watch(bufio.NewScanner(output))
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start broker %d: %v", id, err)
	}
	t.Cleanup(func() {
		b.signal(syscall.SIGKILL)
		<-b.ended
	})
	return b
}

// watch reads what the broker says until it ends.
func (b *broker) watch(lines *bufio.Scanner) {
	serves := false
	for lines.Scan() {
		fmt.Fprintln(&b.output, lines.Text())
		if !serves && strings.Contains(lines.Text(), "Kafka Server started") {
			serves = true
			close(b.serves)
		}
	}
	_ = b.cmd.Wait() // it was killed
}

func (b *broker) await() {
	b.t.Helper()
	select {
	case <-b.serves:
	case <-b.ended:
		b.t.Fatalf("broker %d ended: %s", b.id, b.output.String())
	}
}

func (b *broker) signal(s syscall.Signal) {
	select {
	case <-b.ended: // its number may be another process' by now
	default:
		_ = syscall.Kill(-b.cmd.Process.Pid, s)
	}
}

// command is the script in a process group of its own. It dies with this process
// or when the test ends, whichever is first.
func command(t testing.TB, args ...string) *exec.Cmd {
	_, file, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(file), "kafka"), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("TIDEMARK_INTEGRATION") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// freePorts returns the first of n ports in a row that nobody listens on. They lie
// below the range from which the kernel takes ports for outgoing connections:
// those could take one between this look and the start of a broker.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for range 100 {
		first := 20000 + rand.IntN(12000-n) //nolint:gosec // any port will do
		if allFree(t, first, n) {
			return first
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

func allFree(t testing.TB, first, n int) bool {
	for port := first; port < first+n; port++ {
		var l net.ListenConfig
		listener, err := l.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = listener.Close()
	}
	return true
}
