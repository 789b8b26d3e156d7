package main

import (
	"cmp"

	"github.com/spf13/pflag"

	"github.com/aetherlink/tidemark/config"
)

// serveFlags are the exporter's flags and what stands around the metrics page.
type serveFlags struct {
	exporterFlags
	dataDir, access, externalURL string
}

func (s *serveFlags) bind(f *pflag.FlagSet) {
	s.exporterFlags.bind(f)
	f.StringVar(&s.dataDir, "data-dir", "", "where history and alert state are kept (default /var/lib/tidemark if writable, else below $XDG_STATE_HOME)")
	f.StringVar(&s.access, "web.access", "", "who may see pages from elsewhere: private, read or login (default private)")
	f.StringVar(&s.externalURL, "web.external-url", "", "how people reach this server; links in alerts begin with it")
}

func (s *serveFlags) configuration(f *pflag.FlagSet) (config.Config, error) {
	settings, err := s.exporterFlags.configuration(f)
	if err != nil {
		return settings, err
	}
	settings.Web.Access = cmp.Or(s.access, settings.Web.Access)
	settings.Web.ExternalURL = cmp.Or(s.externalURL, settings.Web.ExternalURL)
	return settings, settings.Validate()
}
