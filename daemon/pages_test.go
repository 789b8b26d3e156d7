package daemon_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/daemon"
)

func TestThePagesShowTheReportsOfDrillsAndWhatARuleWouldHaveDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.publish(1000)
		b.commit(0)
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "drills"), 0o750); err != nil {
			t.Fatal(err)
		}
		report := `{"drill":"lag-and-recovery","title":"Lag and recovery","startedAt":"2026-01-02T03:04:05Z","tookSeconds":567,"passed":true,"steps":[]}`
		if err := os.WriteFile(filepath.Join(dir, "drills", "one.json"), []byte(report), 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		go func() {
			time.Sleep(12 * time.Minute)
			if status, answer := b.get("/api/tidemark/v1/drills"); status != http.StatusOK || !strings.Contains(answer, `"tookSeconds":567`) {
				t.Errorf("drills: %d %s, want the report", status, answer)
			}
			ask := url.Values{"rule": {"KafkaConsumerGroupStopped"}, "from": {began.UTC().Format(time.RFC3339)}, "to": {time.Now().UTC().Format(time.RFC3339)}}
			if status, answer := b.get("/api/tidemark/v1/replay?" + ask.Encode()); status != http.StatusOK || !strings.Contains(answer, `"consumergroup":"billing"`) {
				t.Errorf("replay: %d %s, want a firing about billing", status, answer)
			}
		}()
		b.runAs(daemon.Options{Config: b.config(), Dir: dir, Published: func(*tidemark.View) {}}, 13*time.Minute)
	})
}
