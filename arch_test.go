package tidemark_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/aetherlink/tidemark"

// TestArchitectureIsWhatARCHITECTUREmdSays holds every import of the code to the two
// tables in ARCHITECTURE.md. It parses the files itself, so that the test cache
// sees what it depends on.
func TestArchitectureIsWhatARCHITECTUREmdSays(t *testing.T) {
	imports, only := table(t, "imports"), table(t, "only")
	for file, syntax := range sources(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		pkg := packageOf(file)
		allowed, known := imports[pkg]
		if !known {
			t.Errorf("%s: package %s has no row in ARCHITECTURE.md", file, pkg)
			continue
		}
		for _, spec := range syntax.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if ours, is := strings.CutPrefix(imported, module); is {
				name := strings.TrimPrefix(ours, "/")
				if name == "" {
					name = "tidemark"
				}
				if !slices.Contains(allowed, name) && !slices.Contains(allowed, "*") {
					t.Errorf("%s: imports %s; ARCHITECTURE.md does not let %s do so", file, name, pkg)
				}
				continue
			}
			if owners, restricted := ownersOf(imported, only); restricted && !slices.Contains(owners, pkg) {
				t.Errorf("%s: imports %s; ARCHITECTURE.md keeps that to %s", file, imported, strings.Join(owners, ", "))
			} else if !restricted && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				t.Errorf("%s: imports %s, which ARCHITECTURE.md does not name", file, imported)
			}
		}
	}
}

// TestSizesStayReadable holds the limits of CONTRIBUTING.md: main.go up to 100
// lines, every file up to 600, the root package under 700 together.
func TestSizesStayReadable(t *testing.T) {
	root := 0
	for file := range sources(t) {
		lines := countLines(t, file)
		if lines > 600 {
			t.Errorf("%s has %d lines; the limit is 600", file, lines)
		}
		if path.Base(file) == "main.go" && lines > 100 {
			t.Errorf("%s has %d lines; the limit for main.go is 100", file, lines)
		}
		if path.Dir(file) == "." && !strings.HasSuffix(file, "_test.go") {
			root += lines
		}
	}
	if root >= 700 {
		t.Errorf("the root package has %d lines; the limit is 700", root)
	}
}

// TestLongFunctionsSayWhy asks every function of over 80 lines for a comment, and
// most functions to be under 20.
func TestLongFunctionsSayWhy(t *testing.T) {
	short, all := 0, 0
	for file := range sources(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range syntax.Decls {
			f, is := decl.(*ast.FuncDecl)
			if !is || f.Body == nil {
				continue
			}
			lines := set.Position(f.Body.End()).Line - set.Position(f.Body.Pos()).Line + 1
			all++
			if lines < 20 {
				short++
			}
			if lines > 80 && f.Doc == nil {
				t.Errorf("%s: %s has %d lines and no comment that says why", file, f.Name.Name, lines)
			}
		}
	}
	if short*2 < all {
		t.Errorf("only %d of %d functions are under 20 lines", short, all)
	}
}

// TestPackagesSayWhatTheyAreFor asks every package for a comment.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	documented := map[string]bool{}
	for file, syntax := range sources(t) {
		if !strings.HasSuffix(file, "_test.go") {
			documented[packageOf(file)] = documented[packageOf(file)] || syntax.Doc != nil
		}
	}
	for pkg, is := range documented {
		if !is {
			t.Errorf("package %s has no comment", pkg)
		}
	}
}

// ownersOf returns the packages that the longest row above path names.
func ownersOf(imported string, only map[string][]string) (owners []string, restricted bool) {
	for prefix := imported; prefix != "."; prefix = path.Dir(prefix) {
		if owners, restricted = only[prefix]; restricted {
			return owners, true
		}
	}
	return nil, false
}

func packageOf(file string) string {
	if dir := path.Dir(file); dir != "." {
		return dir
	}
	return "tidemark"
}

// table reads one fenced table of ARCHITECTURE.md: "name : word word".
func table(t *testing.T, fence string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```"+fence+"\n")
	body, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatalf("ARCHITECTURE.md has no table %q", fence)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(body) {
		name, words, found := strings.Cut(line, ":")
		if !found {
			t.Fatalf("ARCHITECTURE.md: %q is no row of table %s", line, fence)
		}
		rows[strings.TrimSpace(name)] = strings.Fields(words)
	}
	return rows
}

// sources parses the imports of every Go file of the module.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && file != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || isModule(file)) {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		files[filepath.ToSlash(file)] = syntax
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func countLines(t *testing.T, file string) int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
	}
	return n
}
