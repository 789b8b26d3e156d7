package daemon

import (
	"cmp"
	"fmt"
	"regexp"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/notify"
	"github.com/aetherlink/tidemark/otlp"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/scale"
)

// open builds what a configuration asks for. Nothing of it runs yet, so a
// configuration that cannot be opened changes nothing.
func (d *daemon) open(c config.Config, dir dataDir) (*scope, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &scope{daemon: d, config: c, pipelines: watch(c.Pipelines)}
	if err := s.openParts(dir); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scope) openParts(dir dataDir) (err error) {
	if err := s.openExporter(); err != nil {
		return err
	}
	s.engine, err = rules.Open(rules.Options{
		Config: s.config.Rules, Pipelines: s.config.Pipelines, Storage: s.store.Storage(),
		ExternalURL: s.externalURL(), Version: s.Version, Speed: s.Speed, Dial: s.Dial, Log: s.Log,
	})
	if err != nil {
		return err
	}
	s.notifier, err = notify.Open(notify.Options{
		Config: s.config.Notify, Dir: dir.part("notify"), ExternalURL: s.externalURL(), Log: s.Log, Dial: s.Dial, Registerer: s.registry,
	})
	if err != nil {
		return err
	}
	s.scaler, err = scale.New(scale.Options{
		Config: s.config.Scale, Journal: s.journal, Log: s.Log,
		Pipeline: func(cluster, group string) tidemark.Pipeline { p, _ := s.pipelines.find(cluster, group); return p },
	})
	return err
}

// openExporter opens what an exporter has as well: the clusters, and who is pushed to.
func (s *scope) openExporter() (err error) {
	for _, k := range s.config.Clusters {
		c, err := s.openCluster(k)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", k.Name, err)
		}
		s.clusters = append(s.clusters, c)
	}
	s.pusher, err = otlp.New(otlp.Options{Config: s.config.OTLP, Version: s.Version, Dial: s.Dial, Log: s.Log})
	return err
}

func (s *scope) openCluster(k kafka.Config) (*cluster, error) {
	collector, err := kafka.Open(kafka.Options{Config: k, Dial: s.Dial, Log: s.Log})
	if err != nil {
		return nil, err
	}
	ends := lag.New(lag.Options{})
	target := func(group string) tidemark.Target {
		p, _ := s.pipelines.find(k.Name, group)
		return p.Target
	}
	return &cluster{
		name: k.Name, interval: cmp.Or(k.Interval, 15*time.Second), collector: collector, ends: ends,
		model:  capacity.New(capacity.Options{Target: target, TimeLag: ends.TimeLag, Speed: s.Speed}),
		latest: tidemark.Observation{Cluster: k.Name},
	}, nil
}

// close ends what open began. It is called once nothing of the scope runs.
func (s *scope) close() {
	for _, c := range s.clusters {
		c.collector.Close()
	}
}

// externalURL is how people reach the pages: as configured, or as we listen.
func (s *scope) externalURL() string {
	if s.config.Web.ExternalURL != "" {
		return s.config.Web.ExternalURL
	}
	return "http://" + s.Listener.Addr().String()
}

// watched are the pipelines of a configuration with their names compiled.
type watched []struct {
	tidemark.Pipeline
	names *regexp.Regexp
}

func watch(pipelines []tidemark.Pipeline) watched {
	w := make(watched, len(pipelines))
	for i, p := range pipelines {
		w[i].Pipeline, w[i].names = p, p.Names()
	}
	return w
}

// find returns the first pipeline that watches a group.
func (w watched) find(cluster, group string) (p tidemark.Pipeline, found bool) {
	for _, one := range w {
		if one.Cluster == cluster && one.names.MatchString(group) {
			return one.Pipeline, true
		}
	}
	return tidemark.Pipeline{}, false
}
