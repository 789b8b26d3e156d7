package rules

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// packPrefix marks the name of a rule file that is one of ours.
const packPrefix = "pack:"

func packFile(pack string) string { return "builtin/" + pack + ".yaml" }

// read returns the text of a rule file, of an operator's or of ours.
func read(file string) ([]byte, error) {
	if pack, is := strings.CutPrefix(file, packPrefix); is {
		return builtin.ReadFile(packFile(pack))
	}
	return os.ReadFile(file)
}

// expand returns the files that paths and patterns name, each once. A pattern may
// match nothing yet; a path must exist.
func expand(patterns []string) (files []string, err error) {
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("find rule files %q: %w", pattern, err)
		}
		if len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
			found = []string{pattern} // whoever reads it says that it is not there
		}
		for _, file := range found {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

// loader is Prometheus' rules.GroupLoader over files and packs. It makes every
// duration shorter by speed, and keeps the groups' order, which Prometheus does not
// need and loses: a group sees at the same moment what those before it recorded.
type loader struct {
	parser parser.Parser
	speed  float64
	log    *slog.Logger
	order  []string
}

// Load reads one file.
func (l *loader) Load(file string, ignoreUnknown bool, names model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	text, err := read(file)
	if err != nil {
		return nil, []error{err}
	}
	groups, errs := rulefmt.Parse(text, ignoreUnknown, names, l.parser, l.log)
	if len(errs) > 0 {
		return nil, errs
	}
	for i := range groups.Groups {
		l.hurry(&groups.Groups[i])
		l.order = append(l.order, rules.GroupKey(file, groups.Groups[i].Name))
	}
	return groups, nil
}

func (l *loader) hurry(g *rulefmt.RuleGroup) {
	g.Interval = model.Duration(faster(time.Duration(g.Interval), l.speed))
	if g.QueryOffset != nil {
		*g.QueryOffset = model.Duration(faster(time.Duration(*g.QueryOffset), l.speed))
	}
	for i := range g.Rules {
		r := &g.Rules[i]
		r.For = model.Duration(faster(time.Duration(r.For), l.speed))
		r.KeepFiringFor = model.Duration(faster(time.Duration(r.KeepFiringFor), l.speed))
	}
}

// Parse parses one expression and shortens its windows, steps and offsets.
func (l *loader) Parse(query string) (parser.Expr, error) {
	expr, err := l.parser.ParseExpr(query)
	if err != nil {
		return nil, err
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			n.OriginalOffset = faster(n.OriginalOffset, l.speed)
		case *parser.MatrixSelector:
			n.Range = faster(n.Range, l.speed)
		case *parser.SubqueryExpr:
			n.Range, n.Step = faster(n.Range, l.speed), faster(n.Step, l.speed)
			n.OriginalOffset = faster(n.OriginalOffset, l.speed)
		}
		return nil
	})
	return expr, nil
}

// faster returns d as it is when time runs speed times as fast: 5 minutes at
// speed 30 are 10 seconds. PromQL knows milliseconds and no window of 0, so what
// is not 0 stays at least 1 ms.
func faster(d time.Duration, speed float64) time.Duration {
	switch short := time.Duration(float64(d) / speed).Round(time.Millisecond); {
	case short != 0:
		return short
	case d > 0:
		return time.Millisecond
	case d < 0:
		return -time.Millisecond
	}
	return 0
}
