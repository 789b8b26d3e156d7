//go:build linux

package integration

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"testing"

	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

// TestTheExportersCommandLineWorksAsItIs starts the program with the command: block
// of the seed's Compose file, written for kafka_exporter. The port is any free one
// and the state is thrown away; in the container both are as they should be.
func TestTheExportersCommandLineWorksAsItIs(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 1})
	client := newClient(t, cluster.Bootstrap())
	fill(t, client, "orders", 1, 50, 50, 50)
	commit(t, client, "billing", "orders", 40, 50, -1)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	address := launch(t, regexp.MustCompile(`msg=watching .* listen=(\S+)`), filepath.Join(build(t), "tidemark"),
		"--kafka.server="+cluster.Bootstrap()[0], "--group.filter=.*", "--topic.filter=.*", "--web.listen-address=:0")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	here := "http://127.0.0.1:" + port
	await(t, "health", func() bool { status, _ := get(t, here+"/healthz"); return status == http.StatusOK })
	const first = `kafka_consumergroup_lag{cluster="main",consumergroup="billing",topic="orders",partition="0"}`
	await(t, "the first look", func() bool { _, there := read(t, here+"/metrics")[first]; return there })

	page := read(t, here+"/metrics")
	for _, row := range cluster.Groups() {
		series := fmt.Sprintf(`kafka_consumergroup_lag{cluster="main",consumergroup=%q,topic=%q,partition="%d"}`, row.Group, row.Topic, row.Partition)
		if got, there := page[series]; there != row.Lag.Known || got != float64(row.Lag.N) {
			t.Errorf("%s = %v (there: %t), want what Kafka's tool says: %+v", series, got, there, row.Lag)
		}
	}

	t.Run("PagesAnswerOnlyOnThisMachine", func(t *testing.T) {
		elsewhere := "http://" + net.JoinHostPort(foreign(t), port)
		for path, fromElsewhere := range map[string]int{
			"/metrics": http.StatusOK, "/healthz": http.StatusOK, "/readyz": http.StatusOK, "/-/healthy": http.StatusOK, "/-/ready": http.StatusOK,
			"/": http.StatusForbidden, "/groups/main/billing": http.StatusForbidden, "/api/tidemark/v1/groups": http.StatusForbidden,
			"/api/v1/query?query=up": http.StatusForbidden, "/api/v2/alerts": http.StatusForbidden, "/federate?match[]=up": http.StatusForbidden,
		} {
			if status, body := get(t, here+path); status != http.StatusOK {
				t.Errorf("%s answers %d on this machine: %s", path, status, body)
			}
			if status, body := get(t, elsewhere+path); status != fromElsewhere {
				t.Errorf("%s answers %d from elsewhere, want %d: %s", path, status, fromElsewhere, body)
			}
		}
	})
}

// foreign is an address of this machine that is not the loopback: what comes over
// it looks as if it came from elsewhere.
func foreign(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if network, is := a.(*net.IPNet); is && network.IP.IsGlobalUnicast() && network.IP.To4() != nil {
			return network.IP.String()
		}
	}
	t.Skip("NOT TESTED: this machine has no address but the loopback")
	return ""
}
