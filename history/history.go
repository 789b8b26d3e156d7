// Package history keeps samples over time: on disk, in a Prometheus time series
// database, so that PromQL can select them; and, where it is told to, in others too.
//
// It hides the database: its settings, its lock, and how samples get in quickly.
// It never names a metric, never decides which samples are worth keeping, and
// never carries a value on: a series that is not in a round of samples ends there,
// by a staleness marker, instead of drawing a line to its next value.
//
// A crash of the process loses nothing that Append has returned for; a power cut
// may lose the last seconds.
//
// May change until version 1.
package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/aetherlink/tidemark"
)

// Options is a configuration and what it takes to run it.
type Options struct {
	Config
	Dir      string // where the samples are; empty: a temporary place that Close removes
	Instance string // the label instance of every series
	Log      *slog.Logger
}

// Store is an open history. One Append at a time; reading is free to run beside it.
type Store struct {
	storage   storage.Storage // the database, and what is written to remotely
	lock      *tsdbutil.DirLocker
	temporary string // a directory to remove, or empty
	constant  labels.Labels
	series    map[tidemark.Series]*entry
	round     uint64
	last      int64 // Unix milliseconds of the latest Append
}

// entry is what is remembered of a series while it has values.
type entry struct {
	ref   storage.SeriesRef
	round uint64 // the latest round it was in
}

// Open opens the history in a directory, which no other process may have open.
// After a crash it reads the log of what was not yet in blocks: up to a minute for
// a million series.
func Open(o Options) (_ *Store, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{constant: constantLabels(o), series: map[tidemark.Series]*entry{}, last: math.MinInt64}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "tidemark-history-"); err != nil {
			return nil, fmt.Errorf("make a place for the history: %w", err)
		}
		s.temporary = o.Dir
	}
	if s.lock, err = lock(o.Dir); err != nil {
		return nil, err
	}
	db, err := tsdb.Open(o.Dir, slog.New(quiet{o.Log.Handler()}), nil, settings(o.Config), nil)
	if err != nil {
		return nil, fmt.Errorf("open the history in %s: %w", o.Dir, err)
	}
	s.storage = db
	if len(o.RemoteWrite) > 0 {
		err = s.writeOn(db, o)
	}
	return s, err
}

// settings are Prometheus' own but for what engine.md section 3 found better for
// our use: blocks of one hour, so that less is in memory, and a snapshot of the
// memory at the end, so that the next start need not replay.
func settings(c Config) *tsdb.Options {
	retention := c.Retention
	if retention == 0 {
		retention = 15 * 24 * time.Hour
	}
	o := tsdb.DefaultOptions()
	o.RetentionDuration = retention.Milliseconds()
	o.MinBlockDuration = time.Hour.Milliseconds()
	// As Prometheus does: what is to be deleted lies in ten blocks or more.
	o.MaxBlockDuration = min(retention/10, 31*24*time.Hour).Milliseconds()
	o.WALCompression = compression.Snappy
	o.EnableMemorySnapshotOnShutdown = true
	o.NoLockfile = true // ours is held longer, until the snapshot is written
	return o
}

// lock takes the directory's lock. It tries for five seconds: the kernel holds the
// lock of a killed process of some size for one or two (engine.md section 3).
func lock(dir string) (*tsdbutil.DirLocker, error) {
	const tries, pause = 26, 200 * time.Millisecond
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a place for the history: %w", err)
	}
	l, err := tsdbutil.NewDirLocker(dir, "tsdb", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, fmt.Errorf("lock the history in %s: %w", dir, err)
	}
	for try := range tries {
		if try > 0 {
			<-time.After(pause)
		}
		if err = l.Lock(); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("lock the history in %s: %w; is another tidemark running there? Give one of them another data directory", dir, err)
}

// constantLabels are those that every series has, unless it has its own.
func constantLabels(o Options) labels.Labels {
	all := map[string]string{"job": "tidemark", "instance": o.Instance}
	maps.Copy(all, o.Labels)
	return labels.FromMap(all)
}

// Append writes one round of samples, all at the same time and all or none. What
// was in an earlier round and is not in this one ends here.
//
// at must be later than the round before, by a millisecond at least.
func (s *Store) Append(at time.Time, samples iter.Seq[tidemark.Sample]) error {
	now := at.UnixMilli()
	if now <= s.last {
		return fmt.Errorf("append samples of %s: those of %s are there already; a round must be later than the one before",
			at.UTC().Format(time.RFC3339Nano), time.UnixMilli(s.last).UTC().Format(time.RFC3339Nano))
	}
	// The database does not use the context: a round is never given up half way.
	batch := s.storage.AppenderV2(context.Background())
	gone, err := s.write(batch, now, samples)
	if err != nil {
		return errors.Join(fmt.Errorf("append samples of %s: %w", at.UTC().Format(time.RFC3339Nano), err), batch.Rollback())
	}
	if err := batch.Commit(); err != nil {
		return fmt.Errorf("commit samples of %s: %w", at.UTC().Format(time.RFC3339Nano), err)
	}
	s.last = now
	for _, series := range gone {
		delete(s.series, series)
	}
	return nil
}

// write puts samples and staleness markers into a batch and returns the series
// that are gone.
func (s *Store) write(batch storage.AppenderV2, now int64, samples iter.Seq[tidemark.Sample]) (gone []tidemark.Series, err error) {
	s.round++
	present := 0
	for sample := range samples {
		e, known := s.series[sample.Series]
		if !known {
			e = &entry{}
			s.series[sample.Series] = e
		}
		if err := s.put(batch, sample, e, now); err != nil {
			return nil, err
		}
		if e.round != s.round {
			e.round = s.round
			present++
		}
	}
	if present == len(s.series) {
		return nil, nil // as nearly always
	}
	for series, e := range s.series {
		if e.round == s.round {
			continue
		}
		stale := tidemark.Sample{Series: series, Value: math.Float64frombits(value.StaleNaN)}
		if err := s.put(batch, stale, e, now); err != nil {
			return nil, err
		}
		gone = append(gone, series)
	}
	return gone, nil
}

// put appends one value. The labels are only made when the database does not know
// the reference: it forgets series that had no value for some hours.
func (s *Store) put(batch storage.AppenderV2, sample tidemark.Sample, e *entry, now int64) error {
	if e.ref != 0 {
		if _, err := batch.Append(e.ref, labels.EmptyLabels(), 0, now, sample.Value, nil, nil, storage.AOptions{}); err == nil {
			return nil
		}
	}
	all := s.labels(sample.Series)
	ref, err := batch.Append(0, all, 0, now, sample.Value, nil, nil, storage.AOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", all, err)
	}
	e.ref = ref
	return nil
}

func (s *Store) labels(of tidemark.Series) labels.Labels {
	b := labels.NewBuilder(s.constant)
	b.Set(model.MetricNameLabel, of.Name)
	for name, value := range of.Labels() {
		b.Set(name, value)
	}
	return b.Labels()
}

// Storage returns what PromQL reads and what recording rules and scrapes write to.
// It is good until Close, and only Close closes it.
func (s *Store) Storage() storage.Storage { return s.storage }

// Close writes down what is in memory and lets the directory go.
func (s *Store) Close() error {
	var errs []error
	if s.storage != nil {
		errs = append(errs, s.storage.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Release())
	}
	if s.temporary != "" {
		errs = append(errs, os.RemoveAll(s.temporary))
	}
	return errors.Join(errs...)
}
