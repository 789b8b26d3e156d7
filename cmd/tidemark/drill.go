package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/aetherlink/tidemark/config"
	"github.com/aetherlink/tidemark/daemon"
	"github.com/aetherlink/tidemark/drill"
	"github.com/aetherlink/tidemark/sandbox"
)

func drillCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "drill",
		Short: "Would we notice, and would we recover? Trouble on purpose, and a report",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(drillListCommand(), drillRunCommand())
	return c
}

func drillListCommand() *cobra.Command {
	var settings string
	c := &cobra.Command{
		Use:   "list",
		Short: "The drills that come with tidemark, and those of drills.files",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			scripts, err := library(settings)
			for _, s := range scripts {
				fmt.Fprintf(c.OutOrStdout(), "%-18s %s\n", s.Name, s.Title)
			}
			return err
		},
	}
	c.Flags().StringVar(&settings, "config.file", "", "tidemark.yaml that names drills of your own")
	return c
}

// library is every drill there is a name for: the built-in ones, and those that a
// configuration names.
func library(settings string) ([]*drill.Script, error) {
	scripts, err := drill.Builtin()
	if err != nil || settings == "" {
		return scripts, err
	}
	own, err := config.Load(settings, os.Environ())
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	for _, pattern := range own.Drills.Files {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("drills.files: %s: %w", pattern, err)
		}
		for _, file := range files {
			script, err := read(file)
			if err != nil {
				return nil, err
			}
			scripts = append(scripts, script)
		}
	}
	return scripts, nil
}

func read(file string) (*drill.Script, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read a drill: %w", err)
	}
	return drill.Parse(file, text)
}

// drillRun is one call of `drill run`.
type drillRun struct {
	real         realWorld
	settings     string
	group, topic string
	speed        float64
	output, file string
	dataDir      string
	yes, show    bool
}

