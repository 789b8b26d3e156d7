package notify_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/notify"
)

const impatient = `
route: {receiver: team, group_by: [consumergroup], group_wait: 10s, group_interval: 1m, repeat_interval: 12h}
inhibit_rules: [{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [consumergroup]}]
receivers: [{name: team, webhook_configs: [{url: %q, http_config: {tls_config: {insecure_skip_verify: true}}}]}]
`

// outages are the ways in which a receiver is not there.
var outages = map[string]http.HandlerFunc{
	"answers 500":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	"answers 429":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
	"breaks the TLS talk": nil,
	"hangs": func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the other side goes
		<-r.Context().Done()
	},
}

func TestAReceiverDownForAnHourWithRestartsMissesNothing(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	for name, failing := range outages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t, said: make(chan message, 1000), dir: t.TempDir()}
				var down atomic.Bool
				config := notify.Config{Alertmanager: file(t, fmt.Sprintf(impatient, w.receive(certificate.TLS, &down, failing)))}
				outage(t, w, config, &down)
			})
		})
	}
}

// receive serves a webhook over TLS that is not there while down.
func (w *world) receive(config *tls.Config, down *atomic.Bool, failing http.HandlerFunc) (url string) {
	w.t.Helper()
	config = config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if down.Load() && failing == nil {
			return nil, tls.AlertError(40) // handshake_failure
		}
		return nil, nil
	}
	listener, err := w.net.Listen("tcp", "localhost:443")
	if err != nil {
		w.t.Fatal(err)
	}
	hear := w.hear()
	server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if down.Load() {
			failing(rw, r)
			return
		}
		hear(rw, r)
	})}
	server.SetKeepAlivesEnabled(false)
	go func() { _ = server.Serve(tls.NewListener(listener, config)) }()
	w.t.Cleanup(func() { _ = server.Close() })
	return "https://localhost:443/"
}

// outage is an hour without the receiver, with three restarts in it. Of the alerts one
// began before, one after, and two come and go meanwhile.
func outage(t *testing.T, w *world, config notify.Config, down *atomic.Bool) {
	t.Helper()
	before, stays := firing("LagHigh", "before", "warning"), firing("LagHigh", "stays", "warning")
	n, stop := w.run(notify.Options{Config: config})
	n.Send(t.Context(), []tidemark.Alert{before})
	time.Sleep(5 * time.Minute)
	if got, want := w.heardOf(), []string{"before firing"}; !slices.Equal(got, want) {
		t.Fatalf("told %v, want %v", got, want)
	}

	down.Store(true)
	comes := firing("LagHigh", "comes and goes", "warning")
	n.Send(t.Context(), []tidemark.Alert{before, comes})
	time.Sleep(10 * time.Minute)
	n.Send(t.Context(), []tidemark.Alert{resolved(before), comes})
	time.Sleep(time.Second) // and is killed before it can tell
	stop()
	n, stop = w.run(notify.Options{Config: config})
	n.Send(t.Context(), []tidemark.Alert{resolved(comes), stays})
	for range 2 {
		time.Sleep(20 * time.Minute)
		stop()
		n, stop = w.run(notify.Options{Config: config})
		n.Send(t.Context(), []tidemark.Alert{stays})
	}
	time.Sleep(10 * time.Minute)
	if told := w.heardOf(); len(told) > 0 {
		t.Fatalf("told %v while nobody was there", told)
	}
	down.Store(false)
	time.Sleep(2*time.Minute + 10*time.Second)
	if got, want := w.heardOf(), []string{"before resolved", "comes and goes resolved", "stays firing"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	for range 2 {
		stop()
		n, stop = w.run(notify.Options{Config: config})
		n.Send(t.Context(), []tidemark.Alert{stays})
		time.Sleep(10 * time.Minute)
	}
	stop()
	if again := w.heardOf(); len(again) > 0 {
		t.Errorf("told %v once more", again)
	}
}

// heardOf is what the webhook has got since it was asked last: groups and their states.
func (w *world) heardOf() (all []string) {
	for _, m := range w.heard() {
		all = append(all, m.GroupLabels["consumergroup"]+" "+m.Status)
	}
	slices.Sort(all)
	return all
}

func TestAnExternalAlertmanagerDownForAnHourHearsEveryEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.dir = t.TempDir()
		elsewhere := &alertmanager{active: map[string]bool{}}
		w.serve("localhost:9093", elsewhere)
		o := notify.Options{Config: notify.Config{External: []string{"http://localhost:9093/am"}}}
		lag := firing("LagHigh", "billing", "warning")
		n, stop := w.run(o)
		n.Send(t.Context(), []tidemark.Alert{lag})
		time.Sleep(time.Second)

		elsewhere.down.Store(true)
		n.Send(t.Context(), []tidemark.Alert{resolved(lag)})
		for range 3 { // with nothing new to say
			time.Sleep(20 * time.Minute)
			stop()
			n, stop = w.run(o)
			n.Send(t.Context(), nil)
		}
		elsewhere.down.Store(false)
		time.Sleep(time.Minute)
		if got := elsewhere.knows(); got["LagHigh"] {
			t.Errorf("it knows %v, want LagHigh to be over", got)
		}
		stop()
		told := elsewhere.posts.Load()
		_, stop = w.run(o)
		time.Sleep(time.Minute)
		stop()
		if got := elsewhere.posts.Load() - told; got != 0 {
			t.Errorf("told %d times more, want none", got)
		}
	})
}

func TestWhatIsInhibitedStaysSoOverARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.dir = t.TempDir()
		o := notify.Options{Config: notify.Config{Alertmanager: file(t, team)}}
		var alerts, stopped []tidemark.Alert
		for i := range 50 { // so many that a hasty dispatcher would have some without what inhibits them
			group := fmt.Sprint("group-", i)
			alerts = append(alerts, firing("LagHigh", group, "warning"))
			stopped = append(stopped, firing("Stopped", group, "critical"))
		}
		alerts = append(alerts, stopped...)
		for range 10 {
			n, stop := w.run(o)
			n.Send(t.Context(), alerts)
			time.Sleep(5 * time.Minute)
			stop()
		}
		told := map[string]int{}
		for _, m := range w.heard() {
			told[m.GroupLabels["consumergroup"]]++
			if len(m.Alerts) != 1 || m.Alerts[0].Labels["alertname"] != "Stopped" {
				t.Errorf("told %+v, want Stopped only", m)
			}
		}
		for _, a := range stopped {
			if got := told[a.Labels["consumergroup"]]; got != 1 {
				t.Errorf("told %s %d times, want once", a.Labels["consumergroup"], got)
			}
		}
	})
}

func TestAnEndIsToldAlsoWhenTheKillCameBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, said: make(chan message, 100), dir: t.TempDir()}
		hear := w.hear()
		var answers atomic.Bool
		w.serve("localhost:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			hear(rw, r)
			if !answers.Load() {
				<-r.Context().Done()
			}
		}))
		o := notify.Options{Config: notify.Config{Alertmanager: file(t, team)}}
		lag := firing("LagHigh", "billing", "warning")
		n, stop := w.run(o)
		n.Send(t.Context(), []tidemark.Alert{lag})
		time.Sleep(11 * time.Second)
		n.Send(t.Context(), []tidemark.Alert{resolved(lag)})
		killed := t.TempDir() // what a kill leaves: the disk as it is now
		if err := os.CopyFS(killed, os.DirFS(w.dir)); err != nil {
			t.Fatal(err)
		}
		stop()
		answers.Store(true)
		w.dir = killed
		n, stop = w.run(o)
		defer stop()
		n.Send(t.Context(), nil)
		time.Sleep(time.Hour)
		if got, want := w.heardOf(), []string{"billing firing", "billing resolved"}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}

func TestASilenceNeedsAReasonAndAnEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, stop := w.run(notify.Options{})
		defer stop()
		hour := time.Now().Add(time.Hour)
		for want, s := range map[string]notify.Silence{
			"silence everything": {Reason: "planned", By: "anna", Ends: hour},
			"no reason":          {Matchers: []string{`a="b"`}, By: "anna", Ends: hour},
			"no end":             {Matchers: []string{`a="b"`}, By: "anna", Reason: "planned"},
			"in the past":        {Matchers: []string{`a="b"`}, By: "anna", Reason: "planned", Ends: time.Now().Add(-time.Hour)},
			"matcher":            {Matchers: []string{`billing`}, By: "anna", Reason: "planned", Ends: hour},
		} {
			if _, err := n.Silence(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want one with %q", err, want)
			}
		}
		if err := n.Unsilence(t.Context(), "nobody's"); err == nil {
			t.Error("a silence that is not there could be ended")
		}
	})
}

func TestADrillsSilenceEndsWithItOrByItselfAlsoAfterACrash(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.dir = t.TempDir()
		o := notify.Options{Config: notify.Config{Alertmanager: file(t, team)}}
		n, stop := w.run(o)
		id, err := n.Silence(t.Context(), notify.Silence{
			Matchers: []string{`consumergroup="billing"`, `alertname=~".+"`}, By: "drill", Reason: "drill lag-and-recovery", Ends: time.Now().Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		stop()
		n, stop = w.run(o)
		all, err := n.Silences(t.Context())
		if err != nil || len(all) != 1 || all[0].ID != id || all[0].Reason != "drill lag-and-recovery" || all[0].Matchers[0] != `alertname=~".+"` && all[0].Matchers[1] != `alertname=~".+"` {
			t.Fatalf("silences = %+v (%v), want the drill's", all, err)
		}
		alert := firing("LagHigh", "billing", "warning")
		n.Send(t.Context(), []tidemark.Alert{alert})
		time.Sleep(30 * time.Minute)
		if told := w.heardOf(); len(told) > 0 {
			t.Errorf("told %v during the drill", told)
		}
		if err := n.Unsilence(t.Context(), id); err != nil {
			t.Error(err)
		}
		n.Send(t.Context(), []tidemark.Alert{alert})
		time.Sleep(2 * time.Minute)
		if got, want := w.heardOf(), []string{"billing firing"}; !slices.Equal(got, want) {
			t.Errorf("told %v after the drill, want %v", got, want)
		}
		if all, err := n.Silences(t.Context()); err != nil || len(all) > 0 {
			t.Errorf("silences = %+v (%v), want none", all, err)
		}
		stop()
	})
}

func TestTheWatchdogStopsWithinTwoMinutesOfAHang(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, stop := w.run(notify.Options{Config: notify.Config{Alertmanager: file(t, `
route: {receiver: watchdog, group_wait: 0s, group_interval: 30s, repeat_interval: 30s}
receivers: [{name: watchdog, webhook_configs: [{url: "http://localhost:80/", send_resolved: false}]}]
`)}})
		defer stop()
		alive := firing("TidemarkWatchdog", "", "info")
		for range 40 { // ten minutes
			n.Send(t.Context(), []tidemark.Alert{alive})
			time.Sleep(15 * time.Second)
		}
		if got := len(w.heard()); got < 9 || got > 21 {
			t.Errorf("told %d times in ten minutes, want once or twice a minute", got)
		}
		time.Sleep(2 * time.Minute) // nothing evaluates any more
		w.heard()
		time.Sleep(time.Hour)
		if told := w.heard(); len(told) > 0 {
			t.Errorf("told %+v although nothing is evaluated", told)
		}
	})
}
