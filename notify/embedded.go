package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	v2 "github.com/prometheus/alertmanager/api/v2"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

const (
	// Alertmanager saves every 15 minutes: a crash would lose that many minutes of
	// silences, and repeat that many minutes of notifications.
	saveEvery = 15 * time.Second

	retention  = 120 * time.Hour  // of ended silences and of who was told what, as Alertmanager's default
	forgetting = 30 * time.Minute // of ended alerts, as Alertmanager's default
	tidying    = 30 * time.Second // of groups that have become empty, likewise
	nowhere    = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
)

// embedded is an Alertmanager in this process: the same parts, wired as its own
// main does, without gossip and without its pages.
type embedded struct {
	Options
	config    *config.Config
	template  *template.Template
	routes    *dispatch.Route
	receivers map[string][]notify.Integration

	begun  chan struct{} // closed when what follows is set
	alerts *mem.Alerts
	api    *v2.API
}

func openEmbedded(o Options, outcomes *prometheus.CounterVec) (*embedded, error) {
	e := &embedded{Options: o, begun: make(chan struct{})}
	if err := e.load(outcomes); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("notify: make a place for silences: %w", err)
		}
	}
	return e, nil
}

// load reads the file and builds what can be wrong about it.
func (e *embedded) load(outcomes *prometheus.CounterVec) (err error) {
	if e.Alertmanager == "" {
		e.config, err = config.Load(nowhere)
	} else {
		e.config, err = config.LoadFile(e.Alertmanager)
	}
	if err != nil {
		return fmt.Errorf("alertmanager %s: %w", e.Alertmanager, err)
	}
	if e.template, err = template.FromGlobs(e.config.Templates); err != nil {
		return fmt.Errorf("read the templates %q: %w", e.config.Templates, err)
	}
	if e.template.ExternalURL, err = url.Parse(e.ExternalURL); err != nil {
		return fmt.Errorf("read the external URL: %w", err)
	}
	e.routes = dispatch.NewRoute(e.config.Route, nil)
	e.receivers = make(map[string][]notify.Integration)
	for _, r := range e.config.Receivers {
		if e.receivers[r.Name], err = e.build(r, outcomes); err != nil {
			return fmt.Errorf("receiver %s: %w", r.Name, err)
		}
	}
	return nil
}

func (e *embedded) build(r config.Receiver, outcomes *prometheus.CounterVec) ([]notify.Integration, error) {
	var options []promconfig.HTTPClientOption
	if e.Dial != nil {
		options = append(options, promconfig.WithDialContextFunc(e.Dial))
	}
	built, err := receiver.BuildReceiverIntegrations(r, e.template, e.Log, options...)
	if err != nil {
		return nil, err
	}
	integrations := make([]notify.Integration, len(built))
	for i := range built {
		one := &built[i]
		integrations[i] = notify.NewIntegration(counted{one, r.Name, outcomes}, one, one.Name(), one.Index(), r.Name)
	}
	return integrations, nil
}

// counted counts what becomes of notifications.
type counted struct {
	to       notify.Notifier
	receiver string
	outcomes *prometheus.CounterVec
}

func (c counted) Notify(ctx context.Context, alerts ...*alert.Alert) (again bool, err error) {
	again, err = c.to.Notify(ctx, alerts...)
	c.outcomes.WithLabelValues(c.receiver, outcome(again, err)).Inc()
	return again, err
}

func (e *embedded) accept(ctx context.Context, alerts []*model.Alert) {
	select {
	case <-e.begun:
	case <-ctx.Done():
		return
	}
	now := time.Now()
	due := make([]*alert.Alert, len(alerts))
	for i, a := range alerts {
		due[i] = &alert.Alert{Alert: *a, UpdatedAt: now}
	}
	if err := e.alerts.Put(ctx, due...); err != nil {
		e.Log.Error("alerts were not taken in", "err", err)
	}
}

