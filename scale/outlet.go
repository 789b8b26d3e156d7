package scale

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Open makes what changes sizes. Nil: nothing does.
func (o Outlet) Open() (Changer, error) {
	switch o.Kind {
	case "command":
		return command{o}, nil
	case "webhook":
		return o.openWebhook()
	}
	return nil, nil
}

func (o Outlet) validate() error {
	switch o.Kind {
	case "", "none":
		return nil
	case "command":
		if len(o.Command) == 0 || len(o.Size) == 0 {
			return errors.New("outlet: a command needs command, which changes the size, and size, which prints it; both are lists of a program and its arguments")
		}
		return nil
	case "webhook":
		u, err := url.Parse(o.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("outlet: url is %q; a webhook needs one as https://scaler.example/size is", o.URL)
		}
		if o.SecretFile == "" {
			return errors.New("outlet: secret_file is missing; the webhook could not tell our requests from others'")
		}
		return nil
	}
	return fmt.Errorf("outlet: kind is %q; it must be none, command or webhook", o.Kind)
}

// command runs programs, without a shell: a group's name is one argument, whatever
// characters it has.
type command struct{ Outlet }

// Size reads the number that a program prints.
func (c command) Size(ctx context.Context) (Size, error) {
	out, err := c.run(ctx, c.Outlet.Size, Order{})
	if err != nil {
		return Size{}, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || n < 0 {
		return Size{}, fmt.Errorf("run %s: it printed %.40q, which is no number of replicas", c.Outlet.Size[0], out)
	}
	return Size{Replicas: n, Ready: -1}, nil
}

// Change looks at the size once more, because a program takes no condition.
func (c command) Change(ctx context.Context, o Order) error {
	now, err := c.Size(ctx)
	switch {
	case err != nil:
		return err
	case now.Replicas == o.To:
		return nil // carried out by an earlier try
	case now.Replicas != o.From:
		return ErrConflict
	}
	_, err = c.run(ctx, c.Command, o)
	return err
}

func (c command) run(ctx context.Context, argv []string, o Order) (string, error) {
	fill := strings.NewReplacer("{replicas}", strconv.Itoa(o.To), "{from}", strconv.Itoa(o.From), "{group}", o.Group, "{order}", o.ID)
	args := make([]string, len(argv)-1)
	for i, a := range argv[1:] {
		args[i] = fill.Replace(a)
	}
	var out, errs bytes.Buffer
	run := exec.CommandContext(ctx, argv[0], args...)
	run.Stdout, run.Stderr = &out, &errs
	if err := run.Run(); err != nil {
		return "", fmt.Errorf("run %s: %w: %.200s", argv[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// webhook asks and tells a program of the operator's own over HTTP. GET answers
// {"replicas":2}; POST takes an order as JSON, signed, and may come twice with the
// same id. 409 says that the size is not what the order came from.
type webhook struct {
	Outlet
	secret []byte
	client *http.Client
}

func (o Outlet) openWebhook() (Changer, error) {
	secret, err := os.ReadFile(o.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("read the webhook's secret: %w", err)
	}
	return webhook{Outlet: o, secret: bytes.TrimSpace(secret), client: &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (h webhook) Size(ctx context.Context) (Size, error) {
	var size struct {
		Replicas *int `json:"replicas"`
		Ready    *int `json:"ready"`
		Rolling  bool `json:"rolling"`
		Version  string
	}
	if err := h.send(ctx, http.MethodGet, nil, "", &size); err != nil {
		return Size{}, err
	}
	if size.Replicas == nil || *size.Replicas < 0 {
		return Size{}, fmt.Errorf("ask %s: the answer has no replicas", h.URL)
	}
	ready := -1
	if size.Ready != nil {
		ready = *size.Ready
	}
	return Size{Replicas: *size.Replicas, Ready: ready, Rolling: size.Rolling, Version: size.Version}, nil
}

func (h webhook) Change(ctx context.Context, o Order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return h.send(ctx, http.MethodPost, body, o.ID, nil)
}

// send signs what it sends: the time and the body, with HMAC-SHA256.
func (h webhook) send(ctx context.Context, method string, body []byte, id string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, h.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, h.secret)
	fmt.Fprintf(mac, "%s.%s", at, body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", id)
	request.Header.Set("X-Tidemark-Time", at)
	request.Header.Set("X-Tidemark-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := h.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusConflict:
		return ErrConflict
	case answer.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s", strings.ToLower(method), h.URL, answer.Status)
	case into == nil:
		return nil
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, answer.Body, 64<<10)).Decode(into); err != nil {
		return fmt.Errorf("ask %s: %w", h.URL, err)
	}
	return nil
}
