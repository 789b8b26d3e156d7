package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tidemark": main})
}

// TestCommands runs testdata/script: each file is a session with the program as a
// user types it, and what it answers. $SEED is a tidemark that watches the
// reference deployment in trouble.
func TestCommands(t *testing.T) {
	address := startSeed(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: os.Getenv("TIDEMARK_UPDATE") != "", Setup: func(e *testscript.Env) error {
		e.Setenv("SEED", address)
		return nil
	}})
}
