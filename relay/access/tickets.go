package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aetherlink/tidemark/relay"
)

// ticketLife is how long a ticket is good for: a page fetches it and connects. An
// address ends up in logs, where it shall be of no use.
const ticketLife = 30 * time.Second

// errTicket does not say what is wrong: who guesses shall learn nothing.
var errTicket = errors.New("the ticket is not valid, or was used; fetch another")

// tickets signs tickets, and takes each once. What was used is remembered by the
// replica that took it: another one with the same secret would take it again, for
// as long as it is good.
type tickets struct {
	secret []byte

	mu   sync.Mutex
	used map[string]time.Time // until when the ticket would have been good
}

func newTickets(secret []byte) (*tickets, error) {
	if len(secret) == 0 {
		secret = make([]byte, sha256.Size)
		_, _ = rand.Read(secret) // never fails
	}
	if len(secret) < sha256.Size {
		return nil, fmt.Errorf("access: the secret for tickets has %d bytes; %d are needed", len(secret), sha256.Size)
	}
	return &tickets{secret: secret, used: map[string]time.Time{}}, nil
}

// ticket is what a ticket says.
type ticket struct {
	ID      string        `json:"id"`
	GoodFor time.Time     `json:"good"`
	Visitor relay.Visitor `json:"visitor"`
}

func (t *tickets) issue(who relay.Visitor, now time.Time) string {
	text, _ := json.Marshal(ticket{rand.Text(), now.Add(ticketLife), who}) // texts and times
	body := base64.RawURLEncoding.EncodeToString(text)
	return body + "." + t.sign(body)
}

func (t *tickets) sign(body string) string {
	mac := hmac.New(sha256.New, t.secret)
	mac.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// take says whose ticket it is, once.
func (t *tickets) take(text string, now time.Time) (relay.Visitor, error) {
	body, signature, _ := strings.Cut(text, ".")
	if !hmac.Equal([]byte(signature), []byte(t.sign(body))) {
		return relay.Visitor{}, errTicket
	}
	var what ticket
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &what) != nil || now.After(what.GoodFor) {
		return relay.Visitor{}, errTicket
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.used, func(_ string, good time.Time) bool { return now.After(good) })
	if _, used := t.used[what.ID]; used {
		return relay.Visitor{}, errTicket
	}
	t.used[what.ID] = what.GoodFor
	return what.Visitor, nil
}

// ServeHTTP answers a POST with a token by {"ticket":…,"seconds":30}.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	who, err := g.byToken(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	answer := map[string]any{"ticket": g.tickets.issue(who, time.Now()), "seconds": int(ticketLife.Seconds())}
	_ = json.NewEncoder(w).Encode(answer) // a client that left needs no answer
}