func (e *embedded) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-e.begun:
			e.api.Handler.ServeHTTP(w, r)
		default:
			http.Error(w, "notifications have not started yet", http.StatusServiceUnavailable)
		}
	})
}

// run wires the parts and runs them. It is long because it is wiring: nearly each
// part needs those before it, and the order of the last lines matters. Inhibition
// must know all alerts before anybody is told, and what is kept is saved last,
// when nobody can be told any more.
func (e *embedded) run(ctx context.Context) error {
	var recorder eventrecorder.Recorder // records nothing
	unread := prometheus.NewRegistry()  // the parts insist on counting; what we show, we count ourselves
	told, err := nflog.New(nflog.Options{SnapshotFile: e.file("nflog"), Retention: retention, Logger: e.Log, Metrics: unread})
	if err != nil {
		return fmt.Errorf("read who was told what from %s: %w", e.file("nflog"), err)
	}
	silences, err := silence.New(silence.Options{SnapshotFile: e.file("silences"), Retention: retention, Logger: e.Log, Metrics: unread})
	if err != nil {
		return fmt.Errorf("read silences from %s: %w", e.file("silences"), err)
	}
	silencer := silence.NewSilencer(silences, e.Log, recorder)
	e.alerts, err = mem.NewAlerts(ctx, forgetting, 0, silencer, e.Log, recorder, unread, nil)
	if err != nil {
		return fmt.Errorf("make a place for alerts: %w", err)
	}
	defer e.alerts.Close()
	inhibitor := inhibit.NewInhibitor(e.alerts, e.config.InhibitRules, e.Log, recorder)
	muted := marker.NewGroupMarker()
	dispatcher := dispatch.NewDispatcher(
		e.alerts, e.routes,
		notify.NewPipelineBuilder(unread, featurecontrol.NoopFlags{}, recorder).
			New(e.receivers, alone, inhibitor, silencer, e.intervener(), muted, told, nil),
		muted, patience, tidying, nil, e.Log, recorder, nil, e.template,
	)
	e.api, err = v2.NewAPI(e.alerts, dispatcher.Groups, muted.Muted, silences, nil, e.Log, unread)
	if err != nil {
		return fmt.Errorf("build Alertmanager's API: %w", err)
	}
	e.api.Update(e.config, func(ctx context.Context, labels model.LabelSet) {
		inhibitor.Mutes(ctx, labels)
		silencer.Mutes(ctx, labels)
	})

	var parts sync.WaitGroup
	stop := make(chan struct{})
	parts.Go(func() { told.Maintenance(saveEvery, e.file("nflog"), stop, nil) })
	parts.Go(func() { silences.Maintenance(saveEvery, e.file("silences"), stop, nil) })
	parts.Go(inhibitor.Run)
	inhibitor.WaitForLoading()
	parts.Go(func() { dispatcher.Run(time.Now()) })
	dispatcher.WaitForLoading()
	close(e.begun)

	<-ctx.Done()
	dispatcher.Stop()
	inhibitor.Stop()
	close(stop)
	parts.Wait()
	return nil
}

func (e *embedded) intervener() *timeinterval.Intervener {
	all := make(map[string][]timeinterval.TimeInterval)
	for _, named := range e.config.MuteTimeIntervals {
		all[named.Name] = named.TimeIntervals
	}
	for _, named := range e.config.TimeIntervals {
		all[named.Name] = named.TimeIntervals
	}
	return timeinterval.NewIntervener(all)
}

// file is where a part keeps its state; empty: nowhere.
func (e *embedded) file(name string) string {
	if e.Dir == "" {
		return ""
	}
	return filepath.Join(e.Dir, name)
}

// alone is how long to wait for other Alertmanagers that could tell first: there are none.
func alone() time.Duration { return 0 }

// patience is how long a receiver may take: until the group's next turn.
func patience(interval time.Duration) time.Duration { return max(interval, notify.MinTimeout) }
