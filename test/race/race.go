// Package race tells tests whether the race detector is on. Under it everything takes
// eight times as long, so tests that count thousands of things count fewer; make test
// runs those a second time without it. It is a package of its own because four others
// ask, and not for anything but tests.
//
// May change until version 1.
package race

import (
	"runtime/debug"
	"slices"
)

// On says that this program was built with the race detector.
func On() bool {
	build, _ := debug.ReadBuildInfo()
	return slices.ContainsFunc(build.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}
