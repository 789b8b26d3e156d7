package web

import (
	"fmt"
	"go/ast"
	"html/template"
	"net/http"
	"strings"
)

// describe answers with the API as OpenAPI 3.1 has it.
func (s *Server) describe(w http.ResponseWriter, r *http.Request) {
	all, err := shapes()
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	schemas := map[string]any{"Problem": map[string]any{
		"type": "object", "description": "Why there is no answer (RFC 9457).",
		"properties": map[string]any{"type": kind("string"), "title": kind("string"), "status": kind("integer"), "detail": kind("string")},
	}}
	for _, shape := range all {
		schemas[shape.name] = shape.schema()
	}
	paths := map[string]any{}
	for _, c := range s.calls() {
		if path, is := strings.CutPrefix(c.pattern, "GET "); is {
			paths[path] = map[string]any{"get": c.operation()}
		}
	}
	answer(w, r, map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Tidemark", "version": apiVersion, "license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "How far behind Kafka consumer groups are, when they will have caught up, and what that takes. What is not known is null, never 0; durations are seconds.",
		},
		"servers":    []any{map[string]any{"url": "/"}},
		"security":   []any{map[string]any{}, map[string]any{"token": []string{}}},
		"paths":      paths,
		"components": map[string]any{"schemas": schemas, "securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer"}}},
	})
}

func kind(name string) map[string]any { return map[string]any{"type": name} }

func (s shape) schema() map[string]any {
	properties, required, parts := map[string]any{}, []string{}, []any{}
	for _, f := range s.fields {
		if f.name == "" {
			parts = append(parts, jsonKind(f.kind))
			continue
		}
		property := jsonKind(f.kind)
		if len(f.values) > 0 {
			property["enum"] = f.values
		}
		if f.doc != "" {
			property["description"] = f.doc
		}
		properties[f.name] = property
		required = append(required, f.name)
	}
	own := map[string]any{"type": "object", "properties": properties, "required": required}
	if len(parts) == 0 {
		own["description"] = s.doc
		return own
	}
	return map[string]any{"description": s.doc, "allOf": append(parts, own)}
}

// jsonKind is a type as JSON Schema has it.
func jsonKind(of ast.Expr) map[string]any {
	switch of := of.(type) {
	case *ast.ArrayType:
		return map[string]any{"type": "array", "items": jsonKind(of.Elt)}
	case *ast.MapType:
		return map[string]any{"type": "object", "additionalProperties": jsonKind(of.Value)}
	case *ast.StarExpr:
		return map[string]any{"anyOf": []any{jsonKind(of.X), kind("null")}}
	case *ast.SelectorExpr: // tidemark.State
		return map[string]any{"type": "string", "enum": stateNames()}
	case *ast.Ident:
		switch of.Name {
		case "Number":
			return map[string]any{"type": []string{"number", "null"}}
		case "Time":
			return map[string]any{"type": []string{"string", "null"}, "format": "date-time"}
		case "string":
			return kind("string")
		case "bool":
			return kind("boolean")
		case "int", "int32", "int64", "uint64":
			return kind("integer")
		}
		return map[string]any{"$ref": "#/components/schemas/" + of.Name}
	}
	return map[string]any{}
}

func (c call) operation() map[string]any {
	parameters := []any{}
	for part := range strings.SplitSeq(c.pattern, "/") {
		if name, is := strings.CutPrefix(part, "{"); is {
			parameters = append(parameters, map[string]any{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": kind("string")})
		}
	}
	for _, q := range c.query {
		parameters = append(parameters, map[string]any{"name": q[0], "in": "query", "description": q[1], "schema": kind("string")})
	}
	content := map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/" + c.kind}}}
	switch c.kind {
	case "Snapshot":
		content = map[string]any{"text/event-stream": map[string]any{"schema": kind("string")}}
	case "":
		content = map[string]any{"application/json": map[string]any{}}
	}
	return map[string]any{
		"summary":    strings.ReplaceAll(c.answers, "`", ""),
		"parameters": parameters,
		"responses": map[string]any{
			"200": map[string]any{"description": strings.ReplaceAll(c.answers, "`", ""), "content": content},
			"default": map[string]any{"description": "Why not", "content": map[string]any{
				"application/problem+json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Problem"}},
			}},
		},
	}
}

var docsPage = template.Must(template.New("docs").Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tidemark's API</title><link rel="stylesheet" href="/app.css"></head><body><main>
<section><nav class="crumbs"><a href="/">Overview</a></nav><h1>API</h1>
<p>What is not known is <code>null</code>, never 0; durations are seconds; errors are <code>application/problem+json</code>.
For programs: <a href="/api/tidemark/v1/openapi.json">OpenAPI 3.1</a>. Prometheus' API is at <code>/api/v1</code>, Alertmanager's at <code>/api/v2</code>.</p></section>
<section class="docs"><h2>Calls</h2><div class="table"><table><thead><tr><th>Call</th><th>Answers</th></tr></thead><tbody>
{{range .Calls}}<tr><td><code>{{.Pattern}}</code></td><td>{{.Answers}}{{range .Query}}<br><code>{{index . 0}}</code> {{index . 1}}{{end}}</td></tr>
{{end}}</tbody></table></div></section>
{{range .Shapes}}<section class="docs" id="{{.Name}}"><h2>{{.Name}}</h2><p class="muted">{{.Doc}}</p><div class="table"><table><tbody>
{{range .Fields}}<tr><td><code>{{.Name}}</code></td><td><code>{{.Kind}}</code></td><td>{{.Doc}}</td></tr>
{{end}}</tbody></table></div></section>
{{end}}</main></body></html>
`))

// docs is the page that shows the API to people.
func (s *Server) docs(w http.ResponseWriter, _ *http.Request) {
	type row struct{ Name, Kind, Doc string }
	type section struct {
		Name, Doc string
		Fields    []row
	}
	type entry struct {
		Pattern, Answers string
		Query            [][2]string
	}
	all, err := shapes()
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	var page struct {
		Calls  []entry
		Shapes []section
	}
	for _, c := range s.calls() {
		page.Calls = append(page.Calls, entry{c.pattern, strings.ReplaceAll(c.answers, "`", ""), c.query})
	}
	for _, shape := range all {
		out := section{Name: shape.name, Doc: shape.doc}
		for _, f := range shape.fields {
			name := f.name
			if name == "" {
				name = fmt.Sprintf("all of %s", script(f.kind))
			}
			out.Fields = append(out.Fields, row{name, f.script(), f.doc})
		}
		page.Shapes = append(page.Shapes, out)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = docsPage.Execute(w, page) // an error can only mean that the reader is gone
}
