package sandbox

import (
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/history"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/web"
)

// job is the name under which the replicas of crm-events are scraped.
const job = "crm-events"

// config returns what tidemark runs with here: the reference deployment.
func (w *World) config() config.Config {
	return config.Config{
		Clusters: []kafka.Config{{Name: Cluster, Brokers: w.Brokers(), Interval: w.hurried(time.Second, 250*time.Millisecond)}},
		Pipelines: []tidemark.Pipeline{{
			Name: "crm-events", Cluster: Cluster, Group: Group, Topics: []string{Topic}, Owner: "team-crm",
			Scrape:     tidemark.Scrape{Job: job, Metric: "crm_events_messages_total"},
			Thresholds: tidemark.Thresholds{LagRecords: 500, Drain: 30 * time.Minute, TimeLag: 5 * time.Minute, Skew: 4, MembersMin: 2},
			Target:     tidemark.Target{Drain: 10 * time.Minute, Utilisation: 0.7},
		}},
		History: history.Config{Partitions: "all"},
		Rules: rules.Config{
			Packs: []string{"crm-events", "kafka-lag"}, Interval: w.evaluation(),
			Scrape: []map[string]any{w.scrape()},
		},
		Web: web.Config{Listen: w.Listener.Addr().String(), Access: "read"},
	}
}

// scrape returns the job that asks crm-events. The first replica is always to be
// asked, also when it is stopped; the others come and go, and are found through a
// file. Changes of files are told in real time only, so a world in virtual time
// asks the first alone.
func (w *World) scrape() map[string]any {
	scrape := map[string]any{
		"job_name":       job,
		"static_configs": []map[string]any{{"targets": []string{w.crew.first}}},
	}
	if w.Network == nil {
		scrape["file_sd_configs"] = []map[string]any{{"files": []string{w.crew.file}}}
	}
	return scrape
}

// evaluation returns the interval of rules and scrapes in the world's time: every
// five seconds, for a demo that answers, but no more than twice in a real second.
func (w *World) evaluation() time.Duration {
	return time.Duration(float64(w.hurried(5*time.Second, 500*time.Millisecond)) * w.Speed)
}
