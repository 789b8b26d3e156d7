package scale

import (
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/journal"
)

// Entry is one line of the journal: a decision that differs from the one before, an
// order before it is carried out, what came of it, or what a person did.
type Entry struct {
	At       time.Time          `json:"at"`
	Target   string             `json:"target,omitempty"` // empty: all
	Decision *tidemark.Decision `json:"decision,omitempty"`
	Order    *Order             `json:"order,omitempty"`
	Result   *Result            `json:"result,omitempty"`
	Hand     *Hand              `json:"hand,omitempty"`
	Shadow   shadow             `json:"shadow,omitzero"` // beside a decision
}

// Result is what came of one try to carry out an order.
type Result struct {
	Order string `json:"order"`
	Error string `json:"error,omitempty"` // empty: it was carried out
}

// Hand is what a person did to the scaler.
type Hand struct {
	Did   string `json:"did"` // paused, resumed, approved; without a target froze, thawed
	By    string `json:"by"`
	Why   string `json:"why,omitempty"`
	Order string `json:"order,omitempty"` // which was approved
}

// What a person can do.
const (
	paused   = "paused"
	resumed  = "resumed"
	approved = "approved"
	froze    = "froze"
	thawed   = "thawed"
)

// kept is how many entries the journal holds after it was rewritten: at a decision
// every few minutes, some weeks.
const kept = 10_000

// Journal is what the scaler decided and did. It outlives the scalers that write it:
// a new configuration brings a new scaler, which goes on where the old one stood.
type Journal struct {
	kept bool       // on disk
	mu   sync.Mutex // guards all below; held while the disk is written
	file *journal.File[Entry]
	all  []Entry // oldest first
}

// OpenJournal reads the journal in a directory. With an empty path nothing is kept,
// and nothing will be allowed to act.
func OpenJournal(dir string, log *slog.Logger) (*Journal, error) {
	path := ""
	if dir != "" {
		path = filepath.Join(dir, "journal")
	}
	file, past, err := journal.Open[Entry](path)
	if err != nil {
		return nil, err
	}
	if cut := file.Cut(); cut != "" {
		log.Warn("the end of the scaler's journal is lost", "cut", cut)
	}
	return &Journal{kept: dir != "", file: file, all: past}, nil
}

// Close lets go of the file.
func (n *Journal) Close() error { return n.file.Close() }

// past returns all entries, oldest first.
func (n *Journal) past() []Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// write returns once the entries are on the disk.
func (n *Journal) write(entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.file.Append(entries...); err != nil {
		return err
	}
	n.all = append(n.all, entries...)
	if n.file.Due() && len(n.all) > kept {
		n.all = slices.Clone(n.all[len(n.all)-kept:])
		return n.file.Rewrite(n.all...)
	}
	return nil
}

// about returns the latest entries about a target, newest first.
func (n *Journal) about(target string, most int) []Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []Entry
	for _, e := range slices.Backward(n.all) {
		if len(found) == most {
			break
		}
		if e.Target == target || e.Target == "" {
			found = append(found, e)
		}
	}
	return found
}
