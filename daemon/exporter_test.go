package daemon_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark/daemon"
)

func TestAnExporterServesItsMetricsAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.publish(20)
		b.commit(5)
		dir := t.TempDir()
		go func() {
			time.Sleep(time.Minute)
			_, page := b.get("/metrics")
			want := `kafka_consumergroup_lag_sum{cluster="main",consumergroup="billing",topic="orders"} 45`
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %s:\n%s", want, page)
			}
			if status, answer := b.get("/healthz"); status != http.StatusOK || answer != "ok" {
				t.Errorf("health = %d %q, want 200 ok", status, answer)
			}
			if status, answer := b.get("/"); status != http.StatusOK || !strings.Contains(answer, `<a href="/metrics">`) {
				t.Errorf("first page = %d %q, want a link to the metrics", status, answer)
			}
			for _, path := range []string{"/api/v1/query?query=1", "/api/tidemark/v1/groups", "/-/reload", "/runbooks/"} {
				if status, _ := b.get(path); status != http.StatusNotFound {
					t.Errorf("%s answers %d, want %d", path, status, http.StatusNotFound)
				}
			}
		}()
		b.runAs(daemon.Options{Config: b.config(), Dir: dir, ExporterOnly: true}, 2*time.Minute)
		for _, none := range []string{"tsdb", "notify", "alerts", "scale"} {
			if _, err := os.Stat(filepath.Join(dir, none)); err == nil {
				t.Errorf("an exporter keeps %s", none)
			}
		}
	})
}
