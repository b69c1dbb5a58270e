package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/trapgate/trapgate/"

// A goPackage is what the rules of the house are about.
type goPackage struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// floors are the folders at the top that may hold Go code, from the roof down. An import goes to a lower floor, or stays in
// its own; e2e looks at the house from outside.
var floors = map[string]int{
	"e2e": 0, "proxy": 1, "sandboxd": 1, "filters": 2, "ctxrewrite": 3, "memory": 3, "ratelimit": 3, "internal": 4,
}

// mayFasthttp lists who may import fasthttp: the front door, the side towards the upstreams, and the bench's copy proxy.
var mayFasthttp = []string{"proxy/server", "proxy/upstream", "e2e/bench"}

// wrongArrows lists what breaks the rules.
func wrongArrows(packages []goPackage) (wrong []string) {
	for _, p := range packages {
		from, own := strings.CutPrefix(p.ImportPath, modulePath)
		if !own {
			continue
		}
		floor, known := floors[folder(from)]
		if !known {
			wrong = append(wrong, fmt.Sprintf("%s: no folder of Go code at the top besides the house's", from))
		}
		for _, path := range p.Imports {
			if strings.HasPrefix(path, "github.com/valyala/fasthttp") && !slices.Contains(mayFasthttp, from) {
				wrong = append(wrong, fmt.Sprintf("%s imports fasthttp", from))
			}
			to, ours := strings.CutPrefix(path, modulePath)
			if !ours || folder(to) == folder(from) {
				continue
			}
			if floors[folder(to)] <= floor && floor > 0 {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: arrows run down only", from, to))
			}
		}
	}
	return wrong
}

func folder(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

// TestArrows reads the imports of every package in the module.
func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Standard", "./...")
	cmd.Dir = ".."
	raw, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []goPackage
	own := 0
	for dec := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, modulePath) {
			own++
		}
		packages = append(packages, p)
	}
	if own < 10 {
		t.Fatalf("only %d packages of our own were looked at", own)
	}
	for _, w := range wrongArrows(packages) {
		t.Error(w)
	}
}

// TestArrowsAreSeen: the rules find each kind of breach in a made-up house.
func TestArrowsAreSeen(t *testing.T) {
	pkg := func(path string, imports ...string) goPackage {
		for i, p := range imports {
			if !strings.Contains(p, ".") {
				imports[i] = modulePath + p
			}
		}
		return goPackage{ImportPath: modulePath + path, Imports: imports}
	}
	for _, c := range []struct {
		name string
		p    goPackage
		want string // "" for a good one
	}{
		{"down", pkg("proxy", "filters", "proxy/server", "memory", "internal/wire"), ""},
		{"filter to engine", pkg("filters/recall", "memory", "filters", "internal/wire"), ""},
		{"within an engine", pkg("memory/qdrant", "memory"), ""},
		{"the front door", pkg("proxy/server", "github.com/valyala/fasthttp"), ""},
		{"from outside", pkg("e2e/engine", "proxy/simmodel", "e2e/record"), ""},
		{"filter to proxy", pkg("filters/recall", "proxy/config"), "arrows run down only"},
		{"engine to filter", pkg("memory", "filters"), "arrows run down only"},
		{"engine to proxy", pkg("ratelimit/lease", "proxy/config"), "arrows run down only"},
		{"engine to engine", pkg("memory", "ctxrewrite"), "arrows run down only"},
		{"internal to filters", pkg("internal/wire", "filters"), "arrows run down only"},
		{"the house to its tests", pkg("proxy", "e2e/record"), "arrows run down only"},
		{"fasthttp in main", pkg("proxy", "github.com/valyala/fasthttp"), "imports fasthttp"},
		{"fasthttp in a filter", pkg("filters", "github.com/valyala/fasthttp/fasthttputil"), "imports fasthttp"},
		{"a folder at the top", pkg("utils/strings"), "no folder of Go code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(wrongArrows([]goPackage{c.p, {ImportPath: "fmt", Standard: true}}), "; ")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// initFuncs names the places where a file declares func init.
func initFuncs(fset *token.FileSet, f *ast.File) (places []string) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			places = append(places, fset.Position(fn.Pos()).String())
		}
	}
	return places
}

// TestNothingRegistersItself: what runs is made by a call that can be found.
func TestNothingRegistersItself(t *testing.T) {
	fset := token.NewFileSet()
	made, err := parser.ParseFile(fset, "made-up.go", "package p\n\ntype t int\n\nfunc (t) init() {}\n\nfunc init() {}\n", 0)
	if err != nil || len(initFuncs(fset, made)) != 1 {
		t.Fatalf("an init is not found: %v", err)
	}
	seen := 0
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() != ".." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		for _, place := range initFuncs(fset, f) {
			t.Errorf("%s: nothing registers itself in init()", place)
		}
		return nil
	})
	if err != nil || seen < 50 {
		t.Errorf("%d files looked at: %v", seen, err)
	}
}
