package web

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/aetherlink/tidemark"
)

// shape is one type of model.go, as read from its source, comments and all.
type shape struct {
	name, doc string
	fields    []field
}

// field is a field as JSON has it. An embedded shape has no name: its fields are
// the outer's.
type field struct {
	name, doc string
	kind      ast.Expr
	values    []string // if only these can occur
}

// shapes reads the types of the API from their source. Number and Time are no
// shapes: they are written as a number and a string, or null.
func shapes() ([]shape, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "model.go", model, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("read the API's types: %w", err)
	}
	var all []shape
	for _, decl := range file.Decls {
		general, is := decl.(*ast.GenDecl)
		if !is || general.Tok != token.TYPE {
			continue
		}
		spec := general.Specs[0].(*ast.TypeSpec)
		if name := spec.Name.Name; name != "Number" && name != "Time" {
			all = append(all, shape{name, strings.TrimSpace(general.Doc.Text()), fieldsOf(spec.Type.(*ast.StructType))})
		}
	}
	return all, nil
}

func fieldsOf(s *ast.StructType) (fields []field) {
	for _, f := range s.Fields.List {
		out := field{kind: f.Type, doc: strings.TrimSpace(f.Comment.Text())}
		if len(f.Names) > 0 {
			text, _ := strconv.Unquote(f.Tag.Value) // the compiler has read it too
			tag := reflect.StructTag(text)
			out.name = tag.Get("json")
			if values := tag.Get("enum"); values != "" {
				out.values = strings.Split(values, ",")
			}
		}
		fields = append(fields, out)
	}
	return fields
}

// stateNames are the values of tidemark.State.
func stateNames() (names []string) {
	for _, s := range tidemark.States() {
		names = append(names, string(s))
	}
	return names
}

// WriteTypes writes web/ui/src/types.ts: the API's types as TypeScript.
func WriteTypes(w io.Writer) error {
	all, err := shapes()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("// Generated from web/model.go: TIDEMARK_UPDATE=1 go test -run TypeScript ./web\n\n" +
		"export type Num = number | null // null: not known\nexport type Time = string | null\n" +
		"export type State = " + anyOf(stateNames()) + "\n")
	for _, s := range all {
		fmt.Fprintf(&b, "\n/** %s */\nexport interface %s", strings.ReplaceAll(s.doc, "\n", " "), s.name)
		opening := " extends "
		for _, f := range s.fields {
			if f.name == "" {
				b.WriteString(opening + script(f.kind))
				opening = ", "
			}
		}
		b.WriteString(" {\n")
		for _, f := range s.fields {
			if f.name != "" {
				fmt.Fprintf(&b, "  %s: %s%s\n", f.name, f.script(), note(f.doc))
			}
		}
		b.WriteString("}\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func note(doc string) string {
	if doc == "" {
		return ""
	}
	return " // " + doc
}

func anyOf(values []string) string { return "'" + strings.Join(values, "' | '") + "'" }

func (f field) script() string {
	if len(f.values) > 0 {
		return anyOf(f.values)
	}
	return script(f.kind)
}

// script is a type in TypeScript.
func script(kind ast.Expr) string {
	switch kind := kind.(type) {
	case *ast.ArrayType:
		return script(kind.Elt) + "[]"
	case *ast.MapType:
		return fmt.Sprintf("Record<%s, %s>", script(kind.Key), script(kind.Value))
	case *ast.StarExpr:
		return script(kind.X) + " | null"
	case *ast.SelectorExpr:
		return kind.Sel.Name
	case *ast.Ident:
		words := map[string]string{"Number": "Num", "bool": "boolean", "int": "number", "int32": "number", "int64": "number", "uint64": "number"}
		return cmp.Or(words[kind.Name], kind.Name)
	}
	return "unknown"
}
