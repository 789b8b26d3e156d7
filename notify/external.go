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

// external is any number of Alertmanagers elsewhere. Each is told everything: they
// agree among themselves who notifies.
type external struct {
	all []*remote
}

func openExternal(o Options, outcomes *prometheus.CounterVec) (*external, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.Dial != nil {
		transport.DialContext = o.Dial
	}
	e := &external{}
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
			log: o.Log.With("alertmanager", base.Host), outcomes: outcomes,
			untold: map[model.Fingerprint]*model.Alert{}, news: make(chan struct{}, 1),
		})
	}
	return e, nil
}

func (e *external) accept(_ context.Context, alerts []*model.Alert) {
	for _, r := range e.all {
		r.accept(alerts)
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
		all.Go(func() { r.run(ctx) })
	}
	all.Wait()
	return nil
}

// remote is one Alertmanager elsewhere, and what it was not told yet.
type remote struct {
	base     *url.URL
	client   *http.Client
	log      *slog.Logger
	outcomes *prometheus.CounterVec
	news     chan struct{} // holds one token while there may be something untold

	mu     sync.Mutex
	untold map[model.Fingerprint]*model.Alert // the newest state of each alert
}

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

// run tells what is untold whenever there is news. What could not be told waits
// for the next news, which come with each look while anything is active.
func (r *remote) run(ctx context.Context) {
	reachable := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.news:
		}
		err := r.tell(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && reachable:
			r.log.Warn("alerts are not delivered", "err", err)
		case err == nil && !reachable:
			r.log.Info("alerts are delivered again")
		}
		reachable = err == nil
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
	}
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
