package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// Test tells one receiver of the Alertmanager file about an alert that is none, that
// it fires and that it is over, and returns what failed. It needs nothing that runs,
// and remembers nothing.
func Test(ctx context.Context, o Options, receiver string) error {
	if o.Alertmanager == "" {
		return errors.New("test notifications: the configuration names no Alertmanager file (notify.alertmanager), so there are no receivers of ours")
	}
	n, err := Open(o)
	if err != nil {
		return err
	}
	e, ours := n.to.(*embedded)
	if !ours {
		return errors.New("test notifications: external Alertmanagers notify; test their receivers with amtool")
	}
	integrations, known := e.receivers[receiver]
	switch {
	case !known:
		return fmt.Errorf("test notifications: there is no receiver %q; there are %s", receiver, strings.Join(slices.Sorted(maps.Keys(e.receivers)), ", "))
	case len(integrations) == 0:
		return fmt.Errorf("test notifications: receiver %s tells nobody; it has no integration", receiver)
	}
	for i := range integrations {
		err = errors.Join(err, try(ctx, &integrations[i], receiver, e.ExternalURL))
	}
	return err
}

// try tells one integration that a test fires and, if it wants to hear it, has ended.
func try(ctx context.Context, to *notify.Integration, receiver, link string) error {
	now := time.Now()
	one := alert.Alert{UpdatedAt: now, Alert: model.Alert{
		Labels: model.LabelSet{"alertname": "TidemarkTest", "severity": "info"},
		Annotations: model.LabelSet{
			"summary":       "This is a test of receiver " + model.LabelValue(receiver),
			"description":   "Somebody ran `tidemark notify test`. Nothing is wrong.",
			"runbook_url":   model.LabelValue(link + "/runbooks/TidemarkWatchdog"),
			"dashboard_url": model.LabelValue(link + "/alerts"),
		},
		StartsAt: now.Add(-time.Minute), GeneratorURL: link + "/alerts",
	}}
	ctx = notify.WithNow(ctx, now)
	ctx = notify.WithReceiverName(ctx, receiver)
	ctx = notify.WithGroupKey(ctx, fmt.Sprintf("tidemark test %d", now.UnixNano()))
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{"alertname": "TidemarkTest"})
	ctx = notify.WithRepeatInterval(ctx, time.Hour)
	if _, err := to.Notify(ctx, &one); err != nil {
		return fmt.Errorf("tell %s of receiver %s: %w", to.Name(), receiver, err)
	}
	if !to.SendResolved() {
		return nil
	}
	over := one
	over.EndsAt = now
	if _, err := to.Notify(ctx, &over); err != nil {
		return fmt.Errorf("tell %s of receiver %s that it is over: %w", to.Name(), receiver, err)
	}
	return nil
}
