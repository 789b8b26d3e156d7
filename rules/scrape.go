package rules

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/dns"  // dns_sd_configs
	_ "github.com/prometheus/prometheus/discovery/file" // file_sd_configs; all others together cost 26 MB
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/metrics"
)

// clusterJob is the job under which our own looks appear among the targets.
const clusterJob = "tidemark"

// discoveryInterval is how often found targets reach the scraper; Prometheus' own.
const discoveryInterval = 5 * time.Second

// scrapeConfig is what Prometheus would read from its file: the scrape_configs,
// and one job for the consumers of each pipeline that has no job of that name yet.
func scrapeConfig(c Config, pipelines []tidemark.Pipeline, speed float64) (*config.Config, error) {
	jobs := slices.Clone(c.Scrape)
	named := map[string]bool{}
	for _, job := range jobs {
		named[fmt.Sprint(job["job_name"])] = true
	}
	ours := map[string][]string{}
	for _, p := range pipelines {
		if p.Scrape.Job != "" && !named[p.Scrape.Job] {
			ours[p.Scrape.Job] = append(ours[p.Scrape.Job], p.Scrape.Targets...)
		}
	}
	for _, job := range slices.Sorted(maps.Keys(ours)) {
		slices.Sort(ours[job])
		jobs = append(jobs, map[string]any{
			"job_name":       job,
			"static_configs": []map[string]any{{"targets": slices.Compact(ours[job])}},
		})
	}
	interval := model.Duration(cmp.Or(c.Interval, 15*time.Second)).String()
	text, err := json.Marshal(map[string]any{ // which is YAML, too
		"global":         map[string]any{"scrape_interval": interval, "evaluation_interval": interval},
		"scrape_configs": jobs,
	})
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(string(text), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	for _, job := range loaded.ScrapeConfigs {
		job.ScrapeInterval = model.Duration(faster(time.Duration(job.ScrapeInterval), speed))
		job.ScrapeTimeout = model.Duration(faster(time.Duration(job.ScrapeTimeout), speed))
	}
	return loaded, nil
}

func (e *Engine) openScraper() (err error) {
	if e.scraped, err = scrapeConfig(e.options.Config, e.options.Pipelines, e.options.Speed); err != nil {
		return fmt.Errorf("rules.scrape: %w", err)
	}
	e.scraper, err = scrape.NewManager(&scrape.Options{
		HTTPClientOptions:        e.dialer(),
		DiscoveryReloadInterval:  model.Duration(faster(discoveryInterval, e.options.Speed)),
		DiscoveryReloadOnStartup: true,
	}, e.options.Log, nil, nil, e.options.Storage, e.registry)
	return err
}

func (e *Engine) dialer() []commonconfig.HTTPClientOption {
	if e.options.Dial == nil {
		return nil
	}
	return []commonconfig.HTTPClientOption{commonconfig.WithDialContextFunc(e.options.Dial)}
}

// Run scrapes external targets until ctx ends. It is called once.
func (e *Engine) Run(ctx context.Context) error {
	if len(e.scraped.ScrapeConfigs) == 0 {
		<-ctx.Done()
		return nil
	}
	sd, err := discovery.CreateAndRegisterSDMetrics(e.registry)
	if err != nil {
		return fmt.Errorf("register discovery: %w", err)
	}
	discoverers := discovery.NewManager(ctx, e.options.Log, e.registry, sd, discovery.Updatert(faster(discoveryInterval, e.options.Speed)))
	if err := e.scraper.ApplyConfig(e.scraped); err != nil {
		return fmt.Errorf("apply scrape configuration: %w", err)
	}
	found := map[string]discovery.Configs{}
	for _, job := range e.scraped.ScrapeConfigs {
		found[job.JobName] = job.ServiceDiscoveryConfigs
	}
	if err := discoverers.ApplyConfig(found); err != nil {
		return fmt.Errorf("apply discovery configuration: %w", err)
	}
	var g errgroup.Group
	g.Go(func() error {
		_ = discoverers.Run() // returns why ctx ended
		e.scraper.Stop()
		return nil
	})
	g.Go(func() error { return e.scraper.Run(discoverers.SyncCh()) })
	return g.Wait()
}

// report shows the looks at the clusters among the scraped targets, with the names
// and help texts of our own series: Grafana's metric browser asks for them.
func (e *Engine) report(v *tidemark.View) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range v.Observations {
		target, known := e.clusters[o.Cluster]
		if !known {
			target = clusterTarget(o.Cluster)
			e.clusters[o.Cluster] = target
		}
		switch s := o.Snapshot; {
		case o.Failed != nil:
			target.Report(v.At, 0, o.Failed)
		case s != nil:
			target.Report(s.Began, s.Ended.Sub(s.Began), nil)
		}
	}
}

func clusterTarget(cluster string) *scrape.Target {
	t := scrape.NewTarget(labels.FromStrings(
		model.SchemeLabel, "kafka", model.AddressLabel, cluster, model.MetricsPathLabel, "/",
		model.JobLabel, clusterJob, model.InstanceLabel, cluster, "cluster", cluster,
	), &config.ScrapeConfig{JobName: clusterJob}, nil, nil)
	t.SetMetadataStore(families(metrics.Families()))
	return t
}

// families is the table of our metrics as Prometheus asks for it.
type families []metrics.Family

// ListMetadata returns all of it.
func (f families) ListMetadata() []scrape.MetricMetadata {
	all := make([]scrape.MetricMetadata, len(f))
	for i, family := range f {
		all[i] = scrape.MetricMetadata{
			MetricFamily: family.Name, Type: model.MetricType(family.Type), Help: family.Help, Unit: family.Unit,
		}
	}
	return all
}

// GetMetadata returns one family.
func (f families) GetMetadata(name string) (scrape.MetricMetadata, bool) {
	for _, m := range f.ListMetadata() {
		if m.MetricFamily == name {
			return m, true
		}
	}
	return scrape.MetricMetadata{}, false
}

// LengthMetadata returns how many families there are.
func (f families) LengthMetadata() int { return len(f) }

// SizeMetadata returns what the help texts take, in bytes.
func (f families) SizeMetadata() (size int) {
	for _, family := range f {
		size += len(family.Help) + len(family.Unit)
	}
	return size
}
