package kafka

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"
)

// Config says how to reach one cluster and what to look at.
type Config struct {
	Name     string        `yaml:"name"`    // becomes the label cluster
	Brokers  []string      `yaml:"brokers"` // host:port, any of them; the others are found
	TLS      TLS           `yaml:"tls"`
	SASL     SASL          `yaml:"sasl"`
	Groups   Filter        `yaml:"groups"`
	Topics   Filter        `yaml:"topics"`
	Interval time.Duration `yaml:"interval"` // from look to look; 0: 15s
	// Exact is of how many partitions, those whose time lag is known least, one
	// record is read at each look; 0: none. It needs the right to read.
	Exact int `yaml:"exact"`
}

// Filter chooses names by regular expressions that may match anywhere in a name:
// "billing" chooses pre-billing-2 as well; "^billing$" only billing. No include
// means all; exclude wins over include.
type Filter struct {
	Include []string `yaml:"include"`
	Exclude []string `yaml:"exclude"`
}

// Validate says what is wrong with the configuration and what to write instead.
// It reports everything it finds at once.
func (c Config) Validate() error {
	errs := []error{c.TLS.Validate(), c.SASL.Validate()}
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers is empty; name at least one, as in [kafka:9092]"))
	}
	for _, b := range c.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("broker %q is not host:port; write it as in kafka:9092", b))
		}
	}
	if c.Interval < 0 {
		errs = append(errs, fmt.Errorf("interval is %s; set it to 1s or more, or leave it out for 15s", c.Interval))
	}
	for what, f := range map[string]Filter{"groups": c.Groups, "topics": c.Topics} {
		if _, err := f.compile(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cluster %q: %w", c.Name, err)
	}
	return nil
}

// filter is a compiled [Filter].
type filter struct{ include, exclude []*regexp.Regexp }

func (f Filter) compile() (filter, error) {
	var out filter
	for _, list := range []struct {
		from []string
		to   *[]*regexp.Regexp
	}{{f.Include, &out.include}, {f.Exclude, &out.exclude}} {
		for _, text := range list.from {
			re, err := regexp.Compile(text)
			if err != nil {
				return filter{}, fmt.Errorf("regular expression %q: %w", text, err)
			}
			*list.to = append(*list.to, re)
		}
	}
	return out, nil
}

func (f filter) chooses(name string) bool {
	return (len(f.include) == 0 || anyMatches(f.include, name)) && !anyMatches(f.exclude, name)
}

func anyMatches(list []*regexp.Regexp, name string) bool {
	for _, re := range list {
		if re.MatchString(name) {
			return true
		}
	}
	return false
}
