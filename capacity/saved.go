package capacity

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/saved"
)

// The file of a model: what it is, and in which version it is written. A change of
// what is written is a new version, and load reads the old ones as well.
const (
	savedKind    = "tidemark capacity model"
	savedVersion = 1
)

// What a file may hold at most, so that no number in it makes room for nothing.
const (
	mostNames      = 1 << 21
	mostPartitions = 1 << 24
	longestName    = 1 << 15
)

// Save writes down what the model remembers: rates, what replicas can do, how true
// its drain times were. It is some 60 bytes a partition of a group.
func (m *Model) Save(to io.Writer) error {
	w := saved.NewWriter(to, savedKind, savedVersion)
	saveTime(w, m.began)
	w.Uint(uint64(m.looks))
	for _, gap := range m.gaps {
		w.Int(int64(gap))
	}
	w.Uint(uint64(len(m.topics)))
	for _, name := range slices.Sorted(maps.Keys(m.topics)) {
		w.Text(name)
		m.topics[name].save(w)
	}
	w.Uint(uint64(len(m.groups)))
	for _, name := range slices.Sorted(maps.Keys(m.groups)) {
		w.Text(name)
		m.groups[name].save(w)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("save what is known of groups: %w", err)
	}
	return nil
}

// Load takes up what Save wrote, instead of what the model remembers. Over the time
// that was not watched no rate is drawn, if it was longer than three looks; what
// replicas can do holds on. When the bytes are damaged, or of a newer version, it
// changes nothing.
func (m *Model) Load(from io.Reader) error {
	r, _, err := saved.NewReader(from, savedKind, savedVersion)
	if err != nil {
		return fmt.Errorf("load what is known of groups: %w", err)
	}
	was := Model{options: m.options, windows: m.windows, topics: map[string]*topic{}, groups: map[string]*group{}}
	was.began, was.looks = loadTime(r), int(r.Uint()%(1<<30))
	for i := range was.gaps {
		was.gaps[i] = time.Duration(r.Int())
	}
	for range r.Count(mostNames) {
		name := r.Text(longestName)
		was.topics[name] = loadTopic(r, m.windows)
	}
	for range r.Count(mostNames) {
		name := r.Text(longestName)
		was.groups[name] = loadGroup(r)
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("load what is known of groups: %w", err)
	}
	*m = was
	return nil
}

func saveTime(w *saved.Writer, t time.Time) {
	if t.IsZero() {
		w.Int(0)
		return
	}
	w.Int(t.UnixNano())
}

