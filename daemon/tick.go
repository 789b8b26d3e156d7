package daemon

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/metrics"
	"github.com/aetherlink/tidemark/notify"
	"github.com/aetherlink/tidemark/otlp"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/scale"
)

// scope is what one configuration runs: it is replaced as a whole on reload.
type scope struct {
	*daemon
	config    config.Config
	pipelines watched
	clusters  []*cluster
	engine    *rules.Engine
	notifier  *notify.Notifier
	scaler    *scale.Scaler
	pusher    *otlp.Pusher
}

// actor is a part that runs until ctx ends.
type actor interface {
	Run(ctx context.Context) error
}

// cluster is one Kafka cluster and what was learnt of it.
type cluster struct {
	name      string
	interval  time.Duration
	exact     int
	sources   []actor
	collector *kafka.Collector
	ends      *lag.History
	model     *capacity.Model
	latest    tidemark.Observation
}

// run looks at each cluster in its own time until ctx ends; the looks come
// together in one loop, so there is one step at a time.
func (s *scope) run(ctx context.Context) error {
	defer s.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.engine.Run(ctx) })
	g.Go(func() error { return s.notifier.Run(ctx) })
	g.Go(func() error { return s.scaler.Run(ctx) })
	g.Go(func() error { return s.pusher.Run(ctx) })
	g.Go(func() error { return s.looks(ctx, s.step) })
	return g.Wait()
}

// looks looks at every cluster until ctx ends and hands one observation after the
// other to step.
func (s *scope) looks(ctx context.Context, step func(context.Context, tidemark.Observation)) error {
	g, ctx := errgroup.WithContext(ctx)
	looks := make(chan tidemark.Observation)
	for _, c := range s.clusters {
		g.Go(func() error { return c.run(ctx, looks, s) })
		for _, source := range c.sources {
			g.Go(func() error { return source.Run(ctx) })
		}
	}
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case o := <-looks:
				step(ctx, o)
			}
		}
	})
	return g.Wait()
}

// run looks now and then once per interval. A look that takes longer than the
// interval delays the next one; two never overlap.
func (c *cluster) run(ctx context.Context, looks chan<- tidemark.Observation, s *scope) error {
	c.recall(&s.learnt)
	defer c.keep(&s.learnt)
	tick, saved := time.NewTicker(c.interval), time.Now()
	defer tick.Stop()
	for {
		o := c.look(ctx, s)
		select {
		case <-ctx.Done():
			return nil
		case looks <- o:
		}
		if s.learnt.dir != "" && time.Since(saved) >= savedEvery { // without one a reload is all there is to outlive
			c.keep(&s.learnt)
			saved = time.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *cluster) recall(m *memory) {
	m.recall(c.name+".lag", c.ends)
	m.recall(c.name+".capacity", c.model)
}

func (c *cluster) keep(m *memory) {
	m.keep(c.name+".lag", c.ends)
	m.keep(c.name+".capacity", c.model)
}

// look sees the cluster once and estimates. A failed look keeps the last snapshot,
// which grows old, and says why.
func (c *cluster) look(ctx context.Context, s *scope) tidemark.Observation {
	snapshot, err := c.collector.Snapshot(ctx)
	if ctx.Err() != nil {
		return c.latest
	}
	failedBefore := c.latest.Failed != nil
	c.latest.Failed = err
	if err != nil {
		if !failedBefore {
			s.Log.Warn("cluster is out of sight", "cluster", c.name, "err", err)
		}
		return c.latest
	}
	if failedBefore {
		s.Log.Info("cluster is in sight again", "cluster", c.name)
	}
	c.ends.Observe(snapshot)
	c.ends.Learn(c.collector.Probe(ctx, c.ends.Wants(snapshot)))
	if c.exact > 0 {
		c.ends.Learn(c.collector.Read(ctx, c.ends.Unsure(snapshot, c.exact)))
	}
	c.latest.Snapshot, c.latest.Estimates = snapshot, c.model.Observe(snapshot)
	return c.latest
}

// step is the path of a number, once: append, evaluate, notify, decide, publish.
func (s *scope) step(ctx context.Context, o tidemark.Observation) {
	before := s.view.Load()
	view := s.next(before, o)

	s.append(view)
	view.Alerts = s.evaluate(ctx, before, view)
	view.Decisions = s.scaler.Step(view)
	view.Events = latest(before.Events, happened(before, view))
	s.notifier.Send(ctx, view.Alerts)

	s.publish(view)
	s.pages.Publish(view)
}

// publish is the moment from which everybody sees a view.
func (s *scope) publish(view *tidemark.View) {
	s.view.Store(view)
	s.pusher.Push(view)
	if s.Published != nil {
		s.Published(view)
	}
}

// next is the view with one observation renewed. Its time is always later than
// the one before: history keeps milliseconds and takes no moment twice.
func (s *scope) next(before *tidemark.View, o tidemark.Observation) *tidemark.View {
	at := time.Now()
	if soonest := before.At.Truncate(time.Millisecond).Add(time.Millisecond); at.Before(soonest) {
		at = soonest
	}
	view := &tidemark.View{At: at, Pipelines: s.config.Pipelines}
	for _, c := range s.clusters {
		known, seen := before.Observation(c.name)
		switch {
		case c.name == o.Cluster:
			view.Observations = append(view.Observations, o)
		case seen:
			view.Observations = append(view.Observations, known)
		}
	}
	return view
}

func (s *scope) append(view *tidemark.View) {
	keep := s.keeps(view)
	err := s.store.Append(view.At, func(yield func(tidemark.Sample) bool) {
		for sample := range metrics.Samples(view) {
			if keep(sample.Series) && !yield(sample) {
				return
			}
		}
	})
	if err != nil {
		s.Log.Error("samples are lost to history", "err", err)
	}
}

func (s *scope) evaluate(ctx context.Context, before, view *tidemark.View) []tidemark.Alert {
	alerts, err := s.engine.Eval(ctx, view.At, view)
	if err != nil && ctx.Err() == nil {
		s.Log.Error("alerts are as they were before", "err", err)
		return before.Alerts
	}
	return alerts
}
