package drill

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed builtin/*.drill
var builtin embed.FS

// Builtin returns the drills that come with the product, by name.
func Builtin() ([]*Script, error) {
	entries, err := builtin.ReadDir("builtin")
	if err != nil {
		return nil, fmt.Errorf("list the built-in drills: %w", err)
	}
	var scripts []*Script
	for _, entry := range entries {
		file := path.Join("builtin", entry.Name())
		text, err := builtin.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		script, err := Parse(file, text)
		if err != nil {
			return nil, err
		}
		scripts = append(scripts, script)
	}
	return scripts, nil
}

// Find returns the built-in drill of that name.
func Find(name string) (*Script, error) {
	scripts, err := Builtin()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range scripts {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	hint := didYouMean(name, names)
	if hint == "" {
		hint = "there are " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("no drill is called %q; %s", name, hint)
}
