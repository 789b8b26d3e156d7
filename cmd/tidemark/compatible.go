package main

import (
	"path/filepath"
	"slices"
	"strings"
)

// calledAs are the arguments after the program's name. Called kafka_exporter, by a
// link of that name, the program is one.
func calledAs(args []string) []string {
	if strings.TrimSuffix(filepath.Base(args[0]), ".exe") == "kafka_exporter" {
		return append([]string{"exporter"}, args[1:]...)
	}
	return args[1:]
}

// compatible turns a command line written for kafka_exporter into one of ours:
// flags without a subcommand mean serve, and a switch may be denied with --no-.
func compatible(args []string) []string {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
		return args
	}
	if strings.HasPrefix(args[0], "-") {
		args = append([]string{"serve"}, args...)
	}
	if args[0] != "serve" && args[0] != "exporter" {
		return args
	}
	if slices.Contains(args, "--version") {
		return []string{"version"}
	}
	ours := make([]string, len(args))
	for i, arg := range args {
		if name, denied := strings.CutPrefix(arg, "--no-"); denied {
			arg = "--" + name + "=false"
		}
		ours[i] = arg
	}
	return ours
}
