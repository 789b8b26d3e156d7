package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

const (
	soonest = 5 * time.Second // after a failure, until the next try
	latest  = time.Minute     // likewise, after many
)

// external is any number of Alertmanagers elsewhere. Each is told everything: they
// agree among themselves who notifies.
type external struct {
	journal *Journal
	all     []*remote
}

func openExternal(o Options, outcomes *prometheus.CounterVec) (*external, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.Dial != nil {
		transport.DialContext = o.Dial
	}
	e := &external{journal: o.Journal}
	for _, text := range o.External {
		base, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("notify: external: %w", err)
		}
		if base.Host == "" || !slices.Contains([]string{"http", "https"}, base.Scheme) {
			return nil, fmt.Errorf("notify: external %q is no URL of an Alertmanager; write it as in http://alertmanager:9093", text)
		}
		e.all = append(e.all, &remote{
			base: base, client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
			log: o.Log.With("alertmanager", base.Host), outcomes: outcomes, journal: o.Journal,
			untold: map[model.Fingerprint]*model.Alert{}, news: make(chan struct{}, 1),
		})
	}
	return e, nil
}

func (e *external) accept(_ context.Context, active, over []*model.Alert) {
	for _, r := range e.all {
		e.journal.settle(r.name(), active)
		e.journal.owe(r.name(), over)
		r.accept(slices.Concat(active, over))
	}
}

func (e *external) handler() http.Handler {
	first := e.all[0]
	return &httputil.ReverseProxy{
		Transport: first.client.Transport,
		ErrorLog:  slog.NewLogLogger(first.log.Handler(), slog.LevelWarn),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(first.base)
			r.Out.Header.Del("Authorization") // what lets people in here is not theirs to see
			r.Out.Header.Del("Cookie")
		},
	}
}

func (e *external) run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, r := range e.all {
		r.accept(e.journal.owed(r.name()))
		all.Go(func() { r.run(ctx) })
	}
	defer all.Wait()
	tend := time.NewTicker(tendEvery)
	defer tend.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tend.C:
			e.journal.tend(func() (silences, told []byte, err error) { return nil, nil, errNotOurs })
		}
	}
}

// errNotOurs says that silences and the log are the external Alertmanager's: what the
// journal has of ours stays there for the day on which they are ours again.
var errNotOurs = errors.New("an external Alertmanager notifies")

// remote is one Alertmanager elsewhere, and what it was not told yet.
type remote struct {
	base     *url.URL
	client   *http.Client
	log      *slog.Logger
	outcomes *prometheus.CounterVec
	journal  *Journal
	news     chan struct{} // holds one token while there may be something untold

	mu     sync.Mutex
	untold map[model.Fingerprint]*model.Alert // the newest state of each alert
}

// name is what the journal calls it; it holds no secret.
func (r *remote) name() string { return r.base.Host + r.base.Path }

// accept takes the newest state of alerts. It is told at the next turn.
func (r *remote) accept(alerts []*model.Alert) {
	r.mu.Lock()
	for _, a := range alerts {
		r.untold[a.Fingerprint()] = a
	}
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// run tells what is untold whenever there is news, and again after a failure.
func (r *remote) run(ctx context.Context) {
	pause := time.Duration(0) // while it does not take what we say
	again := time.NewTimer(latest)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.news:
		case <-again.C:
		}
		err := r.tell(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if pause > 0 {
				r.log.Info("alerts are delivered again")
			}
			pause = 0
			continue
		case pause == 0:
			r.log.Warn("alerts are not delivered", "err", err)
		}
		pause = min(max(soonest, 2*pause), latest)
		again.Reset(pause)
	}
}

func (r *remote) tell(ctx context.Context) error {
	batch := r.take()
	if len(batch) == 0 {
		return nil // the news came while the last batch was put together, and went with it
	}
	again, err := r.post(ctx, batch)
	r.outcomes.WithLabelValues(r.base.Host, outcome(again, err)).Inc()
	if again {
		r.putBack(batch)
		return err
	}
	r.journal.settle(r.name(), slices.DeleteFunc(batch, func(a *model.Alert) bool { return !a.Resolved() }))
	return err
}

func (r *remote) take() []*model.Alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := make([]*model.Alert, 0, len(r.untold))
	for _, a := range r.untold {
		batch = append(batch, a)
	}
	clear(r.untold)
	return batch
}

// putBack keeps alerts for another try, except those of which there is news by now.
func (r *remote) putBack(batch []*model.Alert) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range batch {
		if _, newer := r.untold[a.Fingerprint()]; !newer {
			r.untold[a.Fingerprint()] = a
		}
	}
}

// post returns whether another try may succeed: not if what we say is refused.
func (r *remote) post(ctx context.Context, batch []*model.Alert) (again bool, err error) {
	body, err := json.Marshal(batch)
	if err != nil {
		return false, fmt.Errorf("write %d alerts as JSON: %w", len(batch), err)
	}
	to := r.base.JoinPath("api/v2/alerts")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("build a request to %s: %w", to.Redacted(), err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return true, err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		refused := response.StatusCode == http.StatusBadRequest
		return !refused, fmt.Errorf("post %d alerts to %s: %w", len(batch), to.Redacted(), errors.New(response.Status))
	}
	return false, nil
}
