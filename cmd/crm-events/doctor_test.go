package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// examined runs the doctor and returns what it prints.
func examined(t *testing.T, args ...string) (said string, err error) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetArgs(append([]string{"outbox", "doctor"}, args...))
	c.SetOut(&out)
	c.SetErr(&out)
	err = c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestDoctorSaysWhatIsInTheWayAndWhatToDo(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "aetherlink.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	file := filepath.Join(t.TempDir(), "crm.db")
	table := openOutbox(t, file)
	defer table.Close()
	writeEvent(t, table, "job-1", "aetherlink.events", "1")
	writeEvent(t, table, "job-2", "nowhere", "1")
	said, err := examined(t, "--db", file, "--kafka.brokers", strings.Join(broker.ListenAddrs(), ","))
	if err == nil || !strings.Contains(err.Error(), "3 of 10 checks found something") {
		t.Errorf("it ends with %v, want that 3 of 10 checks found something", err)
	}
	for _, want := range []string{
		"✓ tables\n", "✓ topic aetherlink.events\n",
		"✗ relays: no relay is running: nothing is published\n  Start one: ",
		"✗ topic nowhere: the cluster does not have it, or hides it from us\n  Create it, ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it says\n%s\nwant %q", said, want)
		}
	}
}

func TestDoctorOfADatabaseWithoutTablesSaysHowToMakeThem(t *testing.T) {
	said, err := examined(t, "--db", filepath.Join(t.TempDir(), "new.db"))
	if err == nil || !strings.Contains(said, "crm-events outbox migrate") {
		t.Errorf("it says %q and ends with %v, want how to make the tables", said, err)
	}
}
