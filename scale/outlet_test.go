package scale_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/scale"
)

func outlet(t *testing.T, o scale.Outlet) scale.Changer {
	t.Helper()
	c, err := o.Open()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACommandGetsANameAsOneArgumentWhateverIsInIt(t *testing.T) {
	dir := t.TempDir()
	size, told := filepath.Join(dir, "size"), filepath.Join(dir, "told")
	if err := os.WriteFile(size, []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "scale")
	text := "#!/bin/sh\nprintf '%s|' \"$@\" > " + told + "\necho \"$2\" > " + size + "\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil { //nolint:gosec // a script to run
		t.Fatal(err)
	}
	c := outlet(t, scale.Outlet{Kind: "command", Command: []string{script, "{group}", "{replicas}"}, Size: []string{"cat", size}})
	group := `a; touch /tmp/x $(id) "b" 'c'`
	order := scale.Order{ID: "1", Group: group, From: 2, To: 3}
	if err := c.Change(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	if want := group + "|3|"; string(got) != want {
		t.Errorf("arguments = %q, want %q", got, want)
	}
	if err := c.Change(t.Context(), order); err != nil {
		t.Errorf("the same order a second time: %v, want nothing to do", err)
	}
	if err := c.Change(t.Context(), scale.Order{From: 2, To: 4}); !errors.Is(err, scale.ErrConflict) {
		t.Errorf("an order from another size: %v, want %v", err, scale.ErrConflict)
	}
}

func TestACommandThatFailsOrPrintsNoNumberSaysSo(t *testing.T) {
	for _, c := range []struct {
		size []string
		want string
	}{
		{[]string{"echo", "many"}, "no number of replicas"},
		{[]string{"ls", "/does/not/exist"}, "run ls"},
	} {
		_, err := outlet(t, scale.Outlet{Kind: "command", Command: []string{"true"}, Size: c.size}).Size(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q in it", c.size, err, c.want)
		}
	}
}

func TestAWebhookIsSignedAndTheSameOrderHasTheSameID(t *testing.T) {
	replicas, ids := 2, map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha256.New, []byte("s3cret"))
		fmt.Fprintf(mac, "%s.%s", r.Header.Get("X-Tidemark-Time"), body)
		if got, want := r.Header.Get("X-Tidemark-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature = %s, want %s", got, want)
		}
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, `{"replicas":%d}`, replicas)
			return
		}
		var o scale.Order
		if err := json.Unmarshal(body, &o); err != nil {
			t.Error(err)
		}
		ids[r.Header.Get("Idempotency-Key")]++
		if o.From != replicas && o.To != replicas {
			w.WriteHeader(http.StatusConflict)
			return
		}
		replicas = o.To
	}))
	defer server.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := outlet(t, scale.Outlet{Kind: "webhook", URL: server.URL, SecretFile: secret})
	for range 2 {
		if err := c.Change(t.Context(), scale.Order{ID: "one", From: 2, To: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Change(t.Context(), scale.Order{ID: "two", From: 2, To: 5}); !errors.Is(err, scale.ErrConflict) {
		t.Errorf("late order: %v, want %v", err, scale.ErrConflict)
	}
	size, err := c.Size(t.Context())
	if err != nil || size.Replicas != 3 {
		t.Errorf("size = %+v, %v; want 3", size, err)
	}
	if ids["one"] != 2 || ids["two"] != 1 {
		t.Errorf("ids = %v", ids)
	}
}

func TestTheAPIShowsWhyAndRefusesWhatMakesNoSense(t *testing.T) {
	w := newWorld(t)
	log := slog.New(slog.DiscardHandler)
	journal, err := scale.OpenJournal(t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scale.New(scale.Options{Config: acting(), Journal: journal, Log: log, Changer: func(scale.Target) (scale.Changer, error) { return w, nil }})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), method, "/api/tidemark/v1/scale"+path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "", "", 200, `"target":"billing"`},
		{"GET", "/nobody", "", 404, "no such scale target: nobody"},
		{"POST", "/billing", `{"did":"paused","by":"kim","why":"deploy"}`, 200, `"paused":"kim: deploy"`},
		{"GET", "/billing", "", 200, `"did":"paused"`},
		{"POST", "/billing", `{"did":"paused"}`, 400, "by is missing"},
		{"POST", "/billing", `{"did":"approved","by":"kim","order":"x"}`, 400, "does not wait"},
		{"POST", "/billing", `{"did":"froze","by":"kim"}`, 400, "for all targets"},
		{"POST", "", `{"did":"exploded","by":"kim"}`, 400, "must be paused"},
		{"POST", "", `{"replicas":0}`, 400, "unknown field"},
	} {
		status, body := ask(c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %s = %d %s, want %d with %q", c.method, c.path, c.body, status, body, c.status, c.says)
		}
	}
}

func TestMistakesInTheConfigurationAreNamed(t *testing.T) {
	for want, change := range map[string]func(*scale.Config){
		"scale.mode":  func(c *scale.Config) { c.Mode = "always" },
		"max must be": func(c *scale.Config) { c.Targets[0].Max = 0 },
		"group is":    func(c *scale.Config) { c.Targets[0].Group = "" },
		"used twice":  func(c *scale.Config) { c.Targets = append(c.Targets, c.Targets[0]) },
		"kind is":     func(c *scale.Config) { c.Targets[0].Outlet.Kind = "magic" },
		"secret_file": func(c *scale.Config) { c.Targets[0].Outlet = scale.Outlet{Kind: "webhook", URL: "https://x/y"} },
		"to is":       func(c *scale.Config) { c.Freezes = []scale.Freeze{{When: scale.Window{From: "22:00", To: "6"}}} },
		"zone is": func(c *scale.Config) {
			c.Freezes = []scale.Freeze{{When: scale.Window{From: "22:00", To: "06:00", Zone: "Mars"}}}
		},
		"between 1 and": func(c *scale.Config) {
			c.Targets[0].Schedule = []scale.Prescale{{When: scale.Window{From: "08:00", To: "09:00"}, Min: 99}}
		},
		"days has": func(c *scale.Config) {
			c.Freezes = []scale.Freeze{{When: scale.Window{From: "22:00", To: "06:00", Days: []string{"friday"}}}}
		},
		"policy is":     func(c *scale.Config) { c.Targets[0].Policy = "keda" },
		"plain letters": func(c *scale.Config) { c.Targets[0].Name = "a/b" },
		"only is": func(c *scale.Config) {
			c.Freezes = []scale.Freeze{{When: scale.Window{From: "22:00", To: "06:00"}, Only: "up"}}
		},
		"lists of a prog": func(c *scale.Config) { c.Targets[0].Outlet.Kind = "command" },
	} {
		c := acting()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}
