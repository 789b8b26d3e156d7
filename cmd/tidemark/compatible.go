package main

import "strings"

// compatible turns a command line written for kafka_exporter into one of ours:
// flags without a subcommand mean serve, and a switch may be denied with --no-.
func compatible(args []string) []string {
	if len(args) == 0 || !strings.HasPrefix(args[0], "-") || isGlobal(args[0]) {
		return args
	}
	serve := []string{"serve"}
	for _, arg := range args {
		if name, denied := strings.CutPrefix(arg, "--no-"); denied {
			arg = "--" + name + "=false"
		}
		serve = append(serve, arg)
	}
	return serve
}

func isGlobal(arg string) bool {
	return arg == "-h" || arg == "--help" || arg == "-v" || arg == "--version"
}
