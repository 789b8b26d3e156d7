package notify_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/notify"
	"github.com/aetherlink/tidemark/test/race"
)

// The child of the next test: alerts come and go, and silences are made, until it is killed.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv("TIDEMARK_KILLED_DIR")
	if dir == "" {
		t.Skip("only for the test that kills it")
	}
	journal, err := notify.OpenJournal(dir, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	n, _ := start(t, notify.Options{Config: notify.Config{Alertmanager: filepath.Join(dir, "alertmanager.yml")}, Journal: journal})
	for i := range 1000 {
		name := fmt.Sprintf("%s-%d", os.Getenv("TIDEMARK_KILLED_RUN"), i)
		alert := firing("LagHigh", name, "warning")
		fmt.Println("FIRES", name)
		n.Send(t.Context(), []tidemark.Alert{alert})
		id, err := n.Silence(t.Context(), notify.Silence{Matchers: []string{`consumergroup="other"`}, By: "test", Reason: name, Ends: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("SILENCE", id)
		<-time.After(20 * time.Millisecond)
		n.Send(t.Context(), []tidemark.Alert{resolved(alert)})
		fmt.Println("ENDED", name)
	}
}

func TestKillsAtRandomMomentsLoseNoSilenceAndNoEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("so many processes take too long")
	}
	kills := 40
	if race.On() {
		kills = 10 // a process takes a second to begin
	}
	var mu sync.Mutex
	told := map[string]int{} // how often, by group and status
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m message
		_ = json.NewDecoder(r.Body).Decode(&m)
		mu.Lock()
		defer mu.Unlock()
		told[m.GroupLabels["consumergroup"]+" "+m.Status]++
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "alertmanager.yml"), fmt.Sprintf(`
route: {receiver: team, group_by: [consumergroup], group_wait: 1ms, group_interval: 10ms, repeat_interval: 4h}
receivers: [{name: team, webhook_configs: [{url: %q}]}]
`, server.URL))

	ended, silences := map[string]bool{}, map[string]bool{}
	for run := range kills {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledChild$", "-test.v")
		child.Env = append(os.Environ(), "TIDEMARK_KILLED_DIR="+dir, fmt.Sprint("TIDEMARK_KILLED_RUN=", run))
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last := 0, 3+rand.IntN(20)
		for in := bufio.NewScanner(out); in.Scan(); lines++ {
			what, name, _ := strings.Cut(in.Text(), " ")
			switch what {
			case "ENDED":
				ended[name] = true
			case "SILENCE":
				silences[name] = true
			}
			if lines == last {
				<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond)
				_ = child.Process.Kill()
			}
		}
		if err := child.Wait(); err == nil || lines < last {
			t.Fatalf("the child ended by itself after %d lines: %v", lines, err)
		}
	}

	server.Close() // has heard all of it
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // from the year 2000
		w := &world{t: t, said: make(chan message, 1000), dir: dir}
		w.serve(server.Listener.Addr().String(), w.hear())
		o := notify.Options{Config: notify.Config{Alertmanager: filepath.Join(dir, "alertmanager.yml")}}
		n, stop := w.run(o)
		n.Send(t.Context(), nil)
		all, err := n.Silences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			delete(silences, s.ID)
		}
		if len(silences) > 0 {
			t.Errorf("%d silences that were acknowledged are lost", len(silences))
		}
		t.Logf("%d kills, %d silences, %d alerts came and went", kills, len(all), len(ended))

		time.Sleep(time.Hour)
		stop()
		for _, m := range w.heardOf() {
			told[m]++
		}
		for name := range ended {
			if told[name+" firing"] > 0 && told[name+" resolved"] == 0 {
				t.Errorf("the end of %s is lost", name)
			}
		}
		n, stop = w.run(o)
		n.Send(t.Context(), nil)
		time.Sleep(time.Hour)
		stop()
		if again := w.heardOf(); len(again) > 0 {
			t.Errorf("told %v again after an hour without a kill", again)
		}
	})
}

func TestMutatedAlertmanagerFilesAreTakenOrRefusedWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	opened := 0
	name := file(t, team)
	for range 1000 {
		text := []byte(team)
		for range 1 + random.IntN(4) {
			at := random.IntN(len(text))
			switch random.IntN(3) {
			case 0:
				text[at] = byte(random.IntN(256))
			case 1:
				text = append(text[:at], text[min(len(text), at+1+random.IntN(20)):]...)
			default:
				text = append(text[:at], append([]byte(team[random.IntN(len(team)):])[:1], text[at:]...)...)
			}
		}
		write(t, name, string(text))
		n, err := notify.Open(notify.Options{Config: notify.Config{Alertmanager: name}})
		if (n == nil) == (err == nil) {
			t.Fatalf("open says %v and gives %v for\n%s", err, n, text)
		}
		if err == nil {
			opened++
		}
	}
	t.Logf("%d of 1000 were still good", opened)
}
