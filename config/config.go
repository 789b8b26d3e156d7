// Package config reads tidemark.yaml: one file, composed of the Config types of
// the parts it configures.
//
// It hides YAML and environment variables. It finds every mistake in one go and
// shows each with its line, a caret and what was probably meant. It never opens a
// connection and never changes a value that it was given.
//
// May change until version 1.
package config

import (
	_ "embed"

	"github.com/aetherlink/tidemark"
	"github.com/aetherlink/tidemark/history"
	"github.com/aetherlink/tidemark/kafka"
	"github.com/aetherlink/tidemark/kafka/mirror"
	"github.com/aetherlink/tidemark/kafka/shard"
	"github.com/aetherlink/tidemark/notify"
	"github.com/aetherlink/tidemark/otlp"
	"github.com/aetherlink/tidemark/rules"
	"github.com/aetherlink/tidemark/scale"
	"github.com/aetherlink/tidemark/web"
)

// Config is all an operator may write into tidemark.yaml.
type Config struct {
	Clusters  []kafka.Config      `yaml:"clusters"`
	Mirrors   []mirror.Config     `yaml:"mirrors"`
	Sharing   shard.Config        `yaml:"sharing"`
	Pipelines []tidemark.Pipeline `yaml:"pipelines"`
	History   history.Config      `yaml:"history"`
	Rules     rules.Config        `yaml:"rules"`
	Notify    notify.Config       `yaml:"notify"`
	Web       web.Config          `yaml:"web"`
	Scale     scale.Config        `yaml:"scale"`
	OTLP      otlp.Config         `yaml:"otlp"`
	Drills    Drills              `yaml:"drills"`
}

// Drills says where drills of one's own are.
type Drills struct {
	Files []string `yaml:"files"` // paths or patterns
}

// Example is a complete tidemark.yaml with every setting and its comment.
//
//go:embed example.yaml
var Example []byte
