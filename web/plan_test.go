package web_test

import (
	"encoding/json"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/web"
)

// seed is the reference deployment in trouble: 10,000 records behind on 3
// partitions, 14.7/s arrive, its one replica reads 2.7/s, as fast as it can.
// Source: contracts.md 8.
func seed() (*tidemark.View, *tidemark.Estimate) {
	s := &tidemark.Snapshot{
		Cluster: "main", Began: noon, Ended: noon, Brokers: []tidemark.Broker{{ID: 0, Address: "kafka:9092", Up: true}},
		Groups: []tidemark.Group{{Name: "crm-events-sse", Type: "classic", Phase: "Stable", At: noon, Members: []tidemark.Member{
			{ID: "m-1", Client: "crm-events", Host: "/10.1.4.17", Assigned: []tidemark.Assignment{{Topic: "aetherlink.events", Partitions: []int32{0, 1, 2}}}},
		}}},
	}
	for id, lag := range []int64{3350, 3310, 3340} {
		s.Partitions = append(s.Partitions, tidemark.Partition{Group: "crm-events-sse", Topic: "aetherlink.events", ID: int32(id), Committed: 50, LogEnd: 50 + lag})
	}
	known := func(r float64) tidemark.Rate { return tidemark.Rate{PerSecond: r, Known: true} }
	v := &tidemark.View{
		At: noon,
		Observations: []tidemark.Observation{{Cluster: "main", Snapshot: s, Estimates: []tidemark.Estimate{{
			Cluster: "main", Group: "crm-events-sse", State: tidemark.Growing, Because: "grows by 12/s: 14.7/s arrive, 2.7/s are read",
			Lag: s.Total(s.Groups[0]), TimeLag: tidemark.TimeLag{Value: 11*time.Minute + 20*time.Second, Known: true},
			Arrivals: known(14.7), Consumption: known(2.7), ReplicaCapacity: known(2.7), Skew: 1.005,
			Replicas:   tidemark.Replicas{Have: 1, Needed: 12, Useful: 3, PartitionsNeeded: 12, Known: true},
			Partitions: make([]tidemark.PartitionEstimate, 3),
		}}}},
		Pipelines: []tidemark.Pipeline{{Name: "crm-events", Group: "crm-events-sse", Target: tidemark.Target{Drain: 10 * time.Minute, Utilisation: 1}}},
	}
	return v, &v.Observations[0].Estimates[0]
}

const crm = "/api/tidemark/v1/groups/main/crm-events-sse"

