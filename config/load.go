package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/prometheus/common/model"
)

// Load reads a configuration file and lays the environment over it: the variable
// TIDEMARK_WEB_LISTEN sets web.listen. All mistakes come back together, as Problems.
func Load(path string, environment []string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, text, environment)
}

// Parse is Load for a text that is already at hand.
func Parse(name string, text []byte, environment []string) (Config, error) {
	var c Config
	r := reader{file: name, source: strings.Split(string(text), "\n")}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.syntax(err)
		return c, r.problems
	}
	var root ast.Node
	if len(file.Docs) > 0 {
		root = file.Docs[0].Body
	}
	r.read(root, reflect.ValueOf(&c).Elem())
	r.overlay(reflect.ValueOf(&c).Elem(), "TIDEMARK", environment)
	if len(r.problems) == 0 {
		r.validate(c, root)
	}
	if len(r.problems) > 0 {
		return c, r.problems
	}
	return c, nil
}

// reader fills a Config from syntax and collects what is wrong on the way.
type reader struct {
	file     string
	source   []string
	problems Problems
}

func (r *reader) problem(at *token.Token, hint, format string, args ...any) {
	p := Problem{File: r.file, Says: fmt.Sprintf(format, args...), Hint: hint, source: r.source}
	if at != nil {
		p.Line, p.Column, p.Width = at.Position.Line, at.Position.Column, len(strings.TrimSpace(at.Value))
	}
	r.problems = append(r.problems, p)
}

func (r *reader) syntax(err error) {
	if positioned, is := errors.AsType[yaml.Error](err); is {
		r.problem(positioned.GetToken(), "", "%s", positioned.GetMessage())
		return
	}
	r.problem(nil, "", "%v", err)
}

// read fills v, a settable value, from a node.
func (r *reader) read(node ast.Node, v reflect.Value) {
	if node == nil || node.Type() == ast.NullType || node.Type() == ast.CommentType {
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		r.readStruct(node, v)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		r.readList(node, v)
	case v.Type() == reflect.TypeFor[time.Duration]():
		r.readDuration(node, v)
	default:
		if err := yaml.NodeToValue(node, v.Addr().Interface()); err != nil {
			r.problem(node.GetToken(), "", "expected %s, got %s", expected(v), node.String())
		}
	}
}

func (r *reader) readStruct(node ast.Node, v reflect.Value) {
	entries, is := node.(ast.MapNode)
	if !is {
		r.problem(node.GetToken(), "", "expected settings (name: value), got %s", node.String())
		return
	}
	names := fieldNames(v.Type())
	for it := entries.MapRange(); it.Next(); {
		key := it.Key().GetToken()
		if at, known := names[key.Value]; known {
			r.read(it.Value(), v.Field(at))
			continue
		}
		hint := ""
		if meant, found := closest(key.Value, keys(names)); found {
			hint = fmt.Sprintf("did you mean %q?", meant)
		}
		r.problem(key, hint, "unknown field %q", key.Value)
	}
}

func (r *reader) readList(node ast.Node, v reflect.Value) {
	list, is := node.(*ast.SequenceNode)
	if !is {
		r.problem(node.GetToken(), "begin each entry with a dash", "expected a list, got %s", node.String())
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, entry := range list.Values {
		r.read(entry, v.Index(i))
	}
}

func (r *reader) readDuration(node ast.Node, v reflect.Value) {
	text := node.GetToken().Value
	d, err := model.ParseDuration(text)
	if err != nil {
		r.problem(node.GetToken(), "write 15s, 10m, 1h30m or 15d", "expected a duration, got %q", text)
		return
	}
	v.SetInt(int64(d))
}

// overlay sets what the environment names: TIDEMARK_HISTORY_PARTITIONS, TIDEMARK_CLUSTERS_0_NAME.
func (r *reader) overlay(v reflect.Value, prefix string, environment []string) {
	switch {
	case v.Kind() == reflect.Struct:
		for name, at := range fieldNames(v.Type()) {
			r.overlay(v.Field(at), prefix+"_"+strings.ToUpper(name), environment)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			r.overlay(v.Index(i), fmt.Sprintf("%s_%d", prefix, i), environment)
		}
	default:
		for _, setting := range environment {
			if text, is := strings.CutPrefix(setting, prefix+"="); is {
				r.set(v, prefix, text)
			}
		}
	}
}

func (r *reader) set(v reflect.Value, name, text string) {
	if v.Type() == reflect.TypeFor[[]string]() {
		v.Set(reflect.ValueOf(strings.Split(text, ",")))
		return
	}
	if v.Kind() == reflect.String {
		v.SetString(text)
		return
	}
	if d, err := model.ParseDuration(text); err == nil && v.Type() == reflect.TypeFor[time.Duration]() {
		v.SetInt(int64(d))
		return
	}
	if err := yaml.Unmarshal([]byte(text), v.Addr().Interface()); err != nil {
		r.problems = append(r.problems, Problem{File: "environment", Says: fmt.Sprintf("%s: expected %s, got %q", name, expected(v), text)})
	}
}

// fieldNames maps the YAML names of a struct to the fields' indexes. Fields of
// embedded structs with the tag ",inline" are not supported: no part uses them.
func fieldNames(t reflect.Type) map[string]int {
	names := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			names[name] = i
		}
	}
	return names
}

func keys(m map[string]int) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}

// expected says in words what a value of v's type looks like.
func expected(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "settings (name: value)"
	default:
		return "a text"
	}
}
