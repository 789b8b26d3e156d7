package history

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
)

// Config is what an operator may write under history.
type Config struct {
	// Retention is how long samples are kept; 0 means 15 days.
	Retention time.Duration `yaml:"retention"`
	// Partitions says whose samples per partition are kept: those of none, of the
	// groups of pipelines, of lagging groups too, or of all. Empty means pipelines.
	// Sums are always kept. Whoever appends goes by it.
	Partitions string `yaml:"partitions"`
	// Labels are put on every series, also instead of job and instance.
	Labels map[string]string `yaml:"labels"`
	// RemoteWrite is Prometheus' section remote_write: who gets every sample, too.
	RemoteWrite []map[string]any `yaml:"remote_write"`
}

// Validate says what in the configuration cannot work, and what would.
func (c Config) Validate() error {
	if c.Retention < 0 {
		return fmt.Errorf("history.retention is %s; it must be longer than 0, as 15d is", c.Retention)
	}
	if choices := []string{"", "none", "pipelines", "lagging", "all"}; !slices.Contains(choices, c.Partitions) {
		return fmt.Errorf("history.partitions is %q; it must be none, pipelines, lagging or all", c.Partitions)
	}
	for name := range c.Labels {
		if !model.LegacyValidation.IsValidLabelName(name) || name == model.MetricNameLabel {
			return fmt.Errorf("history.labels has %q, which is no name for a label; letters, digits and _ are", name)
		}
	}
	_, err := c.remoteWrite()
	return err
}
