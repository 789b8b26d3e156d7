package daemon

import (
	"errors"
	"log/slog"

	"github.com/aetherlink/tidemark/notify"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/scale"
)

// journals are what must not be lost: they outlive reloads, so the process has them.
type journals struct {
	alerts *rules.Journal
	told   *notify.Journal
	sizes  *scale.Journal
}

func (j *journals) open(dir dataDir, log *slog.Logger) (err error) {
	if j.alerts, err = rules.OpenJournal(dir.part("alerts"), log); err != nil {
		return err
	}
	if j.told, err = notify.OpenJournal(dir.part("notify"), log); err != nil {
		return errors.Join(err, j.alerts.Close())
	}
	if j.sizes, err = scale.OpenJournal(dir.part("scale"), log); err != nil {
		return errors.Join(err, j.alerts.Close(), j.told.Close())
	}
	return nil
}

func (j *journals) close() {
	_ = j.alerts.Close() // each record was on the disk when it was acknowledged
	_ = j.told.Close()
	_ = j.sizes.Close()
}
