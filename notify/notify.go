// Package notify brings alerts to people: it groups, routes, silences, inhibits and
// repeats them as a standard alertmanager.yml says, or hands them to Alertmanagers
// that somebody else runs.
//
// It hides Alertmanager, whose parts do the work in this process, and what it
// remembers over a restart: silences, and who was told what. It never decides
// that something is an alert or has ended; an alert of which it hears nothing new
// stays as it is.
//
// May change until version 1.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/aetherlink/tidemark"
)

// Config says who is told. With neither field alerts can be seen and silenced,
// and nobody is told.
type Config struct {
	Alertmanager string   `yaml:"alertmanager"` // file in Alertmanager's own format
	External     []string `yaml:"external"`     // instead: URLs of Alertmanagers, as http://alertmanager:9093
}

// Validate says what is wrong, also inside the Alertmanager file and the templates it names.
func (c Config) Validate() error {
	_, err := Open(Options{Config: c})
	return err
}

// Options is a [Config] and what it takes to follow it.
type Options struct {
	Config
	Journal     *Journal // keeps what must outlive a reload or a crash; nil: one that lasts as long as the notifier
	ExternalURL string   // how people reach our pages: links in notifications lead there
	// Dial opens connections to receivers and external Alertmanagers; nil: the network.
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	Log        *slog.Logger          // nil: no lines
	Registerer prometheus.Registerer // for tidemark_notifications_total; nil: nobody reads it
}

// hold is how long an alert stays active without being sent again. Whoever waits
// for an end must not take our silence for one, so it is longer than any pause of
// this process that is not a stop. It is not endless: after a stop, an external
// Alertmanager should let go one day.
const hold = time.Hour

// The watchdog always fires. Whoever receives it notices when it stops, so it may not
// outlive us: it ends when nothing was heard for watchdogHold, or for three of the
// pauses between what is heard.
const (
	watchdog     = "TidemarkWatchdog"
	watchdogHold = 2 * time.Minute
)

// destination is where alerts go: the Alertmanager in this process or external ones.
type destination interface {
	accept(ctx context.Context, active, over []*model.Alert)
	handler() http.Handler
	run(ctx context.Context) error
}

// Notifier brings alerts to people while its Run runs.
type Notifier struct {
	to   destination
	link string
	last time.Time // of Send
}

// Open reads the configuration and everything that it names, and starts nothing.
func Open(o Options) (*Notifier, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{link: strings.TrimSuffix(o.ExternalURL, "/") + "/alerts"}
	if o.Journal == nil {
		var err error
		if o.Journal, err = OpenJournal("", o.Log); err != nil {
			return nil, err
		}
	}
	outcomes, err := register(o.Registerer)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Alertmanager != "" && len(o.External) > 0:
		return nil, errors.New("notify: both alertmanager and external are set; with external Alertmanagers theirs is the file that counts, so take alertmanager out")
	case len(o.External) > 0:
		n.to, err = openExternal(o, outcomes)
	default:
		n.to, err = openEmbedded(o, outcomes)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Send tells the present state of alerts: of all that are active, each time, and
// of those that have ended. Pending ones are nobody's business yet. It returns once
// the ends are on the disk, after it has waited for Run to have begun. One caller at
// a time may use it.
func (n *Notifier) Send(ctx context.Context, alerts []tidemark.Alert) {
	now := time.Now()
	var active, over []*model.Alert
	for _, a := range alerts {
		if a.State == tidemark.AlertPending || a.FiredAt.IsZero() {
			continue
		}
		one := &model.Alert{
			Labels: labels(a.Labels), Annotations: labels(a.Annotations),
			StartsAt: a.FiredAt, EndsAt: now.Add(n.hold(a.Name, now)), GeneratorURL: n.link,
		}
		if a.State == tidemark.AlertResolved {
			one.EndsAt = a.ResolvedAt
			over = append(over, one)
		} else {
			active = append(active, one)
		}
	}
	n.last = now
	n.to.accept(ctx, active, over)
}

func (n *Notifier) hold(alert string, now time.Time) time.Duration {
	switch {
	case alert != watchdog:
		return hold
	case n.last.IsZero():
		return watchdogHold
	}
	return max(watchdogHold, 3*now.Sub(n.last))
}

// Handler serves Alertmanager's API below /api/v2: the embedded one's, or the first
// external one's, so that a silence is made where it counts.
func (n *Notifier) Handler() http.Handler { return n.to.handler() }

// Run notifies until ctx ends, and keeps what must outlive it. It can run once.
func (n *Notifier) Run(ctx context.Context) error { return n.to.run(ctx) }

func labels(from map[string]string) model.LabelSet {
	set := make(model.LabelSet, len(from))
	for name, value := range from {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	return set
}

// register returns the counter of notifications. After a reload it is the one that
// has counted so far.
func register(r prometheus.Registerer) (*prometheus.CounterVec, error) {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidemark_notifications_total",
		Help: "Attempts to notify, by receiver and outcome: delivered, retried or failed.",
	}, []string{"receiver", "outcome"})
	if r == nil {
		return outcomes, nil
	}
	err := r.Register(outcomes)
	if known, is := errors.AsType[prometheus.AlreadyRegisteredError](err); is {
		if counting, is := known.ExistingCollector.(*prometheus.CounterVec); is {
			return counting, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("register the counter of notifications: %w", err)
	}
	return outcomes, nil
}

// outcome is the word for what became of one attempt.
func outcome(again bool, err error) string {
	switch {
	case err == nil:
		return "delivered"
	case again:
		return "retried"
	default:
		return "failed"
	}
}