func loadTime(r *saved.Reader) time.Time {
	n := r.Int()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// save writes the moments, and how far each is from the one before.
func (s *strip) save(w *saved.Writer) {
	w.Uint(uint64(s.n))
	saveSteps(w, s.at[:s.n])
}

// loadStrip reads moments, which go forward. Those that do not are damage: rates
// over them would have no sense.
func loadStrip(r *saved.Reader) (s strip) {
	s.n = r.Count(slots)
	loadSteps(r, s.at[:s.n])
	for i := 1; i < s.n; i++ {
		if s.at[i] <= s.at[i-1] {
			r.Refuse()
		}
	}
	return s
}

func saveSteps(w *saved.Writer, values []int64) {
	before := int64(0)
	for _, v := range values {
		w.Int(v - before)
		before = v
	}
}

func loadSteps(r *saved.Reader, values []int64) {
	before := int64(0)
	for i := range values {
		before += r.Int()
		values[i] = before
	}
}

func (t *topic) save(w *saved.Writer) {
	w.Text(string(t.id[:]))
	saveTime(w, t.seen)
	w.Uint(uint64(len(t.logs)))
	for i := range t.logs {
		a := &t.logs[i]
		w.Int(int64(a.id))
		w.Int(int64(a.leader))
		a.strip.save(w)
		saveSteps(w, a.ends[:a.n])
	}
}

func loadTopic(r *saved.Reader, windows windows) *topic {
	t := &topic{}
	if copy(t.id[:], r.Text(len(t.id))) != len(t.id) {
		r.Refuse()
	}
	t.seen = loadTime(r)
	for range r.Count(mostPartitions) {
		a := arrivals{id: int32(r.Int()), leader: int32(r.Int()), strip: loadStrip(r), in: unseen()}
		loadSteps(r, a.ends[:a.n])
		if r.OK() {
			a.work(windows)
		}
		t.logs = append(t.logs, a)
	}
	return t
}

func (g *group) save(w *saved.Writer) {
	g.strip.save(w)
	saveTime(w, g.seen)
	w.Bool(g.empty)
	w.Uint(uint64(g.roster))
	w.Int(g.loner)
	w.Uint(uint64(len(g.spans)))
	for _, sp := range g.spans {
		w.Text(sp.topic)
		w.Uint(uint64(sp.to - sp.from))
		for i := sp.from; i < sp.to; i++ {
			g.partitions[i].save(w, g.n)
		}
	}
	g.service.save(w)
	g.drift.save(w)
	g.track.save(w)
	g.reach.save(w)
	g.season.save(w)
	w.Text(g.hot.now)
	w.Text(g.hot.past)
}

func loadGroup(r *saved.Reader) *group {
	g := &group{strip: loadStrip(r), seen: loadTime(r), empty: r.Bool(), roster: uint32(r.Uint()), loner: r.Int()}
	for range r.Count(mostNames) {
		sp := span{topic: r.Text(longestName), from: len(g.partitions)}
		for range r.Count(mostPartitions) {
			g.partitions = append(g.partitions, loadCommits(r, g.n))
		}
		sp.to = len(g.partitions)
		g.spans = append(g.spans, sp)
	}
	g.service, g.drift, g.track, g.reach, g.season = loadService(r), loadDrift(r), loadTrack(r), loadReach(r), loadSeason(r)
	g.hot = heat{now: r.Text(2 * longestName), past: r.Text(2 * longestName)}
	return g
}

func (c *commits) save(w *saved.Writer, n int) {
	w.Int(int64(c.id))
	saveSteps(w, c.at[:n])
	for _, age := range c.age[:n] {
		w.Uint(uint64(age))
	}
	w.Int(c.since)
	w.Uint(uint64(c.owner))
	w.Float(float64(c.period))
	w.Bool(c.doubted)
}

func loadCommits(r *saved.Reader, n int) commits {
	c := commits{id: int32(r.Int())}
	for i := range c.at {
		c.at[i] = tidemark.Unseen
	}
	loadSteps(r, c.at[:n])
	for i := range n {
		c.age[i] = uint8(r.Uint())
	}
	c.since, c.owner, c.period, c.doubted = r.Int(), uint32(r.Uint()), float32(max(0, r.Float())), r.Bool()
	return c
}

func saveRate(w *saved.Writer, rate tidemark.Rate) {
	w.Bool(rate.Known)
	w.Float(rate.PerSecond)
	w.Float(rate.Error)
}

func loadRate(r *saved.Reader) tidemark.Rate {
	rate := tidemark.Rate{Known: r.Bool(), PerSecond: max(0, r.Float()), Error: max(0, r.Float())}
	if !rate.Known {
		return tidemark.Rate{}
	}
	return rate
}

func (s *service) save(w *saved.Writer) {
	saveRate(w, s.proven)
	w.Uint(uint64(s.windows))
	w.Int(s.at)
	w.Float(s.best)
	w.Float(s.partition)
}

func loadService(r *saved.Reader) service {
	return service{proven: loadRate(r), windows: int(r.Uint() % 9), at: r.Int(), best: max(0, r.Float()), partition: max(0, r.Float())}
}

func (d *drift) save(w *saved.Writer) {
	w.Int(d.at)
	w.Int(d.lag)
	w.Float(d.net)
	w.Float(d.miss)
	w.Uint(uint64(d.n))
	w.Int(d.seen)
	w.Float(d.rate)
	w.Float(d.square)
	w.Uint(uint64(d.minutes))
}

func loadDrift(r *saved.Reader) drift {
	d := drift{at: r.Int(), lag: r.Int(), net: r.Float(), miss: max(0, r.Float()), n: int(r.Uint() % (wandersMax + 1))}
	d.swell = swell{seen: r.Int(), rate: r.Float(), square: max(0, r.Float()), minutes: int(r.Uint() % (1 << 30))}
	if d.seen > 0 && d.rate <= 0 {
		r.Refuse()
	}
	return d
}

func (t *track) save(w *saved.Writer) {
	w.Uint(uint64(len(t.told)))
	for _, p := range t.told {
		w.Int(p.at)
		w.Int(int64(p.p10))
		w.Int(int64(p.p50))
		w.Int(int64(p.p90))
	}
	w.Int(int64(t.every))
	w.Uint(uint64(t.drains))
	w.Float(t.errors)
	w.Float(t.covered)
}

func loadTrack(r *saved.Reader) track {
	var t track
	for range r.Count(promisesKept) {
		t.told = append(t.told, promise{at: r.Int(), p10: time.Duration(r.Int()), p50: time.Duration(r.Int()), p90: time.Duration(r.Int())})
	}
	t.every, t.drains = time.Duration(r.Int()), int(r.Uint()%(1<<30))
	t.errors, t.covered = max(0, r.Float()), min(max(0, r.Float()), 1)
	return t
}

func (r *reach) save(w *saved.Writer) {
	w.Uint(uint64(len(r.sizes)))
	for _, s := range r.sizes {
		w.Uint(uint64(s.replicas))
		w.Float(s.most)
		w.Int(s.at)
	}
}

func loadReach(r *saved.Reader) (was reach) {
	for range r.Count(sizesKept) {
		was.sizes = append(was.sizes, size{replicas: int(r.Uint() % (1 << 30)), most: max(0, r.Float()), at: r.Int()})
	}
	return was
}
