//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestLagAndRecoveryOnARealDeployment runs the drill with everything real: Kafka,
// crm-events and tidemark as their own processes, shell commands that stop and
// start the consumer. The shipped alert waits for five minutes. Here the drill is
// the shipped one, but for the name of the alert: it is one of the user's own, on
// the same series, that waits for five seconds. The work is slow enough for a
// prediction: a rate takes up to 45 s to be known, and the drain some 70.
func TestLagAndRecoveryOnARealDeployment(t *testing.T) {
	const alert = "EventsLagHigh"
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 1})
	fill(t, newClient(t, cluster.Bootstrap()), "aetherlink.events", 1, 0, 0, 0) // a deployment that nobody has written to yet
	programs, dir := build(t), t.TempDir()
	consumer := newConsumer(t, dir, filepath.Join(programs, "crm-events"), "--kafka.brokers="+cluster.Bootstrap()[0], "--work.rate=8")
	rules := write(t, dir, "rules.yaml", `
groups: [{name: own, rules: [{alert: `+alert+`, expr: "kafka:group_lag_sum > 500", for: 5s}]}]
`)
	config := write(t, dir, "tidemark.yaml", fmt.Sprintf(`
clusters: [{name: main, brokers: [%q], interval: 1s}]
pipelines:
  - name: crm-events
    cluster: main
    group: crm-events-sse
    topics: [aetherlink.events]
    scrape: {job: crm-events, targets: [%q], metric: crm_events_messages_total}
rules: {files: [%q], packs: [crm-events, kafka-lag], interval: 1s}
web: {listen: "127.0.0.1:0"}
`, cluster.Bootstrap()[0], consumer.address, rules))
	shipped, err := os.ReadFile("../../drill/builtin/lag-and-recovery.drill")
	if err != nil {
		t.Fatal(err)
	}
	script := write(t, dir, "lag.drill", strings.ReplaceAll(string(shipped), "CrmEventsConsumerLagHigh", alert))

	consumer.run(t, consumer.start)
	program := filepath.Join(programs, "tidemark")
	server := launch(t, regexp.MustCompile(`msg=watching .* listen=(\S+)`), program, "serve", "--config.file="+config, "--data-dir="+t.TempDir())
	await(t, "a commit on each partition", func() bool {
		page := read(t, "http://"+server+"/metrics")
		lag, known := page[`tidemark_group_lag_records{cluster="main",consumergroup="crm-events-sse"}`]
		never := page[`tidemark_group_uncommitted_partitions{cluster="main",consumergroup="crm-events-sse"}`]
		return known && lag == 0 && never == 0
	})

	report := filepath.Join(dir, "report.md")
	drill := exec.CommandContext(t.Context(), program, "drill", "run", script, "--yes", "--report="+report,
		"--server=http://"+server, "--kafka.server="+cluster.Bootstrap()[0], "--stop="+consumer.stop, "--start="+consumer.start)
	if out, err := drill.CombinedOutput(); err != nil {
		t.Fatalf("the drill: %v\n%s", err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if !regexp.MustCompile(`(?m)^- drain: \d+ records in .* predicted .* taken`).Match(text) {
		t.Error("the report does not say the predicted and the actual drain time")
	}
	for _, row := range cluster.Groups() {
		if row.Lag.N != 0 || !row.Lag.Known {
			t.Errorf("after the drill Kafka's tool says %+v, want no lag", row)
		}
	}
}

// consumer is crm-events as an operator runs it: by commands.
type consumer struct{ address, start, stop string }

// newConsumer writes the commands. The program ends with the test, by its stop
// command or else after ten minutes. Its address is on a part of the loopback from
// which no connection goes out, so that its port stays free while it is stopped.
func newConsumer(t *testing.T, dir, program string, args ...string) consumer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.9.10:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, pid, log := listener.Addr().String(), filepath.Join(dir, "pid"), filepath.Join(dir, "crm-events.log")
	c := consumer{
		address: address,
		start: fmt.Sprintf("kill -0 $(cat %[1]s) 2>/dev/null || { timeout 10m %[2]s --listen=%[3]s %[4]s >>%[5]s 2>&1 & echo $! >%[1]s; }",
			pid, program, address, strings.Join(args, " "), log),
		stop: fmt.Sprintf("kill $(cat %[1]s) && while kill -0 $(cat %[1]s) 2>/dev/null; do sleep 0.1; done", pid),
	}
	t.Cleanup(func() { c.run(t, c.stop) })
	return c
}

func (c consumer) run(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil { // without a context: it stops also when the test's has ended
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

func write(t *testing.T, dir, name, text string) (file string) {
	t.Helper()
	file = filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
