package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
)

// plan answers what would be, if.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	m, name := s.now.Load(), Name{r.PathValue("cluster"), r.PathValue("group")}
	if _, found := m.at[name]; !found {
		noSuchGroup(w, name)
		return
	}
	wish, err := wishOf(r.URL.Query())
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	s.reply(w, r, m, func() any {
		p := m.load(name).plan(wish)
		p.Object = m.object("Plan")
		return p
	})
}

// load is what a group has to do and what it does it with.
type load struct {
	name     Name
	estimate tidemark.Estimate
	topics   []string
	demand   capacity.Demand
	target   tidemark.Target
	service  string // what the group's consumers are probably called where they run
	broker   string
}

// load collects what planning starts from. What is caught up has nothing to clear away.
func (m *moment) load(name Name) load {
	o, _ := m.view.Observation(name.Cluster)
	e, found := o.Estimate(name.Group)
	if !found {
		g, _ := o.Snapshot.Group(name.Group)
		e = tidemark.Estimate{State: tidemark.Unknown, Because: "nothing has been estimated yet", Lag: o.Snapshot.Total(g)}
	}
	l := load{name: name, estimate: e, broker: "localhost:9092"}
	l.demand = capacity.Demand{Arrivals: e.Arrivals.PerSecond, Backlog: float64(e.Lag.Records)}
	if e.State == tidemark.Idle || e.State == tidemark.CaughtUp {
		l.demand.Backlog = 0
	}
	for _, p := range o.Snapshot.Of(name.Group) {
		l.topics = append(l.topics, p.Topic)
	}
	l.topics = slices.Compact(l.topics) // they are sorted
	if len(o.Snapshot.Brokers) > 0 {
		l.broker = o.Snapshot.Brokers[0].Address
	}
	watched := m.pipeline(name)
	l.service = cmp.Or(watched.Scrape.Job, watched.Name, name.Group)
	l.target = capacity.WithDefaults(watched.Target)
	return l
}

// unknown says why nothing can be planned, or is empty.
func (l load) unknown() string {
	switch {
	case !l.estimate.Lag.Complete:
		return "not all of the group's lag was seen"
	case !l.estimate.Arrivals.Known:
		return "what arrives is not known yet"
	case !l.estimate.ReplicaCapacity.Known || l.estimate.ReplicaCapacity.PerSecond <= 0:
		return "what one replica can read is not known yet; it takes a replica at work"
	}
	return ""
}

// with is what so many replicas read together from so many evenly loaded
// partitions, and when they would be done. If the rates are too uncertain for a
// span of time, sure is false and the drain is that of the rates as they seem.
func (l load) with(replicas, partitions int) (together tidemark.Rate, drain tidemark.Drain, sure bool) {
	times := capacity.Speedup(partitions, replicas)
	together = l.estimate.ReplicaCapacity
	together.PerSecond *= times
	together.Error *= times
	arrivals := l.estimate.Arrivals
	arrivals.PerSecond = l.demand.Arrivals
	b := capacity.Backlog{Records: l.demand.Backlog, Arrivals: arrivals, Capacity: together}
	if drain = b.Drain(); drain.Known {
		return together, drain, true
	}
	b.Arrivals.Error, b.Capacity.Error = 0, 0
	return together, b.Drain(), false
}

// wish is what somebody would like to change. Zero leaves a thing as it is.
type wish struct {
	replicas, partitions int
	arrivals             func(now float64) float64 // in records per second; nil: as now
	target               time.Duration
}

// most is more replicas or partitions than any group has.
const most = 100_000

func wishOf(q url.Values) (w wish, err error) {
	count := func(name string) int {
		text := q.Get(name)
		n, wrong := strconv.Atoi(cmp.Or(text, "0"))
		if wrong != nil || n < 0 || n > most || text == "0" {
			err = errors.Join(err, fmt.Errorf("%s is %q; it must be a whole number from 1 to %d", name, text, most))
		}
		return n
	}
	w.replicas, w.partitions = count("replicas"), count("partitions")
	if text := q.Get("arrivals"); text != "" {
		factor, relative := strings.CutPrefix(text, "x")
		n, wrong := strconv.ParseFloat(factor, 64)
		if wrong != nil || !(n >= 0 && n <= 1e12) { // the negation refuses NaN too
			err = errors.Join(err, fmt.Errorf("arrivals is %q; it must be a rate per second, as 14.7, or a factor, as x2", text))
		}
		w.arrivals = func(now float64) float64 {
			if relative {
				return n * now
			}
			return n
		}
	}
	if text := q.Get("target"); text != "" {
		if w.target, _ = time.ParseDuration(text); w.target < time.Second {
			err = errors.Join(err, fmt.Errorf("target is %q; it must be a duration of a second or more, as 10m", text))
		}
	}
	return w, err
}

