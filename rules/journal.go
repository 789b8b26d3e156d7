package rules

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/journal"
)

// Journal remembers the alerts that are not over, so that neither a reload nor a
// kill makes one begin anew, end, or lose that its data is missing. It outlives the
// engines that write it, of which one at a time may run.
//
// What an evaluation returns is on the disk before it returns. What ended stays
// there until the evaluation after: whoever was told of it has seen to it by then.
type Journal struct {
	file   *journal.File[step]
	log    *slog.Logger
	at     time.Time // the last evaluation that is in the file
	alerts map[string]kept

	mu     sync.Mutex
	failed error
}

// step is what one evaluation changed.
type step struct {
	At   time.Time       `json:"at"`
	Set  map[string]kept `json:"set,omitempty"`
	Gone []string        `json:"gone,omitempty"`
}

// kept is all that is known of an alert that is not over, or that has just ended.
type kept struct {
	Rule        string              `json:"rule"`
	Query       string              `json:"query"`
	Own         map[string]string   `json:"own,omitempty"` // labels as the rule writes them
	Element     map[string]string   `json:"element"`       // of the query's result, behind the alert
	State       tidemark.AlertState `json:"state"`
	Labels      map[string]string   `json:"labels"`
	Annotations map[string]string   `json:"annotations"`
	Value       number              `json:"value"`
	Active      time.Time           `json:"active"`
	Fired       time.Time           `json:"fired,omitzero"`
	Resolved    time.Time           `json:"resolved,omitzero"`
	KeepsFiring time.Time           `json:"keeps_firing,omitzero"` // without its condition, since
	Missing     time.Time           `json:"missing,omitzero"`      // its data, since
	Doubtful    bool                `json:"doubtful,omitempty"`
}

// number is a float whose JSON knows NaN and infinity.
type number float64

// MarshalText writes the shortest form that reads back the same.
func (n number) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}

// UnmarshalText reads what MarshalText wrote.
func (n *number) UnmarshalText(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	*n = number(f)
	return err
}

// OpenJournal reads the journal in a directory; with an empty one the journal lasts
// as long as the process. What a crash has left unfinished is cut off, and logged.
func OpenJournal(dir string, log *slog.Logger) (*Journal, error) {
	if dir != "" {
		dir = filepath.Join(dir, "journal")
	}
	file, steps, err := journal.Open[step](dir)
	if err != nil {
		return nil, fmt.Errorf("open alert journal: %w", err)
	}
	if file.Cut() != "" {
		log.Warn("the alert journal was repaired", "cut", file.Cut())
	}
	j := &Journal{file: file, log: log, alerts: map[string]kept{}}
	for _, s := range steps {
		j.apply(s)
	}
	return j, nil
}

// Close lets go of the file.
func (j *Journal) Close() error { return j.file.Close() }

// Err says why the present state of alerts would be lost in a crash; nil: it would not.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

func (j *Journal) apply(s step) {
	j.at = s.At
	maps.Copy(j.alerts, s.Set)
	for _, key := range s.Gone {
		delete(j.alerts, key)
	}
}

// keep puts the state after an evaluation on the disk. When the disk takes nothing
// the state is kept in memory and written as soon as it can be.
func (j *Journal) keep(at time.Time, now map[string]kept) {
	s := step{At: at, Set: map[string]kept{}}
	for key, k := range now {
		if was, known := j.alerts[key]; !known || !reflect.DeepEqual(was, k) {
			s.Set[key] = k
		}
	}
	for key := range j.alerts {
		if _, still := now[key]; !still {
			s.Gone = append(s.Gone, key)
		}
	}
	slices.Sort(s.Gone)
	j.apply(s)
	// Also when nothing has changed: while an alert is active it counts that somebody looked.
	if len(now)+len(s.Gone) > 0 || j.file.Due() {
		j.write(s)
	}
}

func (j *Journal) write(s step) {
	var err error
	if j.file.Due() {
		err = j.file.Rewrite(step{At: j.at, Set: j.alerts})
	} else {
		err = j.file.Append(s)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err != nil && j.failed == nil:
		j.log.Error("alerts go on, but a crash would lose their state", "err", err)
	case err == nil && j.failed != nil:
		j.log.Info("the state of alerts is kept again")
	}
	j.failed = err
}

// missed is how long nobody had looked before a moment. A pause of up to two
// intervals is the usual one.
func (j *Journal) missed(at time.Time, interval time.Duration) time.Duration {
	if gap := at.Sub(j.at); !j.at.IsZero() && gap > 2*interval {
		return gap
	}
	return 0
}
