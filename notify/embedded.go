package notify

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
	"github.com/prometheus/alertmanager/nflog/nflogpb"
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
	retention  = 120 * time.Hour  // of ended silences and of who was told what, as Alertmanager's default
	forgetting = 30 * time.Minute // of ended alerts, as Alertmanager's default
	tidying    = 30 * time.Second // of groups that have become empty, likewise
	attempted  = 1                // stands in the log for alerts that are to be told, and may not have got through
	nowhere    = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
)

// ours are templates in place of Alertmanager's, which name no runbook in a chat and
// lead to pages that are not here.
//
//go:embed default.tmpl
var ours string

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
	told   *nflog.Log
	api    *v2.API

	fed chan struct{} // closed when the first alerts are in

	mu      sync.Mutex
	reached map[model.Fingerprint]map[string]bool // of alerts that are over: routes that have told it
}

func openEmbedded(o Options, outcomes *prometheus.CounterVec) (*embedded, error) {
	e := &embedded{Options: o, begun: make(chan struct{}), fed: make(chan struct{}), reached: map[model.Fingerprint]map[string]bool{}}
	if err := e.load(outcomes); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
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
	if e.template, err = templates(e.config.Templates); err != nil {
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

// templates reads Alertmanager's, then ours, then the operator's: the last one of a name counts.
func templates(globs []string) (*template.Template, error) {
	all, err := template.FromGlobs(nil)
	if err != nil {
		return nil, err
	}
	if err := all.Parse(strings.NewReader(ours)); err != nil {
		return nil, err
	}
	for _, glob := range globs {
		if err := all.FromGlob(glob); err != nil {
			return nil, err
		}
	}
	return all, nil
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
		integrations[i] = notify.NewIntegration(attempt{e, one, r.Name, outcomes}, one, one.Name(), one.Index(), r.Name)
	}
	return integrations, nil
}

// attempt tells one receiver, once it is on the disk that it will, and counts what becomes of it.
type attempt struct {
	*embedded
	to       *notify.Integration
	receiver string
	outcomes *prometheus.CounterVec
}

func (a attempt) Notify(ctx context.Context, alerts ...*alert.Alert) (again bool, err error) {
	a.remember(ctx)
	again, err = a.to.Notify(ctx, alerts...)
	a.outcomes.WithLabelValues(a.receiver, outcome(again, err)).Inc()
	if err != nil {
		err = notify.RedactURL(err) // some receivers have their secret there
	}
	return again, err
}

// remember puts into the log that a group is about to be told for the first time. An
// alert fires, and its receiver is down or we are killed before its answer is noted;
// then the alert ends: without this, Alertmanager would take it for one that nobody
// needs to hear of.
func (a attempt) remember(ctx context.Context) {
	reason, _ := notify.NotificationReason(ctx)
	key, known := notify.GroupKey(ctx)
	if reason != notify.ReasonFirstNotification || !known {
		return
	}
	to := &nflogpb.Receiver{GroupName: a.receiver, Integration: a.to.Name(), Idx: uint32(a.to.Index())}
	before, err := a.told.Query(nflog.QGroupKey(key), nflog.QReceiver(to))
	if err == nil && len(before) > 0 && len(before[0].FiringAlerts) > 0 {
		return // remembered already
	}
	if err := a.told.Log(to, key, []uint64{attempted}, nil, nil, 0); err != nil {
		a.Log.Error("an attempt to notify is not remembered", "receiver", a.receiver, "err", err)
	}
	<-time.After(time.Nanosecond) // of two entries of one moment the log would keep this one
}

func (e *embedded) accept(ctx context.Context, active, over []*model.Alert) {
	select {
	case <-e.begun:
	case <-ctx.Done():
		return
	}
	e.Journal.settle("", active)
	e.Journal.owe("", over)
	select {
	case <-e.fed:
	default: // what was over before a crash comes with the first that are active
		over = e.Journal.owed("")
		defer close(e.fed)
	}
	var due []*alert.Alert
	for _, a := range slices.Concat(active, over) {
		due = append(due, &alert.Alert{Alert: *a, UpdatedAt: time.Now()})
	}
	if err := e.alerts.Put(ctx, due...); err != nil {
		e.Log.Error("alerts were not taken in", "err", err)
	}
}

// stage is the pipeline of a group, and the knowledge when an end has reached everybody.
func (e *embedded) stage(pipeline notify.Stage) notify.Stage {
	return notify.StageFunc(func(ctx context.Context, l *slog.Logger, alerts ...*alert.Alert) (context.Context, []*alert.Alert, error) {
		ctx, rest, err := pipeline.Exec(ctx, l, alerts...)
		if err == nil {
			route, _ := notify.RouteID(ctx)
			e.arrived(route, alerts)
		}
		return ctx, rest, err
	})
}

// arrived settles the ends that all of their routes have told, or had not to.
func (e *embedded) arrived(route string, alerts []*alert.Alert) {
	var settled []*model.Alert
	e.mu.Lock()
	for _, a := range alerts {
		if !a.Resolved() {
			delete(e.reached, a.Fingerprint())
			continue
		}
		if e.reached[a.Fingerprint()] == nil {
			e.reached[a.Fingerprint()] = map[string]bool{}
		}
		e.reached[a.Fingerprint()][route] = true
		if len(e.reached[a.Fingerprint()]) == len(e.routes.Match(a.Labels)) {
			delete(e.reached, a.Fingerprint())
			settled = append(settled, &a.Alert)
		}
	}
	e.mu.Unlock()
	e.Journal.settle("", settled)
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
// must know all alerts before anybody is told, also those of before a restart.
func (e *embedded) run(ctx context.Context) error {
	var recorder eventrecorder.Recorder // records nothing
	unread := prometheus.NewRegistry()  // the parts insist on counting; what we show, we count ourselves
	silences, err := e.recall(unread)
	if err != nil {
		return err
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
		e.stage(notify.NewPipelineBuilder(unread, featurecontrol.NoopFlags{}, recorder).
			New(e.receivers, alone, inhibitor, silencer, e.intervener(), muted, e.told, nil)),
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
	parts.Go(func() { silences.Maintenance(forgetting, "", stop, nil) })
	parts.Go(func() { e.told.Maintenance(tendEvery, "", stop, func() (int64, error) { return 0, e.tend(silences) }) })
	defer parts.Wait()
	defer close(stop)
	close(e.begun)
	select {
	case <-e.fed:
	case <-ctx.Done():
		return nil
	}
	parts.Go(inhibitor.Run)
	inhibitor.WaitForLoading()
	parts.Go(func() { dispatcher.Run(time.Now()) })
	dispatcher.WaitForLoading()

	<-ctx.Done()
	dispatcher.Stop()
	inhibitor.Stop()
	return nil
}

// recall makes the parts that remember, gives them what the journal has, and lets
// them tell it what is new, as if it were a peer.
func (e *embedded) recall(unread prometheus.Registerer) (silences *silence.Silences, err error) {
	if e.told, err = nflog.New(nflog.Options{Retention: retention, Logger: e.Log, Metrics: unread}); err != nil {
		return nil, fmt.Errorf("make a log of notifications: %w", err)
	}
	if silences, err = silence.New(silence.Options{Retention: retention, Logger: e.Log, Metrics: unread}); err != nil {
		return nil, fmt.Errorf("make a place for silences: %w", err)
	}
	keptSilences, keptTold := e.Journal.read()
	for _, s := range keptSilences {
		err = errors.Join(err, silences.Merge(s))
	}
	for _, t := range keptTold {
		err = errors.Join(err, e.told.Merge(t))
	}
	if err != nil {
		return nil, fmt.Errorf("read silences and who was told what: %w", err)
	}
	silences.SetBroadcast(func(b []byte) { e.Journal.keep(note{Silences: [][]byte{b}}) })
	e.told.SetBroadcast(func(b []byte) { e.Journal.keep(note{Told: [][]byte{b}}) })
	return silences, nil
}

func (e *embedded) tend(silences *silence.Silences) error {
	_, err := e.told.GC()
	e.Journal.tend(func() (s, t []byte, err error) {
		if s, err = silences.MarshalBinary(); err != nil {
			return nil, nil, err
		}
		t, err = e.told.MarshalBinary()
		return s, t, err
	})
	return err
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

// alone is how long to wait for other Alertmanagers that could tell first: there are none.
func alone() time.Duration { return 0 }

// patience is how long a receiver may take: until the group's next turn.
func patience(interval time.Duration) time.Duration { return max(interval, notify.MinTimeout) }
