package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aetherlink/tidemark/web"
)

// TestTypeScriptHasTheTypesOfTheAPI holds the pages' types to model.go.
// TIDEMARK_UPDATE=1 writes them.
func TestTypeScriptHasTheTypesOfTheAPI(t *testing.T) {
	var types strings.Builder
	if err := web.WriteTypes(&types); err != nil {
		t.Fatal(err)
	}
	golden(t, "ui/src/types.ts", types.String())
}

func TestOpenAPIDescribesEveryCallAndType(t *testing.T) {
	s := open(t, web.Options{})
	text := get(t, s, "/api/tidemark/v1/openapi.json").Body.Bytes()
	for _, c := range []struct {
		want any
		path []any
	}{
		{"3.1.0", []any{"openapi"}},
		{"#/components/schemas/Plan", []any{"paths", "/api/tidemark/v1/groups/{cluster}/{group}/plan", "get", "responses", "200", "content", "application/json", "schema", "$ref"}},
		{"path", []any{"paths", "/api/tidemark/v1/groups/{cluster}/{group}/plan", "get", "parameters", 1, "in"}},
		{"null", []any{"components", "schemas", "Rate", "properties", "perSecond", "type", 1}},
		{"#/components/schemas/Row", []any{"components", "schemas", "Group", "allOf", 0, "$ref"}},
		{"caught_up", []any{"components", "schemas", "Partition", "properties", "state", "enum", 1}},
		{"failing", []any{"components", "schemas", "Verdict", "properties", "level", "enum", 0}},
	} {
		if got := object(t, text, c.path...); got != c.want {
			t.Errorf("%v = %v, want %v", c.path, got, c.want)
		}
	}
	for name := range object(t, text, "components", "schemas").(map[string]any) {
		if name != "Problem" && !strings.Contains(string(text), `schemas/`+name+`"`) && name != "Patch" && name != "Snapshot" {
			t.Errorf("nothing refers to schema %s", name)
		}
	}
}

func TestPageOfTheAPIShowsItToPeople(t *testing.T) {
	w := get(t, open(t, web.Options{}), "/api/docs")
	if got, want := w.Code, http.StatusOK; got != want {
		t.Fatalf("status = %d, want %d", got, want)
	}
	for _, want := range []string{"GET /api/tidemark/v1/groups/{cluster}/{group}/plan", `id="Explanation"`, "partitionsNeeded"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
