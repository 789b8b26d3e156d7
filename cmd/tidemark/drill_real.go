package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/web"
)

// realWorld is a deployment that a running tidemark watches: consumers are stopped
// and started by commands, records are published to Kafka.
type realWorld struct {
	ask                askFlags
	stop, start, scale string

	oracle    oracle
	path      string // of the group in the API
	group     string
	topic     string
	publisher *kafka.Publisher
	sequence  int
}

func (w *realWorld) wanted() bool { return w.stop != "" || w.start != "" || w.scale != "" }

func (w *realWorld) open(c *cobra.Command, script *drill.Script) (err error) {
	if w.stop == "" || w.start == "" {
		return exit{exitUsage, errors.New("a drill on a real deployment needs both --stop and --start")}
	}
	base := serverAddress(w.ask.server)
	w.oracle = running(base)
	if err := w.oracle.reachable(c.Context()); err != nil {
		return fmt.Errorf("a drill needs a running tidemark, and none answers at %s: %w\n  start one:  tidemark serve --kafka.server=…   or name it: --server", base, err)
	}
	if w.path, err = find(c, w.oracle, script.Group); err != nil {
		return err
	}
	w.group, w.topic = script.Group, script.Topic
	settings, err := w.ask.cluster(c.Flags())
	if err != nil {
		return err
	}
	w.publisher, err = kafka.OpenPublisher(kafka.Options{Config: settings, Log: slog.New(slog.DiscardHandler)})
	return err
}

func (w *realWorld) close() { w.publisher.Close() }

// Do carries out one action.
func (w *realWorld) Do(ctx context.Context, a drill.Action) error {
	switch a.Verb {
	case drill.Stop:
		return shell(ctx, w.stop)
	case drill.Start:
		return shell(ctx, w.start)
	case drill.Scale:
		if w.scale == "" {
			return errors.New("this drill scales the consumers; say how: --scale='docker compose up -d --scale crm-events={n}'")
		}
		return shell(ctx, strings.ReplaceAll(w.scale, "{n}", strconv.Itoa(a.Count)))
	case drill.Publish:
		return w.publish(ctx, a)
	case drill.Freeze, drill.Thaw:
		return errors.New("freezing a partition is only possible in the sandbox")
	}
	return fmt.Errorf("no such action: %s", a.Verb)
}

// publish spreads records over a time, in at most ten portions a second.
func (w *realWorld) publish(ctx context.Context, a drill.Action) error {
	portions := max(1, min(a.Count, int(a.Over/(100*time.Millisecond))))
	for i := range portions {
		n := a.Count*(i+1)/portions - a.Count*i/portions
		if err := w.publisher.Publish(ctx, w.events(n, a.Key)...); err != nil {
			return fmt.Errorf("publish to %s: %w", w.topic, err)
		}
		if err := wait(ctx, a.Over/time.Duration(portions)); err != nil {
			return err
		}
	}
	return nil
}

// events makes records in the form of the reference deployment.
func (w *realWorld) events(n int, key string) []tidemark.Record {
	records := make([]tidemark.Record, n)
	for i := range records {
		w.sequence++
		value, _ := json.Marshal(map[string]any{
			"Type": "JobCreated", "TenantId": "00000000-0000-0000-0000-000000000001",
			"Seq": w.sequence, "Ts": time.Now().Format(time.RFC3339Nano),
		})
		records[i] = tidemark.Record{Topic: w.topic, Partition: -1, Key: []byte(cmp.Or(key, strconv.Itoa(w.sequence))), Value: value}
	}
	return records
}

// Look asks the running tidemark.
func (w *realWorld) Look(ctx context.Context) (drill.Sight, error) {
	var g web.GroupDetail
	if err := w.oracle.ask(ctx, w.path, url.Values{}, &g); err != nil {
		return drill.Sight{}, err
	}
	return sight(g), nil
}

// sight turns the API's words back into the drill's. What is null stays unknown.
func sight(g web.GroupDetail) drill.Sight {
	row := g.Group.Row
	span := func(n web.Number) time.Duration { return time.Duration(n.Value * float64(time.Second)) }
	rate := func(r web.Rate) tidemark.Rate {
		return tidemark.Rate{PerSecond: r.PerSecond.Value, Error: r.Error.Value, Known: r.PerSecond.Known}
	}
	s := drill.Sight{
		At: row.ObservedAt.Time, Members: int(row.Members.Value), MembersKnown: row.Members.Known,
		Estimate: tidemark.Estimate{
			Cluster: row.Cluster, Group: row.Group, State: row.State, Because: row.Because,
			Lag: tidemark.Total{
				Records: int64(row.Lag.Known.Value), Partitions: row.Lag.Partitions, Missing: row.Lag.Missing,
				Uncommitted: row.Lag.Uncommitted, Complete: row.Lag.Complete && row.Fresh,
			},
			Arrivals: rate(row.Arrivals), Consumption: rate(row.Consumption), ReplicaCapacity: rate(g.Group.Capacity),
			Drain: tidemark.Drain{P10: span(row.Drain.P10), P50: span(row.Drain.P50), P90: span(row.Drain.P90), Known: row.Drain.P50.Known},
		},
	}
	for _, a := range g.Alerts {
		s.Alerts = append(s.Alerts, tidemark.Alert{
			Name: a.Name, State: tidemark.AlertState(a.State), Labels: a.Labels,
			ActiveSince: a.ActiveSince.Time, FiredAt: a.FiredAt.Time, ResolvedAt: a.ResolvedAt.Time,
		})
	}
	return s
}

// shell runs a command line as the operator would type it.
func shell(ctx context.Context, line string) error {
	interpreter := []string{"sh", "-c"}
	if runtime.GOOS == "windows" {
		interpreter = []string{"powershell", "-NoProfile", "-Command"}
	}
	out, err := exec.CommandContext(ctx, interpreter[0], append(interpreter[1:], line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}
