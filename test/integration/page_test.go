//go:build linux

package integration

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/sandbox"
)

// TestTheDemoShowsThreeGroupsAtOnce asks for the first page and its numbers as a
// browser would. A new user's first two seconds are the aim; how long it took is
// logged, not judged, because a test shares its machine.
func TestTheDemoShowsThreeGroupsAtOnce(t *testing.T) {
	began := time.Now()
	_, address := openWorld(t)
	await(t, "the first page", func() bool {
		status, body := get(t, "http://"+address+"/")
		return status == http.StatusOK && strings.Contains(body, `<script type="module"`) && strings.Contains(body, "/app.js")
	})
	page := time.Since(began)
	await(t, "three groups", func() bool { return len(observed(t, address)) == 3 })
	t.Logf("first page after %v, three groups after %v", page, time.Since(began))
}

// TestTheDemosMetricsPageIsValidAndTrue compares what a scrape gets with what the
// sandbox knows from the inside. Committed offsets and log ends only grow, so what
// a page says lies between what was true before its look and what is true after.
func TestTheDemosMetricsPageIsValidAndTrue(t *testing.T) {
	promtool := debian(t, "promtool")
	world, address := openWorld(t)
	groups := []string{sandbox.Group, "orders-billing", "audit-archiver"}
	await(t, "a commit of each group on each partition", func() bool { return len(truths(world, groups)) == 9 })
	for range 3 {
		before := truths(world, groups)
		for range 2 { // the first may have begun before; the second begins when that has ended
			asked := time.Now()
			await(t, "a look", func() bool { return lookedSince(t, address, asked) })
		}
		page := read(t, "http://"+address+"/metrics")
		after := truths(world, groups)
		for i, least := range before {
			most := after[i]
			labels := fmt.Sprintf(`{cluster=%q,consumergroup=%q,topic=%q,partition="%d"}`, sandbox.Cluster, least.Group, least.Topic, least.ID)
			between(t, page, "kafka_consumergroup_lag"+labels, least.LogEnd-most.Committed, most.LogEnd-least.Committed)
			between(t, page, "kafka_consumergroup_current_offset"+labels, least.Committed, most.Committed)
		}
	}

	_, text := get(t, "http://"+address+"/metrics")
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	out, _ := check.CombinedOutput() // it exits with 3 for the findings below
	want := `kafka_consumergroup_current_offset_sum non-histogram and non-summary metrics should not have "_sum" suffix
kafka_consumergroup_lag_sum non-histogram and non-summary metrics should not have "_sum" suffix
`
	if got := string(out); got != want {
		t.Errorf("promtool says\n%s\nwant\n%s", got, want)
	}
}

func between(t *testing.T, page map[string]float64, series string, least, most int64) {
	t.Helper()
	if got, there := page[series]; !there || got < float64(least) || got > float64(most) {
		t.Errorf("%s = %v (there: %t), want %d to %d", series, got, there, least, most)
	}
}

// truths returns what the sandbox knows of all partitions with a commit.
func truths(world *sandbox.World, groups []string) (rows []tidemark.Partition) {
	for _, group := range groups {
		for _, row := range world.Truth(group) {
			if row.Committed != tidemark.Uncommitted {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// observed returns when the commits of each group were told to the latest look.
func observed(t *testing.T, address string) map[string]time.Time {
	t.Helper()
	var list struct {
		Groups []struct {
			Group      string
			ObservedAt *time.Time
		}
	}
	into(t, "http://"+address+"/api/tidemark/v1/groups", &list)
	at := map[string]time.Time{}
	for _, g := range list.Groups {
		if g.ObservedAt != nil {
			at[g.Group] = *g.ObservedAt
		}
	}
	return at
}

// lookedSince says whether the commits of all groups were told after the moment.
func lookedSince(t *testing.T, address string, since time.Time) bool {
	t.Helper()
	at := observed(t, address)
	for _, moment := range at {
		if !moment.After(since) {
			return false
		}
	}
	return len(at) > 0
}
