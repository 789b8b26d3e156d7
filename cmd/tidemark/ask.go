package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/web"
)

// usualServer is where a tidemark runs if it runs on this machine.
const usualServer = "http://127.0.0.1:9308"

// usualInterval is between two looks of a running tidemark that was told nothing else.
const usualInterval = 15 * time.Second

// A rate needs three looks: two to see a commit advance, and one more to know how
// long it took. Together they give most consumers, which commit every 5 s, the time.
const (
	looks   = 3
	between = 3 * time.Second
)

// askFlags say whom a reading command asks: a running tidemark, or Kafka itself.
type askFlags struct {
	kafkaFlags
	server string
}

func (a *askFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&a.server, "server", "", "address of a running tidemark, or $TIDEMARK_SERVER (default: the one on this machine, if there is one)")
	a.kafkaFlags.bind(c.Flags())
}

// bindServer is for commands that only a running server can answer.
func (a *askFlags) bindServer(c *cobra.Command) {
	c.Flags().StringVar(&a.server, "server", "", "address of a running tidemark, or $TIDEMARK_SERVER (default "+usualServer+")")
}

// serverAddress is where a running tidemark is said to be.
func serverAddress(told string) string {
	address := strings.TrimSuffix(cmp.Or(told, os.Getenv("TIDEMARK_SERVER"), usualServer), "/")
	if !strings.Contains(address, "://") { // host:port, as people type it
		address = "http://" + address
	}
	return address
}

// oracle answers questions in the words of our API.
type oracle struct {
	base   string
	client *http.Client
	says   string // where the answers come from
	live   bool   // a later answer may differ
}

// connect finds a running tidemark.
func (a *askFlags) connect(c *cobra.Command) (oracle, error) {
	base := serverAddress(a.server)
	o := running(base)
	if err := o.reachable(c.Context()); err != nil {
		return oracle{}, fmt.Errorf("no tidemark answers at %s: %w", base, err)
	}
	return o, nil
}

// oracle is a running server when there is one; otherwise it looks at Kafka a
// few times and answers through the same pages.
func (a *askFlags) oracle(c *cobra.Command) (oracle, error) {
	named := a.server != "" || os.Getenv("TIDEMARK_SERVER") != ""
	if named || !c.Flags().Changed("kafka.server") {
		o, err := a.connect(c)
		if err == nil || named {
			return o, err
		}
	}
	return a.look(c)
}

// running is the tidemark at an address.
func running(base string) oracle {
	return oracle{base: base, client: http.DefaultClient, says: "from " + base, live: true}
}

func (o oracle) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return o.ask(ctx, "/view", nil, &web.Summary{})
}

// look sees the cluster a few times, which is what it takes to know a rate.
func (a *askFlags) look(c *cobra.Command) (oracle, error) {
	settings, collector, err := a.collector(c.Flags())
	if err != nil {
		return oracle{}, err
	}
	defer collector.Close()
	ends := lag.New(lag.Options{})
	model := capacity.New(capacity.Options{TimeLag: ends.TimeLag})
	observe := func() (tidemark.Observation, error) {
		snapshot, err := collector.Snapshot(c.Context())
		if err != nil {
			return tidemark.Observation{}, err
		}
		ends.Observe(snapshot)
		return tidemark.Observation{Cluster: settings.Name, Snapshot: snapshot, Estimates: model.Observe(snapshot)}, nil
	}
	var seen tidemark.Observation
	for i := range looks {
		if i > 0 {
			what := fmt.Sprintf("look %d of %d at %s, to know the rates", i+1, looks, strings.Join(settings.Brokers, ", "))
			if err := pause(c.Context(), c.ErrOrStderr(), between, what); err != nil {
				return oracle{}, err
			}
		}
		if seen, err = observe(); err != nil {
			return oracle{}, err
		}
	}
	pages, err := web.New(web.Options{Config: web.Config{Access: "read"}, Version: version, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return oracle{}, err
	}
	pages.Publish(&tidemark.View{At: time.Now(), Observations: []tidemark.Observation{seen}})
	return oracle{
		base: usualServer, client: &http.Client{Transport: inProcess{pages.Handler()}},
		says: fmt.Sprintf("from %s, looked at %d times; a running server knows more", strings.Join(settings.Brokers, ", "), looks),
	}, nil
}

// ask gets one answer of the API.
func (o oracle) ask(ctx context.Context, path string, query url.Values, into any) error {
	body, err := o.raw(ctx, path, query)
	if err != nil {
		return err
	}
	return o.read(path, body, into)
}

func (o oracle) raw(ctx context.Context, path string, query url.Values) ([]byte, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return o.call(ctx, http.MethodGet, path, "")
}

// call sends one request and returns the body of the answer. What acts needs the
// server's token.
func (o oracle) call(ctx context.Context, method, path, body string) ([]byte, error) {
	address := o.base + apiPath(path)
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token := os.Getenv("TIDEMARK_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := o.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer of %s: %w", address, err)
	case answer.StatusCode == http.StatusForbidden && request.Header.Get("Authorization") == "":
		return nil, fmt.Errorf("%s %s: %w\n  the server's token is read from $TIDEMARK_TOKEN", method, address, refusal(answer.StatusCode, text))
	case answer.StatusCode/100 != 2:
		return nil, fmt.Errorf("%s %s: %w", method, address, refusal(answer.StatusCode, text))
	}
	return text, nil
}

// act asks for a change, and reads the answer into a value.
func (o oracle) act(ctx context.Context, method, path string, wish, into any) error {
	body, err := json.Marshal(wish)
	if err != nil {
		return err
	}
	answer, err := o.call(ctx, method, path, string(body))
	if err != nil {
		return err
	}
	return o.read(path, answer, into)
}

// read makes of an answer what it is about.
func (o oracle) read(path string, answer []byte, into any) error {
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", o.base+apiPath(path), err)
	}
	return nil
}

// refusal is what an answer says that is no good one: in the form of RFC 9457, as
// Prometheus or Alertmanager say it, or not at all.
func refusal(status int, body []byte) error {
	var problem struct{ Title, Detail, Error string }
	if json.Unmarshal(body, &problem) == nil && problem.Title+problem.Error != "" {
		return errors.New(strings.TrimSpace(cmp.Or(problem.Title, problem.Error) + "\n  " + problem.Detail))
	}
	var plain string // Alertmanager's
	if json.Unmarshal(body, &plain) == nil && plain != "" {
		return errors.New(plain)
	}
	return fmt.Errorf("it answers %d %s", status, http.StatusText(status))
}

// inProcess carries requests to a handler of this process.
type inProcess struct{ handler http.Handler }

// RoundTrip answers one request.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	r.RemoteAddr = "127.0.0.1:1"
	r.Host = r.URL.Host
	w := &answer{header: http.Header{}, status: http.StatusOK}
	p.handler.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
