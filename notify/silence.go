package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	amlabels "github.com/prometheus/alertmanager/pkg/labels"
)

// Silence keeps some alerts from being told for a while. They go on being evaluated
// and seen.
type Silence struct {
	ID       string   // given by us
	Matchers []string // all must match, as in alertmanager.yml: consumergroup="billing", alertname=~"Kafka.*"
	By       string   // who or what asked for it
	Reason   string
	Begins   time.Time // zero: now
	Ends     time.Time
}

// silenceBody is a silence in Alertmanager's API.
type silenceBody struct {
	ID       string            `json:"id,omitempty"`
	Matchers []matcher         `json:"matchers"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`
	By       string            `json:"createdBy"`
	Comment  string            `json:"comment"`
	Status   map[string]string `json:"status,omitempty"`
}

type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// Silence begins a silence and returns its id. It needs a matcher, a reason and an
// end in the future: one that nobody can explain or that never ends hides the next
// failure. When it returns, the silence is on the disk, here or at the external
// Alertmanager.
func (n *Notifier) Silence(ctx context.Context, s Silence) (id string, err error) {
	body := silenceBody{StartsAt: s.Begins, EndsAt: s.Ends, By: s.By, Comment: s.Reason}
	if s.Begins.IsZero() {
		body.StartsAt = time.Now()
	}
	switch {
	case len(s.Matchers) == 0:
		return "", errors.New(`silence: it would silence everything; say what, as in consumergroup="billing"`)
	case strings.TrimSpace(s.Reason) == "":
		return "", errors.New("silence: there is no reason; the next one on call will ask for it")
	case !s.Ends.After(body.StartsAt) || !s.Ends.After(time.Now()):
		return "", errors.New("silence: it has no end, or one in the past; say when it ends")
	}
	for _, text := range s.Matchers {
		m, err := amlabels.ParseMatcher(text)
		if err != nil {
			return "", fmt.Errorf("silence: matcher %q: %w", text, err)
		}
		body.Matchers = append(body.Matchers, matcher{
			Name: m.Name, Value: m.Value,
			IsRegex: m.Type == amlabels.MatchRegexp || m.Type == amlabels.MatchNotRegexp,
			IsEqual: m.Type == amlabels.MatchEqual || m.Type == amlabels.MatchRegexp,
		})
	}
	var made struct{ SilenceID string }
	if err := n.ask(ctx, http.MethodPost, "/api/v2/silences", body, &made); err != nil {
		return "", fmt.Errorf("silence: %w", err)
	}
	return made.SilenceID, nil
}

// Unsilence ends a silence before its time. That it has ended already is no error.
func (n *Notifier) Unsilence(ctx context.Context, id string) error {
	if err := n.ask(ctx, http.MethodDelete, "/api/v2/silence/"+url.PathEscape(id), nil, nil); err != nil {
		return fmt.Errorf("end silence %s: %w", id, err)
	}
	return nil
}

// Silences returns the silences that are active or will be, the one that ends next first.
func (n *Notifier) Silences(ctx context.Context) ([]Silence, error) {
	var bodies []silenceBody
	if err := n.ask(ctx, http.MethodGet, "/api/v2/silences", nil, &bodies); err != nil {
		return nil, fmt.Errorf("list silences: %w", err)
	}
	var all []Silence
	for _, b := range bodies {
		if b.Status["state"] == "expired" {
			continue
		}
		s := Silence{ID: b.ID, By: b.By, Reason: b.Comment, Begins: b.StartsAt, Ends: b.EndsAt}
		for _, m := range b.Matchers {
			s.Matchers = append(s.Matchers, m.String())
		}
		all = append(all, s)
	}
	return all, nil
}

func (m matcher) String() string {
	kind := map[[2]bool]string{{true, false}: "=", {false, false}: "!=", {true, true}: "=~", {false, true}: "!~"}[[2]bool{m.IsEqual, m.IsRegex}]
	return fmt.Sprintf("%s%s%q", m.Name, kind, m.Value)
}

// ask calls Alertmanager's API, the embedded one's or the external one's, where a
// silence counts. A call with a nil body sends none.
func (n *Notifier) ask(ctx context.Context, method, path string, body, into any) error {
	text := []byte{}
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	var got answer
	n.Handler().ServeHTTP(&got, request)
	if got.code >= http.StatusBadRequest {
		return fmt.Errorf("%s: %s", http.StatusText(got.code), strings.TrimSpace(got.body.String()))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(got.body.Bytes(), into)
}

// answer is what a handler says to us.
type answer struct {
	code   int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *answer) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
	}
}

func (a *answer) Write(text []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(text)
}
