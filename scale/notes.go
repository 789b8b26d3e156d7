package scale

import (
	"path/filepath"
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

// notes is the journal, with what it holds in memory for whoever asks why.
type notes struct {
	mu   sync.Mutex // guards all below; held while the disk is written
	file *journal.File[Entry]
	all  []Entry // oldest first
}

func (n *notes) open(dir string) ([]Entry, error) {
	path := ""
	if dir != "" {
		path = filepath.Join(dir, "journal")
	}
	file, past, err := journal.Open[Entry](path)
	n.file, n.all = file, past
	return past, err
}

// write returns once the entries are on the disk.
func (n *notes) write(entries ...Entry) error {
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
		n.all = append([]Entry(nil), n.all[len(n.all)-kept:]...)
		return n.file.Rewrite(n.all...)
	}
	return nil
}

// about returns the latest entries about a target, newest first.
func (n *notes) about(target string, most int) []Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []Entry
	for i := len(n.all) - 1; i >= 0 && len(found) < most; i-- {
		if e := n.all[i]; e.Target == target || e.Target == "" {
			found = append(found, e)
		}
	}
	return found
}
