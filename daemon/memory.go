package daemon

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// memory is what was learnt of the clusters: it outlives a reload, and with a
// directory a restart.
type memory struct {
	dir  string   // empty: nothing outlives the process
	held sync.Map // name to []byte, as saved last; only without a directory
	log  *slog.Logger
}

// remembers is what can be written down and taken up again.
type remembers interface {
	Save(to io.Writer) error
	Load(from io.Reader) error
}

// savedEvery is how much is lost to a kill: less than what a drain or a rate is told from.
const savedEvery = 5 * time.Minute

// recall fills what was saved under a name. What cannot be read is begun anew.
func (m *memory) recall(name string, what remembers) {
	text, err := m.read(name)
	if err == nil {
		err = what.Load(bytes.NewReader(text))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.log.Warn("what was learnt cannot be taken up; it is learnt anew", "of", name, "err", err)
	}
}

func (m *memory) read(name string) ([]byte, error) {
	if m.dir != "" {
		return os.ReadFile(m.file(name))
	}
	if held, known := m.held.Load(name); known {
		return held.([]byte), nil
	}
	return nil, fs.ErrNotExist
}

// keep saves under a name.
func (m *memory) keep(name string, what remembers) {
	var text bytes.Buffer
	err := what.Save(&text)
	switch {
	case err != nil:
	case m.dir == "":
		m.held.Store(name, text.Bytes())
	default:
		err = replace(m.file(name), text.Bytes())
	}
	if err != nil {
		m.log.Warn("what was learnt is not kept", "of", name, "err", err)
	}
}

func (m *memory) file(name string) string { return filepath.Join(m.dir, url.PathEscape(name)) }

// replace writes a file so that whoever reads it sees the old one or the new one.
func replace(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".draft-*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, err = draft.Write(text)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}
