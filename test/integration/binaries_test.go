//go:build linux

package integration

import (
	"os/exec"
	"runtime/debug"
	"testing"
)

// build makes both programs, with the race detector if the test has it: then
// nothing but the linking is left to do.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	args := []string{"build", "-o", dir}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	args = append(args, "../../cmd/tidemark", "../../cmd/crm-events")
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return dir
}
