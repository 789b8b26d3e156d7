package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aetherlink/tidemark/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestTheExampleIsAGoodConfiguration(t *testing.T) {
	c, err := config.Parse("example.yaml", config.Example, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Clusters[0].Brokers[0], "kafka:9092"; got != want {
		t.Errorf("broker = %q, want %q", got, want)
	}
	if got, want := c.History.Retention, 15*24*time.Hour; got != want {
		t.Errorf("retention = %v, want %v", got, want)
	}
	if got, want := c.Pipelines[0].Thresholds.Drain, 30*time.Minute; got != want {
		t.Errorf("drain threshold = %v, want %v", got, want)
	}
}

// TestTheExampleNamesEverySetting fails when a part gets a setting that the
// example, which is the reference manual, does not have.
func TestTheExampleNamesEverySetting(t *testing.T) {
	for _, name := range settings(reflect.TypeFor[config.Config](), nil) {
		if !strings.Contains(string(config.Example), name+":") {
			t.Errorf("example.yaml does not have the setting %s", name)
		}
	}
}

func settings(of reflect.Type, names []string) []string {
	if of.Kind() == reflect.Slice {
		return settings(of.Elem(), names)
	}
	if of.Kind() != reflect.Struct {
		return names
	}
	for field := range of.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); name != "" && name != "-" {
			names = settings(field.Type, append(names, name))
		}
	}
	return names
}

func TestEveryMistakeIsShownWithItsLineAndWhatWasMeant(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Parse("tidemark.yaml", text, nil)
			if err == nil {
				t.Fatal("no problem was found")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(golden)
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestTheEnvironmentBeatsTheFile(t *testing.T) {
	environment := []string{"TIDEMARK_WEB_LISTEN=:9999", "TIDEMARK_CLUSTERS_0_BROKERS=a:1,b:2", "TIDEMARK_HISTORY_RETENTION=2d"}
	c, err := config.Parse("example.yaml", config.Example, environment)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Web.Listen, ":9999"; got != want {
		t.Errorf("listen = %q, want %q", got, want)
	}
	if got, want := strings.Join(c.Clusters[0].Brokers, " "), "a:1 b:2"; got != want {
		t.Errorf("brokers = %q, want %q", got, want)
	}
	if got, want := c.History.Retention, 48*time.Hour; got != want {
		t.Errorf("retention = %v, want %v", got, want)
	}
}

func TestAWrongVariableIsNamed(t *testing.T) {
	_, err := config.Parse("example.yaml", config.Example, []string{"TIDEMARK_CLUSTERS_0_INTERVAL=soon"})
	var problems config.Problems
	if !errors.As(err, &problems) || !strings.Contains(err.Error(), "TIDEMARK_CLUSTERS_0_INTERVAL") {
		t.Errorf("error = %v, want one that names the variable", err)
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add(config.Example)
	f.Add([]byte("clusters: [{name: a, brokers: [b]}]"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if _, err := config.Parse("fuzz.yaml", text, nil); err != nil {
			_ = err.Error()
		}
	})
}
