// Package shard splits consumer groups among several tidemarks that watch the same
// cluster: each group is watched by one of them, and by another when that one ends.
//
// It hides a group of Kafka's own protocol: the tidemarks are members of a group
// whose coordinator notices who comes and goes and tells everybody the same list of
// names; from that list each reckons by itself which groups are its own. There is no
// other store. It reads no topics and commits nothing; it needs Read on its own
// group.
//
// While shares change hands a group is watched by two and not by nobody: whoever
// gives one away goes on for two ticks, because the other needs one to look. Twice
// the same number can be told from twice the lag by the label instance; a number
// that is missing looks like work that is done. Only when a tidemark dies without a
// word are its groups watched by nobody, until the coordinator misses it.
//
// May change until version 1.
package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aetherlink/tidemark/kafka"
)

// A tidemark that dies is missed after session; the others hear of it with their
// next heartbeat and look at their next tick: with the usual 15 s from look to look
// this takes 28 s at most, and less than two ticks.
const (
	session   = 10 * time.Second
	heartbeat = 2 * time.Second
	rejoin    = 5 * time.Second // how long the others wait for one that does not hear of it
	tryAgain  = time.Second
	tick      = 15 * time.Second // from look to look, unless it is configured
)

// Config says whether and with whom groups are shared.
type Config struct {
	Group string `yaml:"group"` // the same for all who share; empty: everything is ours
	Name  string `yaml:"name"`  // one's own among them, kept over a restart; empty: the host's
}

// Options is a [Config] and how to reach the cluster.
type Options struct {
	Config
	Kafka kafka.Options
}

// Shard is one tidemark's share of the groups of one cluster. It may be used by
// several goroutines at once.
type Shard struct {
	name, group string
	opts        []kgo.Opt
	log         *slog.Logger
	overlap     time.Duration // how long what is given away is watched on

	mu     sync.Mutex
	shares []share // the present one and those before that are watched on, newest first
}

// share is what one generation of the group has settled.
type share struct {
	me      string // our member id
	members []member
	ended   time.Time // zero: it has not
}

// Open returns a shard, which has no groups until it runs.
func Open(o Options) (*Shard, error) {
	opts, err := o.Kafka.ClientOptions()
	if err != nil {
		return nil, err
	}
	if o.Group == "" {
		return nil, errors.New("shard: there is no group to share in; set sharing.group to the same name everywhere")
	}
	if o.Name == "" {
		if o.Name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("shard: this host has no name; set sharing.name: %w", err)
		}
	}
	log := o.Kafka.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Shard{
		name: o.Name, group: o.Group, opts: opts, log: log.With("cluster", o.Kafka.Name, "sharing", o.Group),
		overlap: 2 * cmp.Or(o.Kafka.Interval, tick),
	}, nil
}

// Run takes part until ctx ends, and then leaves, so that others take over at once.
// It returns an error if the cluster does not let us share, and says what to do.
func (s *Shard) Run(ctx context.Context) error {
	client, err := kgo.NewClient(s.opts...)
	if err != nil {
		return fmt.Errorf("share groups in %s: %w", s.group, err)
	}
	defer client.Close()
	m := membership{client: client, group: s.group, name: s.name}
	defer func() { m.leave(context.WithoutCancel(ctx)) }()
	lost := false
	for {
		members, err := m.join(ctx)
		if err == nil {
			lost = false
			s.settle(m.id, members)
			err = m.stay(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errRejoin):
			continue
		case isFinal(err):
			return fmt.Errorf("share groups in %s: %w", s.group, err)
		case !lost:
			lost = true
			s.log.Warn("the others cannot be heard; the groups stay shared as they were", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tryAgain):
		}
	}
}

// settle takes up a new generation and says so if somebody has come or gone.
func (s *Shard) settle(me string, members []member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.shares) == 0 || !slices.Equal(names(s.shares[0].members), names(members)) {
		s.log.Info("groups are shared", "among", names(members))
	}
	kept := []share{{me: me, members: members}}
	for _, old := range s.shares {
		if old.ended.IsZero() {
			old.ended = time.Now()
		}
		if time.Since(old.ended) < s.overlap {
			kept = append(kept, old)
		}
	}
	s.shares = kept
}

// Mine says whether a group is ours to watch: it is in our share, or was until two
// ticks ago. Before the first list of members has come nothing is.
func (s *Shard) Mine(group string) bool {
	s.mu.Lock()
	shares := s.shares
	s.mu.Unlock()
	for _, sh := range shares {
		if !sh.ended.IsZero() && time.Since(sh.ended) >= s.overlap {
			return false
		}
		if owner(sh.members, group) == sh.me {
			return true
		}
	}
	return false
}

// Members returns the names of all who share, in alphabetical order; none before
// the first list has come.
func (s *Shard) Members() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.shares) == 0 {
		return nil
	}
	return names(s.shares[0].members)
}
