// Package charts checks what is generated for Kubernetes with the libraries of those
// who read it: Helm's own renderer, Kubernetes' own types, jsonnet. It is a module of
// its own, so that none of them becomes a part of tidemark.
package charts

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-jsonnet"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// deploy is where `tidemark generate deploy` writes.
const deploy = "../../deploy"

// metadata is what every object has.
type metadata struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
}

// The operators' kinds, as far as we write them: a field that is not here is one that
// they would refuse or ignore.
type (
	serviceMonitor struct {
		metadata `json:",inline"`
		Spec     struct {
			Selector  map[string]map[string]string `json:"selector"`
			Endpoints []struct {
				Port     string `json:"port"`
				Path     string `json:"path"`
				Interval string `json:"interval"`
			} `json:"endpoints"`
		} `json:"spec"`
	}
	prometheusRule struct {
		metadata `json:",inline"`
		Spec     struct {
			Groups []struct {
				Name     string `json:"name"`
				Interval string `json:"interval"`
				Rules    []struct {
					Record        string            `json:"record"`
					Alert         string            `json:"alert"`
					Expr          string            `json:"expr"`
					For           string            `json:"for"`
					KeepFiringFor string            `json:"keep_firing_for"`
					Labels        map[string]string `json:"labels"`
					Annotations   map[string]string `json:"annotations"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	scaledObject struct {
		metadata `json:",inline"`
		Spec     struct {
			ScaleTargetRef  map[string]string `json:"scaleTargetRef"`
			MinReplicaCount int               `json:"minReplicaCount"`
			MaxReplicaCount int               `json:"maxReplicaCount"`
			PollingInterval int               `json:"pollingInterval"`
			CooldownPeriod  int               `json:"cooldownPeriod"`
			Fallback        struct {
				FailureThreshold int    `json:"failureThreshold"`
				Replicas         int    `json:"replicas"`
				Behavior         string `json:"behavior"`
			} `json:"fallback"`
			Advanced struct {
				HPA struct {
					Behavior autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
				} `json:"horizontalPodAutoscalerConfig"`
			} `json:"advanced"`
			Triggers []struct {
				Type       string            `json:"type"`
				MetricType string            `json:"metricType"`
				Metadata   map[string]string `json:"metadata"`
			} `json:"triggers"`
		} `json:"spec"`
	}
)

// kinds are what a document may be.
func kinds() map[string]func() any {
	return map[string]func() any{
		"apps/v1 StatefulSet":                     func() any { return new(appsv1.StatefulSet) },
		"v1 Service":                              func() any { return new(corev1.Service) },
		"v1 ServiceAccount":                       func() any { return new(corev1.ServiceAccount) },
		"v1 ConfigMap":                            func() any { return new(corev1.ConfigMap) },
		"autoscaling/v2 HorizontalPodAutoscaler":  func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
		"monitoring.coreos.com/v1 ServiceMonitor": func() any { return new(serviceMonitor) },
		"monitoring.coreos.com/v1 PrometheusRule": func() any { return new(prometheusRule) },
		"keda.sh/v1alpha1 ScaledObject":           func() any { return new(scaledObject) },
	}
}

// objects reads every document of a manifest, strictly: no field that the kind does
// not have, none twice.
func objects(t *testing.T, name string, manifest []byte) (found []any) {
	t.Helper()
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var head metadata
		if err := yaml.Unmarshal(document, &head); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, document)
		}
		if head.Kind == "" {
			continue // a comment alone
		}
		made, known := kinds()[head.APIVersion+" "+head.Kind]
		if !known {
			t.Errorf("%s: nobody knows %s %s", name, head.APIVersion, head.Kind)
			continue
		}
		object := made()
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Errorf("%s: %s: %v", name, head.Kind, err)
		}
		found = append(found, object)
	}
}

// render is what `helm template` makes of the chart.
func render(t *testing.T, values string) (found []any) {
	t.Helper()
	c, given := load(t, values)
	if err := chartutil.ValidateAgainstSchema(c, given); err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(c, given, chartutil.ReleaseOptions{Name: "watch", Namespace: "kafka", IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := engine.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range rendered {
		if filepath.Ext(name) == ".yaml" {
			found = append(found, objects(t, name, []byte(text))...)
		}
	}
	return found
}

func load(t *testing.T, values string) (*chart.Chart, chartutil.Values) {
	t.Helper()
	c, err := loader.Load(deploy + "/helm")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	overlay, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	given, err := chartutil.CoalesceValues(c, overlay)
	if err != nil {
		t.Fatal(err)
	}
	return c, given
}

// one is the only object of a kind.
func one[T any](t *testing.T, all []any) *T {
	t.Helper()
	var found *T
	for _, object := range all {
		if o, is := object.(*T); is {
			if found != nil {
				t.Errorf("there are several %T", o)
			}
			found = o
		}
	}
	if found == nil {
		t.Fatalf("there is no %T", found)
	}
	return found
}

func TestChartMakesWhatKubernetesTakes(t *testing.T) {
	for name, values := range map[string]string{
		"as it is": "",
		"everything": `
mode: serve
environmentSecret: tidemark
mountedSecrets: [kafka-tls]
persistence: {storageClass: fast}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule: {enabled: true, packs: [kafka-lag, crm-events], labels: {release: prometheus}}
dashboards: {enabled: true}
podAnnotations: {a: b}
podLabels: {c: d}
nodeSelector: {disk: ssd}
tolerations: [{key: a, operator: Exists}]
affinity: {nodeAffinity: {}}
`,
		"exporter": "mode: exporter",
	} {
		t.Run(name, func(t *testing.T) { render(t, values) })
	}
}

func TestPodsMeetTheRestrictedProfile(t *testing.T) {
	plain, err := os.ReadFile(deploy + "/kubernetes/tidemark.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, all := range map[string][]any{"chart": render(t, ""), "manifests": objects(t, "tidemark.yaml", plain)} {
		pod := one[appsv1.StatefulSet](t, all).Spec.Template.Spec
		if p := pod.SecurityContext; !*p.RunAsNonRoot || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: the pod may be root or has no seccomp profile: %+v", name, p)
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
				t.Errorf("%s: %s may do more than it needs: %+v", name, c.Name, s)
			}
		}
		if *pod.AutomountServiceAccountToken {
			t.Errorf("%s: the pod gets a token that it does not use", name)
		}
	}
}

func TestDataIsKeptUnlessNothingIs(t *testing.T) {
	for values, want := range map[string]int{"": 1, "persistence: {enabled: false}": 0, "mode: exporter": 0} {
		set := one[appsv1.StatefulSet](t, render(t, values))
		if got := len(set.Spec.VolumeClaimTemplates); got != want {
			t.Errorf("%q has %d volumes, want %d", values, got, want)
		}
		if got := set.Spec.Template.Spec.Containers[0].Args[0]; values == "mode: exporter" && got != "exporter" {
			t.Errorf("%q runs %s", values, got)
		}
	}
}

func TestConfigurationArrivesAsItWasWritten(t *testing.T) {
	all := render(t, "config: {clusters: [{name: main, brokers: [\"kafka:9092\"], interval: 15s}], web: {access: read}}")
	text := one[corev1.ConfigMap](t, all).Data["tidemark.yaml"]
	for _, want := range []string{"- kafka:9092", "interval: 15s", "access: read"} {
		if !strings.Contains(text, want) {
			t.Errorf("tidemark.yaml is\n%s\nwithout %q", text, want)
		}
	}
}

func TestMonitorSelectsTheService(t *testing.T) {
	all := render(t, "serviceMonitor: {enabled: true}")
	monitor, service := one[serviceMonitor](t, all), one[corev1.Service](t, all)
	for label, want := range monitor.Spec.Selector["matchLabels"] {
		if got := service.Labels[label]; got != want {
			t.Errorf("the service has %s=%q, the monitor selects %q", label, got, want)
		}
	}
	if got, want := monitor.Spec.Endpoints[0].Port, service.Spec.Ports[0].Name; got != want {
		t.Errorf("the monitor scrapes port %q of a service with %q", got, want)
	}
}

func TestValuesThatMeanNothingAreRefused(t *testing.T) {
	for _, values := range []string{"mode: watch", "replicas: 3", "config: {clusters: []}", "persistence: {size: plenty}"} {
		c, given := load(t, values)
		if err := chartutil.ValidateAgainstSchema(c, given); err == nil {
			t.Errorf("%q is taken", values)
		}
	}
}

func TestManifestsAreOfTheirKinds(t *testing.T) {
	for _, file := range []string{"kubernetes/tidemark.yaml", "keda/scaledobject.yaml", "hpa/hpa.yaml", "prometheusrule/kafka-lag.yaml", "prometheusrule/crm-events.yaml"} {
		text, err := os.ReadFile(filepath.Join(deploy, file))
		if err != nil {
			t.Fatal(err)
		}
		if len(objects(t, file, text)) == 0 {
			t.Errorf("%s holds nothing", file)
		}
	}
}

// TestScalersKeepTheSizeWhenNothingIsKnown holds the sacred rule: no data is no 0.
func TestScalersKeepTheSizeWhenNothingIsKnown(t *testing.T) {
	text, err := os.ReadFile(deploy + "/keda/scaledobject.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec := one[scaledObject](t, objects(t, "scaledobject.yaml", text)).Spec
	if spec.Fallback.Behavior != "currentReplicasIfHigher" || spec.Fallback.Replicas < 1 {
		t.Errorf("fallback is %+v", spec.Fallback)
	}
	if got, want := spec.Triggers[0].Metadata["ignoreNullValues"], "false"; got != want {
		t.Errorf("ignoreNullValues is %q, want %q: an empty answer would be 0", got, want)
	}
}

func TestMixinHasDashboardsAndAlerts(t *testing.T) {
	vm := jsonnet.MakeVM()
	vm.Importer(&jsonnet.FileImporter{JPaths: []string{deploy + "/mixin"}})
	text, err := vm.EvaluateAnonymousSnippet("check.jsonnet",
		`local m = import 'mixin.libsonnet'; [std.length(m.grafanaDashboards), std.length(m.prometheusAlerts.groups)]`)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(text), ""); !strings.HasPrefix(got, "[3,") || got == "[3,0]" {
		t.Errorf("the mixin has %s dashboards and groups", got)
	}
}
