package notify

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/aetherlink/tidemark/journal"
)

// tendEvery is how often the journal is shortened, and tried again after a failure.
const tendEvery = 15 * time.Second

// Journal remembers over reloads and crashes what nobody may be told twice or not at
// all: silences, who was told what, and ends of alerts that have not reached
// everybody yet. It outlives the notifiers that write it, of which one at a time may run.
//
// Alertmanager saves these every 15 minutes, and ends not at all: a crash would lose
// that many minutes of silences, and tell that many minutes of alerts again.
type Journal struct {
	log *slog.Logger

	mu       sync.Mutex
	file     *journal.File[note]
	silences [][]byte // as Alertmanager encodes them for its peers; the newest of one silence counts
	told     [][]byte // likewise
	ends     map[string]end
	failed   error
}

// note is one record of the journal.
type note struct {
	Silences [][]byte `json:"silences,omitempty"`
	Told     [][]byte `json:"told,omitempty"`
	Ends     []end    `json:"ends,omitempty"`
	Settled  []string `json:"settled,omitempty"` // keys of ends that need not be told any more
}

// end is an alert that is over, and who has to be told.
type end struct {
	To    string       `json:"to,omitempty"` // an external Alertmanager; empty: our receivers
	Alert *model.Alert `json:"alert"`
}

func endKey(to string, a *model.Alert) string { return a.Fingerprint().String() + to }

// OpenJournal reads the journal in a directory; with an empty one the journal lasts
// as long as the process. What a crash has left unfinished is cut off, and logged.
func OpenJournal(dir string, log *slog.Logger) (*Journal, error) {
	j := &Journal{log: log, ends: map[string]end{}}
	if dir != "" {
		dir = filepath.Join(dir, "journal")
	}
	var notes []note
	var err error
	if j.file, notes, err = journal.Open[note](dir); err != nil {
		return nil, fmt.Errorf("open notification journal: %w", err)
	}
	if j.file.Cut() != "" {
		j.log.Warn("the notification journal was repaired", "cut", j.file.Cut())
	}
	for _, n := range notes {
		j.apply(n)
	}
	return j, nil
}

// Close lets go of the file.
func (j *Journal) Close() error { return j.file.Close() }

// Err says why a crash would lose silences or repeat notifications; nil: it would not.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

func (j *Journal) apply(n note) {
	j.silences = append(j.silences, n.Silences...)
	j.told = append(j.told, n.Told...)
	for _, e := range n.Ends {
		j.ends[endKey(e.To, e.Alert)] = e
	}
	for _, key := range n.Settled {
		delete(j.ends, key)
	}
}

// keep is back when the note is on the disk. When the disk takes nothing it is kept
// in memory, and written when tend finds that it can be.
func (j *Journal) keep(n note) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.apply(n)
	j.say(j.file.Append(n))
}

func (j *Journal) say(err error) {
	switch {
	case err != nil && j.failed == nil:
		j.log.Error("notifying goes on, but a crash would lose silences and repeat notifications", "err", err)
	case err == nil && j.failed != nil:
		j.log.Info("silences and notifications are kept again")
	}
	j.failed = err
}

// owe keeps ends until they are settled.
func (j *Journal) owe(to string, over []*model.Alert) {
	var n note
	for _, a := range over {
		n.Ends = append(n.Ends, end{To: to, Alert: a})
	}
	if len(n.Ends) > 0 {
		j.keep(n)
	}
}

// settle forgets ends that were told, or that are none because the alert is active again.
func (j *Journal) settle(to string, alerts []*model.Alert) {
	var n note
	j.mu.Lock()
	for _, a := range alerts {
		if _, owed := j.ends[endKey(to, a)]; owed {
			n.Settled = append(n.Settled, endKey(to, a))
		}
	}
	j.mu.Unlock()
	if len(n.Settled) > 0 {
		j.keep(n)
	}
}

// owed returns the ends that somebody has still to be told.
func (j *Journal) owed(to string) (over []*model.Alert) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.ends {
		if e.To == to {
			over = append(over, e.Alert)
		}
	}
	return over
}

// read returns what Alertmanager's parts have to be given at their beginning.
func (j *Journal) read() (silences, told [][]byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.silences), slices.Clone(j.told)
}

// tend writes the journal anew if that is due. The parts, if they run, say what still
// counts; what they have added since they were asked is added once more.
func (j *Journal) tend(parts func() (silences, told []byte, err error)) {
	j.mu.Lock()
	due, knownSilences, knownTold := j.file.Due(), len(j.silences), len(j.told)
	j.mu.Unlock()
	if !due {
		return
	}
	silences, told, err := parts() // not under our lock: they hold theirs while they call keep
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		j.silences = append([][]byte{silences}, j.silences[knownSilences:]...)
		j.told = append([][]byte{told}, j.told[knownTold:]...)
	}
	all := note{Silences: j.silences, Told: j.told}
	for _, e := range j.ends {
		all.Ends = append(all.Ends, e)
	}
	j.say(j.file.Rewrite(all))
}
