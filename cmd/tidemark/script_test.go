package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tidemark": main})
}

// TestCommands runs testdata/script: each file is a session with the program as a
// user types it, and what it answers. $SEED is a tidemark that watches the
// reference deployment in trouble, $SEED_ADDRESS its host and port. $KAFKA is a broker,
// $LIVE a whole tidemark that watches it, $RECORDING two hours that were recorded.
func TestCommands(t *testing.T) {
	address, broker := startSeed(t), startKafka(t)
	live, recording := startLive(t, broker), writeRecording(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: os.Getenv("TIDEMARK_UPDATE") != "", Setup: func(e *testscript.Env) error {
		e.Setenv("SEED", address)
		e.Setenv("KAFKA", broker)
		e.Setenv("LIVE", live)
		e.Setenv("RECORDING", recording)
		e.Setenv("SEED_ADDRESS", strings.TrimPrefix(address, "http://"))
		return nil
	}})
}
