package signin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aetherlink/tidemark/kafka/signin"
)

const tokenLife = 5 * time.Minute

// issuer gives tokens at http://localhost:8080/token and knows them again.
type issuer struct {
	mu     sync.Mutex
	given  map[string]time.Time // until when a token is good
	asked  int
	down   bool
	scopes string
}

// issue serves until the test ends.
func issue(t *testing.T, network *kfake.VirtualNetwork) *issuer {
	t.Helper()
	i := &issuer{given: map[string]time.Time{}}
	listener, err := network.Listen("tcp", "localhost:8080")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: i, ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { _ = server.Serve(listener); close(done) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	id, secret, by := r.BasicAuth()
	if !by { // the other way that RFC 6749 §2.3.1 has
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	w.Header().Set("Content-Type", "application/json")
	if i.down || id != "watcher" || secret != "hush" || r.FormValue("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s is wrong","secret":"%s"}`, secret, secret)
		return
	}
	i.scopes = r.FormValue("scope")
	token := fmt.Sprintf("token-%d", i.asked)
	i.given[token] = time.Now().Add(tokenLife)
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": tokenLife.Seconds()})
}

// good says until when a token that a client shows (RFC 7628 §3.1) is good.
func (i *issuer) good(shown []byte) ([]byte, time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, token, _ := strings.Cut(string(shown), "auth=Bearer ")
	token, _, _ = strings.Cut(token, "\x01")
	until := i.given[token]
	if !time.Now().Before(until) {
		return nil, time.Time{}, errors.New("no such token")
	}
	return nil, until, nil
}

func (i *issuer) set(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func byToken() signin.SASL {
	return signin.SASL{
		Mechanism: "oauthbearer", Username: "watcher", Password: "hush",
		OAuth: signin.OAuth{TokenURL: "http://localhost:8080/token", Scopes: []string{"kafka", "lag"}},
	}
}

func TestADayOfTokensThatLastFiveMinutesLosesNoLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		tokens := issue(t, &network)
		serve(t, door{mechanism: "OAUTHBEARER", admit: tokens.good}.behind(&network))
		client := connect(t, &network, signin.TLS{}, byToken())

		if failed := lookFor(t, client, 24*time.Hour); failed > 0 {
			t.Errorf("%d looks failed, want none", failed)
		}
		// A token is renewed at the first sign-in of its last minute, and a session
		// lives as long as its token: 288 at least, and 360 at most.
		if tokens.asked < 288 || tokens.asked > 360 {
			t.Errorf("%d tokens in a day, want 288 to 360", tokens.asked)
		}
		if tokens.scopes != "kafka lag" {
			t.Errorf("scopes are %q, want those of the configuration", tokens.scopes)
		}
	})
}

func TestNothingIsLostWhileNoTokensAreGivenAndTheOldOneIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		tokens := issue(t, &network)
		// Sessions of a minute: somebody signs in all the time.
		serve(t, door{mechanism: "OAUTHBEARER", admit: func(shown []byte) ([]byte, time.Time, error) {
			answer, _, err := tokens.good(shown)
			return answer, time.Now().Add(time.Minute), err
		}}.behind(&network))
		client := connect(t, &network, signin.TLS{}, byToken())

		failed := lookFor(t, client, 3*time.Minute)
		tokens.set(true)
		failed += lookFor(t, client, 90*time.Second)
		tokens.set(false)
		failed += lookFor(t, client, 10*time.Minute)
		if failed > 0 {
			t.Errorf("%d looks failed, want none", failed)
		}
	})
}

func TestATokenFileIsReadAtEachSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		good := "first"
		serve(t, door{mechanism: "OAUTHBEARER", admit: func(shown []byte) ([]byte, time.Time, error) {
			if !strings.Contains(string(shown), "auth=Bearer "+good+"\x01logicalCluster=lkc-1\x01") {
				return nil, time.Time{}, errors.New("another token is wanted")
			}
			return nil, time.Now().Add(time.Minute), nil
		}}.behind(&network))
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, "first\n")
		client := connect(t, &network, signin.TLS{}, signin.SASL{
			Mechanism: "oauthbearer", OAuth: signin.OAuth{TokenFile: file, Extensions: map[string]string{"logicalCluster": "lkc-1"}},
		})
		failed := lookFor(t, client, 2*time.Minute)
		good = "second"
		write(t, file, "second")
		if failed += lookFor(t, client, 2*time.Minute); failed > 0 {
			t.Errorf("%d looks failed, want none", failed)
		}
	})
}

func TestARefusedQuestionForATokenSaysWhyAndShowsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		tokens := issue(t, &network)
		serve(t, door{mechanism: "OAUTHBEARER", admit: tokens.good}.behind(&network))
		by := byToken()
		by.Password = "guess"
		err := look(t.Context(), connect(t, &network, signin.TLS{}, by))
		if err == nil || !strings.Contains(err.Error(), "401 Unauthorized invalid_client <secret> is wrong") || strings.Contains(err.Error(), "guess") {
			t.Errorf("error is %v, want one that says what the issuer said, without the secret", err)
		}
	})
}
