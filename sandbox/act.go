package sandbox

import (
	"context"
	"fmt"

	"github.com/aetherlink/tidemark/drill"
)

// Do makes the world a [drill.World]: it acts on crm-events and its topic.
func (w *World) Do(ctx context.Context, a drill.Action) error {
	switch a.Verb {
	case drill.Stop, drill.Start, drill.Scale:
		return w.crew.ask(ctx, a)
	case drill.Freeze:
		return w.crew.freeze(a.Partition, true)
	case drill.Thaw:
		return w.crew.freeze(a.Partition, false)
	case drill.Publish:
		return w.pour(ctx, a)
	}
	return fmt.Errorf("the sandbox cannot %s", a.Verb)
}

// Look returns what tidemark shows of crm-events; nothing, before its first look.
func (w *World) Look(context.Context) (drill.Sight, error) {
	view := w.view.Load()
	if view == nil {
		return drill.Sight{}, nil
	}
	return drill.SightOf(view, Cluster, Group), nil
}

// Replicas returns how many replicas of crm-events run.
func (w *World) Replicas() int { return int(w.crew.running.Load()) }
