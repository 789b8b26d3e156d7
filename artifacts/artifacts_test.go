package artifacts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/aetherlink/tidemark/artifacts"
)

// written puts one part into a directory of its own.
func written(t *testing.T, part string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files, err := artifacts.Generate(part)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// debian runs a program of a Debian package, which must find nothing wrong.
func debian(t *testing.T, program, pkg string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err != nil && os.Getenv("TIDEMARK_INTEGRATION") != "":
		t.Fatalf("%s is not here; apt-get install %s brings it", program, pkg)
	case err != nil:
		t.Skipf("NOT CHECKED: %s is not here; apt-get install %s brings it, and TIDEMARK_INTEGRATION=1 insists on it", program, pkg)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPrometheusTakesItsConfigurationWithTheRules(t *testing.T) {
	dir := written(t, "prometheus")
	packs, err := filepath.Abs("../rules/builtin")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(packs, filepath.Join(dir, "rules")); err != nil {
		t.Fatal(err)
	}
	said := debian(t, "promtool", "prometheus", "check", "config", filepath.Join(dir, "prometheus.yml"))
	if want := "2 rule files found"; !strings.Contains(said, want) {
		t.Errorf("promtool says\n%s\nwithout %q", said, want)
	}
}

func TestAlertmanagerTakesItsConfigurationAndTemplates(t *testing.T) {
	said := debian(t, "amtool", "prometheus-alertmanager", "check-config", filepath.Join(written(t, "alertmanager"), "alertmanager.yml"))
	for _, want := range []string{"2 inhibit rules", "4 receivers", "1 templates"} {
		if !strings.Contains(said, want) {
			t.Errorf("amtool says\n%s\nwithout %q", said, want)
		}
	}
}

func TestAlertsAreRoutedBySeverity(t *testing.T) {
	file := filepath.Join(written(t, "alertmanager"), "alertmanager.yml")
	for labels, want := range map[string]string{
		"alertname=CrmEventsServiceDown severity=critical":            "on-call",
		"alertname=CrmEventsConsumerLagHigh severity=warning":         "chat",
		"alertname=CrmEventsUnderReplicatedConsumers severity=info":   "mail",
		"alertname=TidemarkWatchdog severity=info":                    "watchdog",
		"alertname=SomethingOfYourOwn":                                "chat",
		"alertname=KafkaRetentionOvertakesConsumer severity=critical": "on-call",
	} {
		args := append([]string{"config", "routes", "test", "--config.file=" + file}, strings.Fields(labels)...)
		said := strings.Fields(debian(t, "amtool", "prometheus-alertmanager", args...))
		if got := said[len(said)-1]; got != want {
			t.Errorf("%s goes to %q, want %q", labels, got, want)
		}
	}
}

func TestNoSecretStandsInAnyFile(t *testing.T) {
	for _, part := range artifacts.Parts() {
		files, err := artifacts.Generate(part)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for line := range strings.Lines(string(file.Text)) {
				for _, key := range []string{"password:", "routing_key:", "api_url:", "credentials:", "bearer_token:"} {
					if strings.HasPrefix(strings.TrimLeft(line, " -"), key) {
						t.Errorf("%s/%s holds a secret: %s", part, file.Name, line)
					}
				}
			}
		}
	}
}

// compose is what contracts.md section 11 settles, of a Compose file.
type compose struct {
	Services map[string]struct {
		Image         string   `yaml:"image"`
		ContainerName string   `yaml:"container_name"`
		Profiles      []string `yaml:"profiles"`
		Ports         []string `yaml:"ports"`
		Volumes       []string `yaml:"volumes"`
		Networks      any      `yaml:"networks"`
	} `yaml:"services"`
	Networks map[string]struct {
		Name string `yaml:"name"`
	} `yaml:"networks"`
}

func TestComposeHasTheNamesOthersDependOn(t *testing.T) {
	dir := written(t, "compose")
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file compose
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	crm, own := file.Services["crm-events"], file.Services["tidemark"]
	if crm.ContainerName != "" || !slices.Contains(crm.Ports, "9010-9015:9010") {
		t.Errorf("crm-events is named %q and has ports %v: --scale needs no name and a range", crm.ContainerName, crm.Ports)
	}
	if got, want := own.ContainerName, "aether-kafka-exporter"; got != want {
		t.Errorf("tidemark's container is %q, want %q", got, want)
	}
	if !slices.Contains(own.Ports, "9308:9308") || !strings.Contains(string(text), "aliases: [kafka-exporter]") {
		t.Errorf("tidemark has ports %v; want 9308 and the alias kafka-exporter", own.Ports)
	}
	if got, want := file.Networks["aether-monitoring"].Name, "aether-monitoring"; got != want {
		t.Errorf("the network is %q, want %q", got, want)
	}
	for name, profile := range map[string]string{"prometheus": "prometheus", "alertmanager": "prometheus", "grafana": "grafana"} {
		if !slices.Contains(file.Services[name].Profiles, profile) {
			t.Errorf("%s has profiles %v, want %s", name, file.Services[name].Profiles, profile)
		}
	}
	for name, service := range file.Services {
		for _, volume := range service.Volumes {
			host, _, _ := strings.Cut(volume, ":")
			if sibling, is := strings.CutPrefix(host, "../"); is && !slices.Contains(artifacts.Parts(), strings.Split(sibling, "/")[0]) {
				t.Errorf("%s mounts %s, which nothing generates", name, host)
			}
		}
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	unit := filepath.Join(written(t, "systemd"), "tidemark.service")
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	installed := strings.ReplaceAll(string(text), "/usr/bin/tidemark", "/bin/true")
	if err := os.WriteFile(unit, []byte(installed), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("NOT CHECKED: systemd-analyze is not here")
	} else if out, err := exec.CommandContext(t.Context(), path, "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
