package kafka

import (
	"iter"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/aetherlink/tidemark"
)

// reading is a topic that a group has committed on or owns partitions of.
type reading struct {
	topic     string
	born      [16]byte  // the topic's id when these commits were first sensible
	offsets   []int64   // by partition id; those beyond are Uncommitted
	epochs    []int32   // of offsets: the leader epoch of the last record read; -1: not told
	moved     time.Time // when a commit was last found to be another than before
	lost      losses
	left      []int64 // how many records are left, where a coordinator tells that (share groups)
	committed bool
	owned     bool
	beyond    bool            // commits were beyond the end in the last look
	reason    tidemark.Reason // why offsets are Unseen that were not told to this look
}

// partition makes room for a partition. ok is false for numbers that cannot be.
func (r *reading) partition(id int32) (ok bool) {
	if id < 0 || id >= maxPartition {
		return false
	}
	for int(id) >= len(r.offsets) {
		r.offsets, r.epochs = append(r.offsets, tidemark.Uncommitted), append(r.epochs, -1)
	}
	return true
}

// hear takes up what a coordinator told of one topic: n commits. It says whether
// anything is other than before.
func (r *reading) hear(told iter.Seq[commit], n int) (changed bool) {
	r.reason = tidemark.Fine
	if r.knows(told, n) {
		r.committed = true
		return false
	}
	before := slices.Clone(r.offsets)
	r.clear()
	for c := range told {
		if c.code != 0 {
			r.committed, r.reason = true, reasonOf(kerr.ErrorForCode(c.code))
			if r.partition(c.partition) {
				r.offsets[c.partition] = tidemark.Unseen
			}
			continue
		}
		if c.offset < 0 || !r.partition(c.partition) {
			continue
		}
		r.committed = true
		r.offsets[c.partition], r.epochs[c.partition] = c.offset, c.epoch
		if int(c.partition) >= len(before) || before[c.partition] != c.offset {
			r.moved = time.Now()
		}
	}
	return true
}

// knows says whether all that was told is as before. Most groups of a large
// cluster commit rarely, and of those nothing needs to be taken up.
func (r *reading) knows(told iter.Seq[commit], n int) bool {
	had := 0
	for _, o := range r.offsets {
		if o != tidemark.Uncommitted {
			had++
		}
	}
	if n == 0 || n != had {
		return false
	}
	for c := range told {
		if c.code != 0 || c.partition < 0 || int(c.partition) >= len(r.offsets) ||
			r.offsets[c.partition] != c.offset || r.epochs[c.partition] != c.epoch {
			return false
		}
	}
	return true
}

// clear takes back that anything was committed.
func (r *reading) clear() {
	for i := range r.offsets {
		r.offsets[i], r.epochs[i] = tidemark.Uncommitted, -1
	}
}

// moves notes when a commit of the group moved, if that was after it was first heard.
func (g *group) moves(heard time.Time) {
	for _, r := range g.reads {
		if !heard.IsZero() && r.moved.After(g.Moved) {
			g.Moved = r.moved
		}
	}
}

// rest is what it takes to ask less often about a group that does not move.
type rest struct {
	turn  int       // which of several looks asks about it
	since time.Time // nothing about it has changed: nobody came or left, no commit came or went
}

const (
	// restAfter is how long an empty group has not moved before it is asked about
	// less often: longer than one stands still that is being repaired, deployed, or reset
	// by hand in several steps.
	restAfter = 10 * time.Minute
	// restFor is how many looks then pass from one question to the next: lag.md 3, rule 6.
	restFor = 8
)

// rests says whether a group's commits need no question in this look: nobody is in
// it, nothing about it has changed for a while, and it is not its turn.
func (g *group) rests(l *look, coordinator int32, phase string) bool {
	same := g.unheard == tidemark.Fine && g.Coordinator == coordinator && g.Phase == phase && phase == "Empty"
	if !same || !g.readsAsBefore(l) {
		g.rest.since = l.began
		return false
	}
	return l.began.Sub(g.rest.since) >= restAfter && (l.looks+g.rest.turn)%restFor != 0
}

// readsAsBefore says whether the topics that a group reads are those that it
// committed on. Of one that is deleted or made anew, the commits go too; and a group
// that reads none may begin to.
func (g *group) readsAsBefore(l *look) bool {
	if len(g.reads) == 0 {
		return false
	}
	for _, r := range g.reads {
		if t := l.cluster.topics[r.topic]; t == nil || t.id != r.born {
			return false
		}
	}
	return true
}
