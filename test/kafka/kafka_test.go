//go:build linux

package kafkatest_test

import (
	"net"
	"slices"
	"testing"

	kafkatest "github.com/aetherlink/tidemark/test/kafka"
)

func TestWhatTheToolPrintsAsADashStaysUnknown(t *testing.T) {
	rows, err := kafkatest.Parse(`
GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID                                           HOST            CLIENT-ID
billing         orders          0          40              100             60              console-consumer-e7a6006f-d056-4748-8081-33b26a6ca333 /127.0.0.1      console-consumer
billing         orders          1          -               7               -               -                                                     -               -

GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID            HOST            CLIENT-ID
idle            -               -          -               -               -               VoOQodKKRjamRcN-sXqCIQ /127.0.0.1      spare
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []kafkatest.Row{
		{
			Group: "billing", Topic: "orders", Partition: 0,
			Committed: kafkatest.Number{N: 40, Known: true}, End: kafkatest.Number{N: 100, Known: true}, Lag: kafkatest.Number{N: 60, Known: true},
			Member: "console-consumer-e7a6006f-d056-4748-8081-33b26a6ca333", Host: "/127.0.0.1", ClientID: "console-consumer",
		},
		{Group: "billing", Topic: "orders", Partition: 1, End: kafkatest.Number{N: 7, Known: true}},
	}
	if !slices.Equal(rows, want) {
		t.Errorf("rows = %+v, want %+v", rows, want)
	}
}

func TestBrokersEndWithTheirTest(t *testing.T) {
	var address string
	t.Run("a test", func(t *testing.T) {
		address = kafkatest.Start(t, kafkatest.Options{Brokers: 1, SASL: true, TLS: true}).Bootstrap()[0]
		if err := dial(t, address); err != nil {
			t.Errorf("a started broker does not answer: %v", err)
		}
	})
	if address == "" {
		t.Skip("no broker was started")
	}
	if dial(t, address) == nil {
		t.Errorf("a broker at %s has outlived its test", address)
	}
}

func dial(t *testing.T, address string) error {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err
}
