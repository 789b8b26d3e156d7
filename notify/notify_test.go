package notify_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/notify"
)

func TestFiringAlertsArriveGroupedAndPendingOnesDoNot(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, stop := w.run(notify.Options{Config: notify.Config{Alertmanager: file(t, team)}})
		defer stop()
		pending := firing("Soon", "billing", "warning")
		pending.State, pending.FiredAt = tidemark.AlertPending, time.Time{}
		n.Send(t.Context(), []tidemark.Alert{
			firing("LagHigh", "billing", "warning"), firing("TimeLagHigh", "billing", "warning"),
			firing("LagHigh", "shipping", "warning"), pending,
		})
		time.Sleep(11 * time.Second)

		got := map[string][]string{}
		for _, m := range w.heard() {
			for _, a := range m.Alerts {
				got[m.GroupLabels["consumergroup"]] = append(got[m.GroupLabels["consumergroup"]], a.Labels["alertname"])
				if want := "http://tidemark:9308/alerts"; a.GeneratorURL != want || a.Status != "firing" {
					t.Errorf("alert = %+v, want it firing with a link to %s", a, want)
				}
			}
		}
		for group, want := range map[string][]string{"billing": {"LagHigh", "TimeLagHigh"}, "shipping": {"LagHigh"}} {
			if slices.Sort(got[group]); !slices.Equal(got[group], want) {
				t.Errorf("told about %s: %v, want %v", group, got[group], want)
			}
		}
	})
}

func TestTheEndOfAnAlertArrives(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, stop := w.run(notify.Options{Config: notify.Config{Alertmanager: file(t, team)}})
		defer stop()
		alert := firing("LagHigh", "billing", "warning")
		n.Send(t.Context(), []tidemark.Alert{alert})
		time.Sleep(30 * time.Second)
		n.Send(t.Context(), []tidemark.Alert{resolved(alert)})
		time.Sleep(time.Minute)
		if got, want := statuses(w.heard()), []string{"firing", "resolved"}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}

func TestAnAlertDoesNotEndBecauseNothingIsHeardOfIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, stop := w.run(notify.Options{Config: notify.Config{Alertmanager: file(t, team)}})
		defer stop()
		alert := firing("LagHigh", "billing", "warning")
		alert.DataMissingSince = time.Now()
		for range 6 { // the process hangs for 50 minutes at a time: 5 hours
			n.Send(t.Context(), []tidemark.Alert{alert})
			time.Sleep(50 * time.Minute)
		}
		if got, want := statuses(w.heard()), []string{"firing", "firing"}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v: at once and repeated after 4 hours", got, want)
		}
		if got, want := w.active(n), []string{"LagHigh"}; !slices.Equal(got, want) {
			t.Errorf("active = %v, want %v", got, want)
		}
	})
}

func TestARestartTellsNobodyAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := notify.Options{Config: notify.Config{Alertmanager: file(t, team)}}
		w.dir = t.TempDir()
		alert := firing("LagHigh", "billing", "warning")
		for range 3 {
			n, stop := w.run(o)
			n.Send(t.Context(), []tidemark.Alert{alert})
			time.Sleep(5 * time.Minute)
			stop()
		}
		if got, want := statuses(w.heard()), []string{"firing"}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}

func TestASilenceSilencesAlsoAfterARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		o := notify.Options{Config: notify.Config{Alertmanager: file(t, team)}}
		w.dir = t.TempDir()
		n, stop := w.run(o)
		w.call(n, http.MethodPost, "/api/v2/silences", fmt.Sprintf(
			`{"matchers": [{"name": "consumergroup", "value": "billing", "isRegex": false}],
			  "startsAt": %q, "endsAt": %q, "createdBy": "anna", "comment": "planned"}`,
			time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339)), nil)
		for range 2 {
			n.Send(t.Context(), []tidemark.Alert{firing("LagHigh", "billing", "warning"), firing("LagHigh", "shipping", "warning")})
			time.Sleep(time.Minute)
			stop()
			n, stop = w.run(o)
		}
		stop()
		for _, m := range w.heard() {
			if m.GroupLabels["consumergroup"] == "billing" {
				t.Errorf("told %+v, though it is silenced", m)
			}
		}
	})
}

func TestACriticalAlertSilencesTheWarningBesideIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, stop := w.run(notify.Options{Config: notify.Config{Alertmanager: file(t, team)}})
		defer stop()
		n.Send(t.Context(), []tidemark.Alert{firing("LagHigh", "billing", "warning"), firing("Stopped", "billing", "critical")})
		time.Sleep(time.Minute)
		for _, m := range w.heard() {
			if len(m.Alerts) != 1 || m.Alerts[0].Labels["alertname"] != "Stopped" {
				t.Errorf("told %+v, want Stopped only", m.Alerts)
			}
		}
	})
}

func TestWithoutConfigurationAlertsAreSeenAndNobodyIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, stop := w.run(notify.Options{})
		defer stop()
		n.Send(t.Context(), []tidemark.Alert{firing("LagHigh", "billing", "warning")})
		time.Sleep(time.Minute)
		if got, want := w.active(n), []string{"LagHigh"}; !slices.Equal(got, want) {
			t.Errorf("active = %v, want %v", got, want)
		}
		if told := w.heard(); len(told) > 0 {
			t.Errorf("told %+v, want nothing", told)
		}
	})
}

func TestNotificationsAreCountedAcrossReloads(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		registry := prometheus.NewRegistry()
		for _, group := range []string{"billing", "shipping"} {
			n, stop := w.run(notify.Options{Config: notify.Config{Alertmanager: file(t, team)}, Registerer: registry})
			n.Send(t.Context(), []tidemark.Alert{firing("LagHigh", group, "warning")})
			time.Sleep(time.Minute)
			stop()
		}
		err := testutil.GatherAndCompare(registry, strings.NewReader(`
			# HELP tidemark_notifications_total Attempts to notify, by receiver and outcome: delivered, retried or failed.
			# TYPE tidemark_notifications_total counter
			tidemark_notifications_total{outcome="delivered",receiver="team"} 2
		`))
		if err != nil {
			t.Error(err)
		}
	})
}

func TestABadConfigurationSaysWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		config notify.Config
		want   string
	}{
		"missing file":     {notify.Config{Alertmanager: "nowhere.yml"}, "nowhere.yml: no such file"},
		"unknown receiver": {notify.Config{Alertmanager: file(t, "route: {receiver: x}\nreceivers: [{name: y}]")}, `undefined receiver "x"`},
		"unknown field":    {notify.Config{Alertmanager: file(t, "rout: {receiver: x}")}, "rout"},
		"bad template":     {notify.Config{Alertmanager: file(t, team+"templates: ["+file(t, "{{ define")+"]")}, "read the templates"},
		"both":             {notify.Config{Alertmanager: file(t, team), External: []string{"http://am:9093"}}, "both alertmanager and external"},
		"no URL":           {notify.Config{External: []string{"am:9093"}}, "http://alertmanager:9093"},
	} {
		if err := test.config.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
}

func statuses(all []message) []string {
	var s []string
	for _, m := range all {
		s = append(s, m.Status)
	}
	return s
}