func drillRunCommand() *cobra.Command {
	var d drillRun
	c := &cobra.Command{
		Use:   "run NAME|FILE",
		Short: "Run a drill in the sandbox, or on a real deployment with --stop and --start",
		Long: "Run a drill. Without --stop and --start it runs in a sandbox: a whole world in this process, " +
			"faster than the clock, which the report says.\nWith them it acts on a real deployment that a running tidemark watches.",
		Example: "  tidemark drill run lag-and-recovery\n" +
			"  tidemark drill run my.drill --report report.md\n" +
			"  tidemark drill run lag-and-recovery --kafka.server=kafka:9092 --server=http://tidemark:9308 \\\n" +
			"    --stop='docker compose stop crm-events' --start='docker compose start crm-events'",
		Args: needs(cobra.ExactArgs(1), "name one drill: tidemark drill run lag-and-recovery   (all of them: tidemark drill list)"),
		RunE: func(c *cobra.Command, args []string) error { return d.run(c, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&d.real.stop, "stop", "", "command that stops all consumers of the group; makes this a drill on a real deployment")
	f.StringVar(&d.real.start, "start", "", "command that starts them again")
	f.StringVar(&d.real.scale, "scale", "", "command that scales them to {n}")
	f.StringVar(&d.settings, "config.file", "", "tidemark.yaml that names drills of your own")
	f.StringVar(&d.group, "group", "", "consumer group (default: the drill's own)")
	f.StringVar(&d.topic, "topic", "", "topic to publish to (default: the drill's own)")
	f.Float64Var(&d.speed, "speed", 30, "how many times faster than the clock the sandbox runs")
	f.StringVarP(&d.output, "output", "o", "text", "what to print at the end: text, markdown, json or junit")
	f.StringVar(&d.file, "report", "", "also write the report to a file; .md, .json or .xml says how")
	f.StringVar(&d.dataDir, "data-dir", "", "where reports are kept for the pages (default: as tidemark serve has it, if there is one)")
	f.BoolVar(&d.yes, "yes", false, "do not ask before acting on a real deployment")
	f.BoolVar(&d.show, "dry-run", false, "show the steps and end")
	d.real.ask.bind(c)
	return c
}

func (d *drillRun) run(c *cobra.Command, name string) error {
	script, err := d.script(name)
	if err != nil {
		return exit{exitUsage, err}
	}
	if _, err := form(&drill.Report{}, d.output); err != nil {
		return err
	}
	if d.show {
		_, err := fmt.Fprint(c.OutOrStdout(), script)
		return err
	}
	report, err := d.carryOut(c, script)
	if report == nil {
		return err
	}
	return errors.Join(d.print(c, report), d.save(report), d.keep(report), outcome(report, err))
}

// script is a drill of the library, or one from a file.
func (d *drillRun) script(name string) (*drill.Script, error) {
	script, err := d.named(name)
	if err != nil {
		return nil, err
	}
	if d.group != "" {
		script.Group = d.group
	}
	if d.topic != "" {
		script.Topic = d.topic
	}
	return script, nil
}

func (d *drillRun) named(name string) (*drill.Script, error) {
	if strings.ContainsAny(name, "./") {
		return read(name)
	}
	scripts, err := library(d.settings)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(scripts, func(s *drill.Script) bool { return s.Name == name }); i >= 0 {
		return scripts[i], nil
	}
	return drill.Find(name) // which says what was probably meant
}

func (d *drillRun) carryOut(c *cobra.Command, script *drill.Script) (*drill.Report, error) {
	options := drill.Options{Script: script, Progress: progress(c.ErrOrStderr())}
	if !d.real.wanted() {
		return d.inSandbox(c, options)
	}
	if err := d.real.open(c, script); err != nil {
		return nil, err
	}
	defer d.real.close()
	if err := d.consent(c, script); err != nil {
		return nil, err
	}
	options.World = &d.real
	fmt.Fprintf(c.ErrOrStderr(), "drill %s on %s · %s\n", script.Name, script.Group, d.real.oracle.says)
	return drill.Run(c.Context(), options)
}

// inSandbox makes a world, runs the drill in it and ends it.
func (d *drillRun) inSandbox(c *cobra.Command, options drill.Options) (report *drill.Report, err error) {
	listener, err := listen(c.Context(), "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	world, err := sandbox.Open(c.Context(), sandbox.Options{Listener: listener, Speed: d.speed, Version: version, Log: quiet})
	if err != nil {
		return nil, err
	}
	defer world.Close()
	options.World, options.Speed = world, d.speed
	fmt.Fprintf(c.ErrOrStderr(), "drill %s in a sandbox, %g times faster than the clock · pages http://%s/\n", options.Script.Name, d.speed, listener.Addr())

	// The world outlives an interrupt: the drill's always block still acts on it.
	living, end := context.WithCancel(context.WithoutCancel(c.Context()))
	g, living := errgroup.WithContext(living)
	g.Go(func() error { return world.Run(living) })
	g.Go(func() error {
		defer end()
		drilling, stop := context.WithCancel(living)
		defer stop()
		defer context.AfterFunc(c.Context(), stop)()
		report, err = drill.Run(drilling, options)
		return nil
	})
	return report, errors.Join(g.Wait(), err)
}

// consent shows the plan and asks, unless --yes was given.
func (d *drillRun) consent(c *cobra.Command, script *drill.Script) error {
	if d.yes {
		return nil
	}
	talk := c.ErrOrStderr()
	fmt.Fprintf(talk, "%s\nThis stops and starts real consumers and publishes real events.\n", script)
	if !terminal(talk) {
		return exit{exitUsage, errors.New("a drill on a real deployment needs --yes when nobody can be asked")}
	}
	fmt.Fprint(talk, "Go on? [y/N] ")
	var answer string
	_, _ = fmt.Fscanln(c.InOrStdin(), &answer)
	if !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return exit{code: exitInterrupted}
	}
	return nil
}

// progress prints each step as it ends; on a terminal also as it goes.
func progress(talk io.Writer) func(drill.Step) {
	live := terminal(talk)
	return func(s drill.Step) {
		switch {
		case s.Verdict != drill.Running && live:
			fmt.Fprintf(talk, "\r\x1b[K%s\n", s)
		case s.Verdict != drill.Running:
			fmt.Fprintln(talk, s)
		case live:
			fmt.Fprintf(talk, "\r\x1b[K%s", s)
		}
	}
}

// form writes a report in the format that --output names.
func form(r *drill.Report, format string) ([]byte, error) {
	switch format {
	case "text":
		return []byte(r.Text()), nil
	case "markdown":
		return []byte(r.Markdown()), nil
	case "json":
		return r.JSON()
	case "junit":
		return r.JUnit()
	default:
		return nil, exit{exitUsage, fmt.Errorf("--output=%s: use text, markdown, json or junit", format)}
	}
}

// print writes the report. Whoever has just watched the steps go by on the same
// terminal gets the end of it only.
func (d *drillRun) print(c *cobra.Command, report *drill.Report) error {
	out := c.OutOrStdout()
	if d.output == "text" && terminal(out) && terminal(c.ErrOrStderr()) {
		_, err := fmt.Fprint(out, report.Summary())
		return err
	}
	text, err := form(report, d.output)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", strings.TrimSpace(string(text)))
	}
	return err
}

func (d *drillRun) save(report *drill.Report) error {
	if d.file == "" {
		return nil
	}
	format := "text"
	switch filepath.Ext(d.file) {
	case ".md":
		format = "markdown"
	case ".json":
		format = "json"
	case ".xml":
		format = "junit"
	}
	text, err := form(report, format)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.file, text, 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// keep writes the report where the pages find it, if there is a data directory. When it
// returns, the report is on the disk.
func (d *drillRun) keep(report *drill.Report) error {
	dir, kept := dataDir(d.dataDir)
	if !kept {
		return nil
	}
	return daemon.KeepReport(dir, report)
}

// outcome makes a drill that ran and did not pass a finding, not a failure.
func outcome(report *drill.Report, err error) error {
	if err == nil && !report.Passed {
		return exit{code: exitFinding}
	}
	return err
}
