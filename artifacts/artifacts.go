// Package artifacts makes the files that other programs read: configuration for
// Prometheus and Alertmanager, dashboards and provisioning for Grafana, a Compose
// file, a systemd unit. And it says what is wrong with a dashboard.
//
// It hides the formats. It never touches the disk or the network: it returns texts,
// and is handed what it does not own (rule files, a parser of queries).
//
// May change until version 1.
package artifacts

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// What is written as it stands. Names below files are names below the output.
//
//go:embed all:files
var files embed.FS

// File is one generated file. Name is below the directory of its part, with slashes.
type File struct {
	Name string
	Text []byte
}

// Parts returns what can be generated, sorted; each has a directory of its own.
func Parts() []string {
	var parts []string
	entries, _ := files.ReadDir("files") // it is embedded
	for _, entry := range entries {
		parts = append(parts, entry.Name())
	}
	return parts
}

// Generate returns the files of one part.
func Generate(part string) ([]File, error) {
	if !slices.Contains(Parts(), part) {
		return nil, fmt.Errorf("nothing is generated under the name %q", part)
	}
	var made []File
	err := fs.WalkDir(files, path.Join("files", part), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		made = append(made, File{name[len("files/"+part+"/"):], text})
		return err
	})
	if err != nil || part != "grafana" {
		return made, err
	}
	for _, d := range Dashboards() {
		text, err := d.JSON()
		if err != nil {
			return nil, err
		}
		made = append(made, File{"dashboards/" + d.UID + ".json", text})
	}
	return made, nil
}
