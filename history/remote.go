package history

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
)

// flush is how long Close waits for receivers that do not take what is left.
const flush = 10 * time.Second

// remoteWrite reads the section as Prometheus would. JSON is YAML, too.
func (c Config) remoteWrite() (*config.Config, error) {
	text, err := json.Marshal(map[string]any{"remote_write": c.RemoteWrite})
	if err != nil {
		return nil, fmt.Errorf("history.remote_write: %w", err)
	}
	parsed, err := config.Load(string(text), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("history.remote_write: %w", err)
	}
	for _, receiver := range parsed.RemoteWriteConfigs {
		receiver.MetadataConfig.Send = false // it would ask a scrape manager, and that is not here
	}
	return parsed, nil
}

// writeOn lets remote receivers have all that is written to the database. They read
// its log on disk; being notified spares them up to 15 s.
func (s *Store) writeOn(db *tsdb.DB, o Options) error {
	parsed, err := o.remoteWrite()
	if err != nil {
		return err
	}
	out := remote.NewStorage(o.Log, nil, db.StartTime, o.Dir, flush, nil, false)
	s.storage = storage.NewFanout(o.Log, db, out)
	db.SetWriteNotified(out)
	if err := out.ApplyConfig(parsed); err != nil {
		return fmt.Errorf("history.remote_write: %w", err)
	}
	return nil
}
