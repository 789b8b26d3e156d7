package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/aetherlink/tidemark"
)

// Validate says what is wrong with settings that are well formed, first mistake first.
// A configuration without a file behind it (flags only) is checked by this.
func (c Config) Validate() error {
	r := reader{file: "configuration"}
	r.validate(c, nil)
	if len(r.problems) == 0 {
		return nil
	}
	return r.problems[0]
}

// validate asks every part about its own settings, and checks what only the whole can know.
func (r *reader) validate(c Config, root ast.Node) {
	if len(c.Clusters) == 0 {
		r.problem(nil, "add clusters: with a name and brokers, or give --kafka.server", "no cluster to watch")
	}
	clusters := map[string]bool{}
	for i, cluster := range c.Clusters {
		at := fmt.Sprintf("clusters.%d", i)
		r.check(root, at, cluster.Validate())
		if clusters[cluster.Name] {
			r.check(root, at, fmt.Errorf("name: %q is used twice; every cluster needs a name of its own", cluster.Name))
		}
		clusters[cluster.Name] = true
	}
	for i, m := range c.Mirrors {
		at := fmt.Sprintf("mirrors.%d", i)
		r.check(root, at, m.Validate())
		for _, name := range []string{m.From, m.To} {
			if !clusters[name] {
				r.check(root, at, fmt.Errorf("no cluster is called %q", name))
			}
		}
	}
	for i, p := range c.Pipelines {
		r.check(root, fmt.Sprintf("pipelines.%d", i), validPipeline(p, clusters))
	}
	r.check(root, "history", c.History.Validate())
	r.check(root, "rules", c.Rules.Validate())
	r.check(root, "notify", c.Notify.Validate())
	r.check(root, "web", c.Web.Validate())
	r.check(root, "scale", c.Scale.Validate())
	for i, t := range c.Scale.Targets {
		if !clusters[t.Cluster] {
			r.check(root, fmt.Sprintf("scale.targets.%d", i), fmt.Errorf("cluster: no cluster is called %q", t.Cluster))
		}
	}
	r.check(root, "otlp", c.OTLP.Validate())
}

func validPipeline(p tidemark.Pipeline, clusters map[string]bool) error {
	switch {
	case p.Name == "":
		return fmt.Errorf("name: missing; alerts and pages call the pipeline by it")
	case (p.Group == "") == (p.GroupPattern == ""):
		return fmt.Errorf("group: give either group or group_pattern")
	case !clusters[p.Cluster]:
		return fmt.Errorf("cluster: no cluster is called %q", p.Cluster)
	case p.Target.Utilisation < 0 || p.Target.Utilisation > 1:
		return fmt.Errorf("target: utilisation is %v; it is a share between 0 and 1", p.Target.Utilisation)
	}
	if _, err := regexp.Compile(p.GroupPattern); err != nil {
		return fmt.Errorf("group_pattern: %w", err)
	}
	return nil
}

// joined is what errors.Join returns.
type joined interface {
	error
	Unwrap() []error
}

// listed is an entry of a list in a path: pipelines.0.
var listed = regexp.MustCompile(`\.(\d+)`)

// check turns what a part says about its settings into a problem with a position.
// A part's sentence begins with the setting: "web.access is …", or "brokers: …"
// where only the file knows which entry of a list it is.
func (r *reader) check(root ast.Node, section string, err error) {
	if err == nil {
		return
	}
	if several, is := errors.AsType[joined](err); is {
		for _, one := range several.Unwrap() {
			r.check(root, section, one)
		}
		return
	}
	says := err.Error()
	setting, _, _ := strings.Cut(strings.ReplaceAll(says, ":", " "), " ")
	within := strings.TrimPrefix(setting, section+".")
	path := append(strings.Split(section, "."), strings.Split(within, ".")...)
	if within == setting {
		says = listed.ReplaceAllString(section, "[$1]") + ": " + says
	}
	r.problem(locate(root, path), "", "%s", says)
}

// locate follows names and list numbers from the root as far as the file goes.
func locate(node ast.Node, path []string) *token.Token {
	var found *token.Token
	for _, step := range path {
		switch n := node.(type) {
		case ast.MapNode:
			node = nil
			for it := n.MapRange(); it.Next(); {
				if key := it.Key().GetToken(); key.Value == step {
					found, node = key, it.Value()
					break
				}
			}
		case *ast.SequenceNode:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(n.Values) {
				return found
			}
			node = n.Values[i]
		default:
			return found
		}
	}
	return found
}
