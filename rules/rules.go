// Package rules evaluates Prometheus rule files: recorded series go back to the
// store, alerts to whoever asks. It also answers Prometheus' HTTP API, so that
// Grafana and promtool see a Prometheus, and scrapes the targets that are not ours.
//
// It hides Prometheus' rule engine, query engine, API and scraper, and brings two
// packs of rules of its own (builtin/). It never has a clock of its own for rules:
// they are evaluated when the daemon says so, at the moment it says. It never
// resolves an alert because data is missing, and it tells nobody about alerts.
//
// May change until version 1.
package rules

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"

	"github.com/aetherlink/tidemark"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// Config is what an operator may write about rules.
type Config struct {
	Files    []string         `yaml:"files"`    // paths or patterns of Prometheus rule files
	Packs    []string         `yaml:"packs"`    // of ours: crm-events, kafka-lag
	Interval time.Duration    `yaml:"interval"` // between evaluations of groups that say nothing else; 0: 15s
	Scrape   []map[string]any `yaml:"scrape"`   // Prometheus' scrape_configs
}

// Options is a [Config] and the living parts it works with.
type Options struct {
	Config
	Pipelines   []tidemark.Pipeline
	Storage     storage.Storage
	ExternalURL string // how people reach our pages: the beginning of links in annotations
	Version     string
	// Journal keeps alerts over reloads and crashes; nil: they are this engine's own.
	Journal *Journal
	// Speed divides every duration in rules and scrape intervals: with 30 an alert
	// that has to hold for 5 minutes fires after 10 seconds. 0 is 1.
	Speed float64
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // for scrapes; nil: the network's
	Log   *slog.Logger
}

// How Prometheus is set up inside.
const (
	lookback        = 5 * time.Minute // Prometheus' default: how long a series without a new sample still counts
	queryTimeout    = 2 * time.Minute // Prometheus' default
	maxSamples      = 50_000_000      // Prometheus' default: what one query may hold in memory
	outageTolerance = time.Hour       // what was pending longer ago than this begins anew
)

// Engine evaluates rules. Its method Eval has one caller at a time; the handler
// and Run may be used meanwhile.
type Engine struct {
	options  Options
	external *url.URL
	queries  *promql.Engine
	parser   parser.Parser
	guard    *guard
	scraped  *config.Config
	scraper  *scrape.Manager
	registry *prometheus.Registry // what Prometheus counts about itself
	owners   []owner
	groups   []*group

	mu       sync.Mutex
	clusters map[string]*scrape.Target // how our own looks appear among the targets
}

// group is one rule group and when it was evaluated last.
type group struct {
	*rules.Group
	last time.Time
}

// owner is who is told about the groups of a pipeline.
type owner struct {
	cluster, name string
	groups        *regexp.Regexp
}

// Validate says what is wrong with the configuration itself. What is wrong inside
// of rule files, [CheckFiles] says.
func (c Config) Validate() error {
	for _, pack := range c.Packs {
		if _, err := builtin.Open(packFile(pack)); err != nil {
			return fmt.Errorf("rules.packs: there is no pack %q; there are crm-events and kafka-lag", pack)
		}
	}
	if c.Interval < 0 {
		return fmt.Errorf("rules.interval is %s; it must be positive", c.Interval)
	}
	if _, err := scrapeConfig(c, nil, 1); err != nil {
		return fmt.Errorf("rules.scrape: %w", err)
	}
	return nil
}

// Open loads the rules and what is to be scraped. Nothing runs yet.
func Open(o Options) (*Engine, error) {
	o.Interval = cmp.Or(o.Interval, 15*time.Second)
	o.Speed = cmp.Or(o.Speed, 1)
	o.ExternalURL = strings.TrimRight(o.ExternalURL, "/")
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Storage == nil {
		return nil, errors.New("open rules: no storage to read from and write to")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Journal == nil {
		var err error
		if o.Journal, err = OpenJournal("", o.Log); err != nil {
			return nil, err
		}
	}
	external, err := url.Parse(o.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("read external url: %w", err)
	}
	e := &Engine{options: o, external: external, parser: parser.NewParser(parser.Options{}), registry: prometheus.NewRegistry(), clusters: map[string]*scrape.Target{}}
	for _, p := range o.Pipelines {
		if p.Owner != "" {
			e.owners = append(e.owners, owner{cluster: p.Cluster, name: p.Owner, groups: p.Names()})
		}
	}
	e.queries = promql.NewEngine(promql.EngineOpts{
		Logger: o.Log, Reg: e.registry, Parser: e.parser,
		MaxSamples: maxSamples, Timeout: queryTimeout,
		LookbackDelta: faster(lookback, o.Speed),
		NoStepSubqueryIntervalFn: func(int64) int64 { // for [1h:], in milliseconds
			return faster(o.Interval, o.Speed).Milliseconds()
		},
		EnableAtModifier: true, EnableNegativeOffset: true,
	})
	if err := e.load(); err != nil {
		return nil, err
	}
	if err := e.openScraper(); err != nil {
		return nil, err
	}
	return e, nil
}

// load reads the rule files and makes groups of them.
func (e *Engine) load() error {
	files, err := expand(e.options.Files)
	if err != nil {
		return err
	}
	for _, pack := range slices.Compact(slices.Sorted(slices.Values(e.options.Packs))) {
		files = append(files, packPrefix+pack)
	}
	if problems := CheckFiles(files); len(problems) > 0 {
		return problems
	}
	e.guard = &guard{query: rules.EngineQueryFunc(e.queries, e.options.Storage), held: map[string]map[uint64]*asked{}}
	l := &loader{parser: e.parser, speed: e.options.Speed, log: e.options.Log}
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: e.external, QueryFunc: e.guard.ask, NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		AppendableV2: e.options.Storage, Queryable: e.options.Storage, Logger: e.options.Log, Registerer: e.registry, Parser: e.parser,
		GroupLoader: l,
	})
	loaded, errs := manager.LoadGroups(faster(e.options.Interval, e.options.Speed), labels.EmptyLabels(), e.options.ExternalURL, nil, false, files...)
	if len(errs) > 0 {
		return fmt.Errorf("load rules: %w", errs[0])
	}
	for _, key := range l.order {
		e.groups = append(e.groups, &group{Group: loaded[key]})
	}
	e.guard.about = aboutKafka(e.groups)
	return nil
}

// alertingRules returns the alerting rules of all groups.
func (e *Engine) alertingRules() (all []*rules.AlertingRule) {
	for _, g := range e.groups {
		all = append(all, g.AlertingRules()...)
	}
	return all
}
