package daemon_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/scale"
)

func TestADecisionIsPartOfTheViewAndTheScalerAnswersBehindTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.publish(20)
		b.commit(5)
		c := b.config()
		c.Scale.Targets = []scale.Target{{Name: "billing", Cluster: "main", Group: "billing", Max: 3}}
		go func() {
			time.Sleep(time.Minute)
			if status, answer := b.get("/api/tidemark/v1/scale/billing"); status != http.StatusOK || !strings.Contains(answer, `"mode":"recommend"`) {
				t.Errorf("the scaler answers %d %s", status, answer)
			}
		}()
		var last *tidemark.View
		b.run(c, 2*time.Minute, func(v *tidemark.View) { last = v })
		if len(last.Decisions) != 1 || last.Decisions[0].Target != "billing" {
			t.Errorf("decisions = %+v, want one about billing", last.Decisions)
		}
	})
}
