//go:build linux

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aetherlink/tidemark/sandbox"
)

// openWorld lets a sandbox live until the test ends, in real time, and returns
// where its tidemark answers.
func openWorld(t *testing.T) (world *sandbox.World, address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	world, err = sandbox.Open(t.Context(), sandbox.Options{Listener: listener, Version: "test", Log: slog.New(slog.DiscardHandler)})
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
	return world, listener.Addr().String()
}

// debian finds a program of Debian's package prometheus.
func debian(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err != nil && os.Getenv("TIDEMARK_INTEGRATION") != "":
		t.Fatalf("%s is not here; apt-get install prometheus brings it", name)
	case err != nil:
		t.Skipf("NOT TESTED: %s is not here; apt-get install prometheus brings it, and TIDEMARK_INTEGRATION=1 insists on it", name)
	}
	return path
}

// launch starts a program that ends with the test, or with this process if that is
// first, and returns what the expression finds in its log. Programs choose their
// ports themselves and say there which: nobody can take one in between.
func launch(t *testing.T, says *regexp.Regexp, program string, args ...string) (found string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, ended := make(chan string, 1), make(chan struct{})
	var log strings.Builder
	go func() {
		// The kernel kills the program when the thread that started it ends, so this
		// goroutine keeps its thread.
		runtime.LockOSThread()
		defer close(ended)
		if err := cmd.Start(); err != nil {
			log.WriteString(err.Error())
			return
		}
		for lines := bufio.NewScanner(output); lines.Scan(); {
			fmt.Fprintln(&log, lines.Text())
			if match := says.FindStringSubmatch(lines.Text()); match != nil && len(said) == 0 {
				said <- match[1]
			}
		}
		_ = cmd.Wait() // it was killed
	}()
	t.Cleanup(func() {
		<-ended
		if t.Failed() {
			t.Logf("%s said\n%s", program, log.String())
		}
	})
	select {
	case found = <-said:
	case <-ended:
		t.Fatalf("%s ended: %s", program, log.String())
	}
	return found
}

// get returns what is at an address; status 0 if nobody answers.
func get(t *testing.T, address string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// read returns the values on a metrics page, by series as written there.
func read(t *testing.T, address string) map[string]float64 {
	t.Helper()
	status, body := get(t, address)
	if status != http.StatusOK {
		t.Fatalf("%s answers %d: %s", address, status, body)
	}
	page := map[string]float64{}
	for line := range strings.Lines(body) {
		space := strings.LastIndexByte(line, ' ')
		if space < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		var err error
		if page[line[:space]], err = strconv.ParseFloat(strings.TrimSpace(line[space+1:]), 64); err != nil {
			t.Fatalf("read %q: %v", line, err)
		}
	}
	return page
}

// into reads a JSON answer. It says whether there was one.
func into(t *testing.T, address string, value any) bool {
	t.Helper()
	status, body := get(t, address)
	if status != http.StatusOK {
		return false
	}
	if err := json.Unmarshal([]byte(body), value); err != nil {
		t.Fatalf("read the answer of %s: %v\n%s", address, err, body)
	}
	return true
}

// query asks a Prometheus, or what answers like one, and returns values by labels.
func query(t *testing.T, address, expression string) map[string]float64 {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	into(t, "http://"+address+"/api/v1/query?query="+url.QueryEscape(expression), &answer)
	values := map[string]float64{}
	for _, r := range answer.Data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("value of %s %v: %v", expression, r.Metric, err)
		}
		values[fmt.Sprint(r.Metric)] = value // maps are printed in the order of their keys
	}
	return values
}