// planned asks for a plan of a view.
func planned(t *testing.T, v *tidemark.View, query string) (p web.Plan) {
	t.Helper()
	s := open(t, web.Options{})
	s.Publish(v)
	w := get(t, s, crm+"/plan?"+query)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlansOfTheReferenceDeployment(t *testing.T) {
	v, _ := seed()
	for query, want := range map[string]string{
		"":                          "12 replicas on 12 partitions read 32.4/s, and 14.7/s arrive: clean in 9m 25s, within the target of 10m.",
		"replicas=1":                "1 replica on 3 partitions reads 2.7/s, and 14.7/s arrive: the lag grows by 12/s and never drains.",
		"replicas=2":                "2 replicas on 3 partitions read 4.05/s, and 14.7/s arrive: the lag grows by 10.6/s and never drains.",
		"replicas=3":                "3 replicas on 3 partitions read 8.1/s, and 14.7/s arrive: the lag grows by 6.6/s and never drains.",
		"replicas=12":               "Only 3 of 12 replicas can work, one for each partition. 3 replicas on 3 partitions read 8.1/s, and 14.7/s arrive: the lag grows by 6.6/s and never drains.",
		"replicas=6&partitions=6":   "6 replicas on 6 partitions read 16.2/s, and 14.7/s arrive: clean in 1h 51m, later than the target of 10m.",
		"arrivals=0&replicas=3":     "3 replicas on 3 partitions read 8.1/s, and 0/s arrive: clean in 20m 35s, later than the target of 10m.",
		"arrivals=x2&target=1h":     "12 replicas on 12 partitions read 32.4/s, and 29.4/s arrive: clean in 55m 33s, within the target of 1h.",
		"partitions=6":              "6 replicas on 6 partitions read 16.2/s, and 14.7/s arrive: clean in 1h 51m, later than the target of 10m.",
		"replicas=12&partitions=24": "12 replicas on 24 partitions read 32.4/s, and 14.7/s arrive: clean in 9m 25s, within the target of 10m.",
	} {
		if got := planned(t, v, query).Text; got != want {
			t.Errorf("%s:\n got %s\nwant %s", query, got, want)
		}
	}
}

// TestNeedAndCapOfTheReferenceDeployment is contracts.md 8: with arrivals 12 are
// needed, without them 7, whatever the partitions allow.
func TestNeedAndCapOfTheReferenceDeployment(t *testing.T) {
	v, _ := seed()
	for query, want := range map[string]float64{"replicas=3": 12, "arrivals=0": 7, "arrivals=0&partitions=3": 7} {
		if got := planned(t, v, query).Needed; got != (web.Number{Value: want, Known: true}) {
			t.Errorf("%s: needed = %v, want %v", query, got, want)
		}
	}
}

func TestPlanSaysWhatToType(t *testing.T) {
	v, _ := seed()
	var got []string
	for _, c := range planned(t, v, "").Commands {
		got = append(got, c.Text)
	}
	want := []string{
		"rpk topic add-partitions aetherlink.events --num 9",
		"kafka-topics.sh --bootstrap-server kafka:9092 --alter --topic aetherlink.events --partitions 12",
		"docker compose up -d --no-recreate --scale crm-events=12",
		"kubectl scale deployment crm-events --replicas=12",
	}
	if got, want := strings.Join(got, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlanFromUncertainRatesSaysSo(t *testing.T) {
	v, e := seed()
	e.ReplicaCapacity.Error = 2
	p := planned(t, v, "replicas=12&partitions=12")
	if p.Drain.P10.Known || p.Drain.P90.Known || !p.Drain.P50.Known || !strings.Contains(p.Text, "not known well yet") {
		t.Errorf("12 replicas at 2.7 ± 2/s: %+v, want a drain without a span, and a warning", p)
	}
}

func TestHeadroomIsWhatTheReplicasCouldReadBesides(t *testing.T) {
	v, e := seed()
	for arrivals, want := range map[float64]float64{2.7: 2.0 / 3, 8.1: 0, 16.2: -1} {
		e.Replicas.Have, e.Arrivals.PerSecond = 3, arrivals
		s := open(t, web.Options{})
		s.Publish(v)
		got, _ := object(t, get(t, s, crm).Body.Bytes(), "group", "headroom").(float64)
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("3 replicas at 2.7/s with %v/s: headroom = %v, want %v", arrivals, got, want)
		}
	}
}

func TestNameOfAServiceIsNoCommandOfTheShell(t *testing.T) {
	v, _ := seed()
	v.Pipelines[0].Name = "crm; rm -rf '$HOME'"
	commands := planned(t, v, "replicas=2").Commands
	if got, want := commands[len(commands)-1].Text, `kubectl scale deployment 'crm; rm -rf '\''$HOME'\''' --replicas=2`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNothingIsPlannedFromWhatIsNotKnown(t *testing.T) {
	v, e := seed()
	e.ReplicaCapacity = tidemark.Rate{}
	p := planned(t, v, "replicas=3")
	if p.Needed.Known || p.Together.Known || p.Drain.P50.Known || p.Met || len(p.Commands) > 0 {
		t.Errorf("a plan without the capacity of a replica has numbers: %+v", p)
	}
	if want := "what one replica can read is not known yet"; !strings.Contains(p.Text, want) {
		t.Errorf("text = %q, want %q in it", p.Text, want)
	}
}

func TestWishThatCannotBeIsRefusedWithWhatToWrite(t *testing.T) {
	v, _ := seed()
	s := open(t, web.Options{})
	s.Publish(v)
	for query, want := range map[string]string{
		"replicas=0":     "replicas",
		"replicas=many":  "a whole number from 1",
		"partitions=-3":  "partitions",
		"arrivals=NaN":   "or a factor, as x2",
		"arrivals=x-1":   "or a factor, as x2",
		"target=0s":      "as 10m",
		"target=quickly": "as 10m",
	} {
		w := get(t, s, crm+"/plan?"+query)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want 400 with %q", query, w.Code, w.Body, want)
		}
	}
}

// TestExplanations holds what people read in trouble to testdata/explain: the
// states of the same group, one file each. TIDEMARK_UPDATE=1 writes them.
func TestExplanations(t *testing.T) {
	known := func(r float64) tidemark.Rate { return tidemark.Rate{PerSecond: r, Known: true} }
	for name, change := range map[string]func(*tidemark.View, *tidemark.Estimate){
		"growing": func(*tidemark.View, *tidemark.Estimate) {},
		"growing-with-reserve": func(v *tidemark.View, e *tidemark.Estimate) {
			v.Pipelines, e.Replicas.Needed, e.Replicas.PartitionsNeeded, e.Skew = nil, 17, 17, 2.4
		},
		"draining": func(_ *tidemark.View, e *tidemark.Estimate) {
			e.State, e.Because = tidemark.Draining, "falls by 2.5/s: 0.2/s arrive, 2.7/s are read"
			e.Arrivals = known(0.2)
			e.Replicas.Needed = 7
			e.Drain = tidemark.Drain{P50: time.Hour + 6*time.Minute + 40*time.Second, Known: true}
		},
		"stopped": func(v *tidemark.View, e *tidemark.Estimate) {
			v.Observations[0].Snapshot.Groups[0].Members = nil
			e.State, e.Because, e.Consumption = tidemark.Stopped, "no members; 10,000 records wait; 14.7/s arrive", known(0)
			e.Replicas.Have, e.Replicas.Known = 0, false
		},
		"unknown": func(v *tidemark.View, e *tidemark.Estimate) {
			v.Observations[0].Snapshot.Partitions[1].Reason = tidemark.Unreachable
			s := v.Observations[0].Snapshot
			*e = tidemark.Estimate{Cluster: "main", Group: e.Group, State: tidemark.Unknown, Because: "1 of 3 partitions not seen, the first aetherlink.events/1: broker 0 unreachable", Lag: s.Total(s.Groups[0])}
		},
	} {
		v, e := seed()
		change(v, e)
		s := open(t, web.Options{})
		s.Publish(v)
		var detail web.GroupDetail
		if err := json.Unmarshal(get(t, s, crm).Body.Bytes(), &detail); err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/explain/"+name+".txt", detail.Explanation.Text())
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("TIDEMARK_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}
