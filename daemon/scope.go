package daemon

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/capacity"
	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/mirror"
	"github.com/aetherlink/tidemark/kafka/shard"
	"github.com/aetherlink/tidemark/lag"
	"github.com/aetherlink/tidemark/notify"
	"github.com/aetherlink/tidemark/otlp"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/scale"
)

// open builds what a configuration asks for. Nothing of it runs yet, so a
// configuration that cannot be opened changes nothing.
func (d *daemon) open(c config.Config) (*scope, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &scope{daemon: d, config: c, pipelines: watch(c.Pipelines)}
	if err := s.openParts(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scope) openParts() (err error) {
	if err := s.openExporter(); err != nil {
		return err
	}
	s.engine, err = rules.Open(rules.Options{
		Config: s.config.Rules, Pipelines: s.config.Pipelines, Storage: s.store.Storage(),
		ExternalURL: s.externalURL(), Version: s.Version, Journal: s.journals.alerts, Speed: s.Speed, Dial: s.Dial, Log: s.Log,
	})
	if err != nil {
		return err
	}
	s.notifier, err = notify.Open(notify.Options{
		Config: s.config.Notify, Journal: s.journals.told, ExternalURL: s.externalURL(), Log: s.Log, Dial: s.Dial, Registerer: s.registry,
	})
	if err != nil {
		return err
	}
	s.scaler, err = scale.New(scale.Options{
		Config: s.config.Scale, Journal: s.journals.sizes, Log: s.Log,
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
	options := s.kafka(k)
	sources, err := s.openSources(&options)
	if err != nil {
		return nil, err
	}
	collector, err := kafka.Open(options)
	if err != nil {
		return nil, err
	}
	ends := lag.New(lag.Options{})
	pipeline := func(group string) tidemark.Pipeline {
		p, _ := s.pipelines.find(k.Name, group)
		return p
	}
	return &cluster{
		name: k.Name, interval: cmp.Or(k.Interval, 15*time.Second), exact: k.Exact, sources: sources, collector: collector, ends: ends,
		model: capacity.New(capacity.Options{
			Target:     func(group string) tidemark.Target { return pipeline(group).Target },
			Thresholds: func(group string) tidemark.Thresholds { return pipeline(group).Thresholds },
			TimeLag:    ends.TimeLag, Loss: ends.Loss, Speed: s.Speed,
		}),
		latest: tidemark.Observation{Cluster: k.Name},
	}, nil
}

func (s *scope) kafka(k kafka.Config) kafka.Options {
	return kafka.Options{Config: k, Dial: s.Dial, Log: s.Log}
}

// openSources adds to what a collector looks at: its share of the groups, where
// several share them, and mirrors that read its cluster.
func (s *scope) openSources(o *kafka.Options) (sources []actor, err error) {
	if s.config.Sharing.Group != "" {
		share, err := shard.Open(shard.Options{Config: s.config.Sharing, Kafka: *o})
		if err != nil {
			return nil, err
		}
		o.Mine = share.Mine
		sources = append(sources, share)
	}
	var mirrors []*mirror.Mirror
	for _, c := range s.config.Mirrors {
		if c.From != o.Name {
			continue
		}
		to := slices.IndexFunc(s.config.Clusters, func(k kafka.Config) bool { return k.Name == c.To })
		m, err := mirror.Open(mirror.Options{Config: c, Kafka: s.kafka(s.config.Clusters[to])})
		if err != nil {
			return nil, err
		}
		mirrors, sources = append(mirrors, m), append(sources, m)
	}
	o.Foreign = func() (all []kafka.Foreign) {
		for _, m := range mirrors {
			all = append(all, m.Foreign())
		}
		return all
	}
	return sources, nil
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
