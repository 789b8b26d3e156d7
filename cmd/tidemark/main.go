// Command tidemark says how far behind Kafka consumer groups are, when they will
// have caught up and what that takes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker: -X main.version=1.2.3.
var version = "0.1.0-dev"

// Exit codes. A finding is not a failure: the command ran and found something.
const (
	exitFine        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFinding     = 3
	exitInterrupted = 130
)

// exit is an error that chooses the exit code. An empty says is silent: what there
// was to say has been said.
type exit struct {
	code int
	says error
}

func (e exit) Error() string {
	if e.says == nil {
		return ""
	}
	return e.says.Error()
}

func (e exit) Unwrap() error { return e.says }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, calledAs(os.Args), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without the process around it. Data goes to out, talk to talk.
func run(ctx context.Context, args []string, out, talk io.Writer) int {
	root := commands()
	root.SetArgs(compatible(args))
	root.SetOut(out)
	root.SetErr(talk)
	err := root.ExecuteContext(ctx)
	chosen, has := errors.AsType[exit](err)
	switch {
	case err == nil:
		return exitFine
	case has && chosen.says == nil:
		return chosen.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	fmt.Fprintf(talk, "error: %v\n", err)
	if has {
		return chosen.code
	}
	if strings.HasPrefix(err.Error(), "unknown command") { // cobra has no error of its own for it
		return exitUsage
	}
	return exitFailed
}

func commands() *cobra.Command {
	root := &cobra.Command{
		Use:           "tidemark",
		Short:         "How far behind are your Kafka consumers, and when will they have caught up?",
		Long:          "Tidemark watches Kafka consumer groups: how far behind they are in messages and in\ntime, when they will have caught up, and how many replicas and partitions that takes.",
		Example:       "  tidemark demo                                see it live, without Kafka\n  tidemark groups                              all groups of your cluster\n  tidemark serve --kafka.server=kafka:9092     watch; same port, flags and metrics as kafka_exporter",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	bindASCII(root)
	root.CompletionOptions.DisableDefaultCmd = true // ours says the same in one command
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exit{exitUsage, fmt.Errorf("%w\n  all flags: %s --help", err, c.CommandPath())}
	})
	root.AddCommand(
		demoCommand(), serveCommand(), exporterCommand(), doctorCommand(),
		groupsCommand(), groupCommand(), topicsCommand(), explainCommand(), planCommand(), waitCommand(), alertsCommand(), silenceCommand(), notifyCommand(), runbookCommand(),
		scaleCommand(), drillCommand(), checkCommand(), testCommand(), rulesCommand(), recordCommand(), replayCommand(), simCommand(), compatCommand(), apiCommand(),
		generateCommand(), completionCommand(), versionCommand())
	return root
}