// plan says what comes of a wish. A wish without replicas gets as many as meet the
// target, and one without partitions as well as many as those need.
func (l load) plan(w wish) Plan {
	if w.arrivals != nil {
		l.demand.Arrivals = w.arrivals(l.demand.Arrivals)
	}
	other := w.arrivals != nil || cmp.Or(w.target, l.target.Drain) != l.target.Drain
	l.target.Drain = cmp.Or(w.target, l.target.Drain)
	p := Plan{
		Cluster: l.name.Cluster, Group: l.name.Group, Target: number(l.target.Drain.Seconds()), Utilisation: number(l.target.Utilisation),
		PartitionsNow: l.estimate.Lag.Partitions, ReplicasNow: number(l.estimate.Replicas.Have),
		Capacity: rateOf(l.estimate.ReplicaCapacity), Arrivals: when(l.estimate.Arrivals.Known, l.demand.Arrivals), Commands: []Command{},
	}
	if why := l.unknown(); why != "" {
		p.Replicas, p.Partitions = cmp.Or(w.replicas, l.estimate.Replicas.Have), cmp.Or(w.partitions, p.PartitionsNow)
		p.Text = "Nothing can be planned: " + why + "."
		return p
	}
	need := capacity.Need(l.demand, l.estimate.ReplicaCapacity.PerSecond, l.target)
	if l.estimate.Replicas.Known && !other {
		need = l.estimate.Replicas.Needed // which knows what arrived over a longer time
	}
	p.Needed, p.Backlog = number(need), number(l.demand.Backlog)
	p.Replicas, p.Partitions = w.size(need, p.PartitionsNow)
	together, drain, sure := l.with(p.Replicas, p.Partitions)
	p.Together, p.Net = number(together.PerSecond), number(together.PerSecond-l.demand.Arrivals)
	p.Drain = Drain{seconds(sure, drain.P10), seconds(drain.Known, drain.P50), seconds(sure, drain.P90)}
	p.Met = drain.Known && drain.P50 <= l.target.Drain
	p.Text = l.outcome(p, drain)
	if drain.Known && !sure {
		p.Text += " That is if the rates are what they seem; they are not known well yet."
	}
	p.Commands = l.commands(p)
	return p
}

// size is how many replicas and partitions a wish comes to.
func (w wish) size(need, partitionsNow int) (replicas, partitions int) {
	switch {
	case w.replicas == 0 && w.partitions == 0:
		return need, max(need, partitionsNow)
	case w.replicas == 0:
		return min(need, w.partitions), w.partitions
	case w.partitions == 0:
		return w.replicas, partitionsNow
	}
	return w.replicas, w.partitions
}

// outcome is the plan's result in a sentence or two.
func (l load) outcome(p Plan, d tidemark.Drain) string {
	var b strings.Builder
	if p.Replicas > p.Partitions {
		fmt.Fprintf(&b, "Only %d of %s can work, one for each partition. ", p.Partitions, many(p.Replicas, "replica"))
	}
	working, read := min(p.Replicas, p.Partitions), "read"
	if working == 1 {
		read = "reads"
	}
	fmt.Fprintf(&b, "%s on %s %s %s, and %s arrive", many(working, "replica"), many(p.Partitions, "partition"), read, perSecond(p.Together.Value), perSecond(l.demand.Arrivals))
	switch {
	case p.Net.Value <= 0 && l.demand.Backlog == 0:
		fmt.Fprintf(&b, ": they do not keep up, and fall behind by %s.", perSecond(0-p.Net.Value))
	case p.Net.Value <= 0:
		fmt.Fprintf(&b, ": the lag grows by %s and never drains.", perSecond(0-p.Net.Value))
	case l.demand.Backlog == 0:
		fmt.Fprintf(&b, ": they keep up, %.0f %% busy.", 100*l.demand.Arrivals/p.Together.Value)
	case p.Met:
		fmt.Fprintf(&b, ": clean in %s, within the target of %s.", span(d.P50), span(l.target.Drain))
	default:
		fmt.Fprintf(&b, ": clean in %s, later than the target of %s.", span(d.P50), span(l.target.Drain))
	}
	return b.String()
}

// commands are what to type for the plan, where the group's consumers may run.
// More partitions come first: a replica without one waits.
func (l load) commands(p Plan) []Command {
	commands := []Command{}
	if more := p.Partitions - p.PartitionsNow; more > 0 && len(l.topics) == 1 {
		topic := word(l.topics[0])
		commands = append(commands,
			Command{"rpk", fmt.Sprintf("rpk topic add-partitions %s --num %d", topic, more)},
			Command{"kafka-topics", fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --alter --topic %s --partitions %d", word(l.broker), topic, p.Partitions)},
		)
	}
	replicas := min(p.Replicas, p.Partitions)
	return append(commands,
		Command{"compose", fmt.Sprintf("docker compose up -d --no-recreate --scale %s=%d", word(l.service), replicas)},
		Command{"kubectl", fmt.Sprintf("kubectl scale deployment %s --replicas=%d", word(l.service), replicas)},
	)
}

var bareWord = regexp.MustCompile(`^[\w./:@%+=-]+$`)

// word writes text so that a shell takes it for one word and nothing else.
func word(text string) string {
	if bareWord.MatchString(text) && !strings.HasPrefix(text, "-") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
