package rules

import "fmt"

// Pack returns the text of a shipped rule file, for a Prometheus elsewhere.
func Pack(name string) ([]byte, error) {
	text, err := builtin.ReadFile(packFile(name))
	if err != nil {
		return nil, fmt.Errorf("no rule pack is called %q: %w", name, err)
	}
	return text, nil
}
