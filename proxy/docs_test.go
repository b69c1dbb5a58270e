package main

import (
	"bytes"
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/trapgate/trapgate/proxy/config"
)

// pages are the documents whose snippets and names must be true, relative to the module's root.
var pages = []string{"README.md", "ARCHITECTURE.md", "docs/*.md", "e2e/*.md", "internal/*/README.md", "filters/*/README.md"}

func readPages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range pages {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no such page: %v", pattern, err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(filepath.ToSlash(f), "../")] = string(raw)
		}
	}
	return found
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns the fenced blocks of a language.
func blocks(page, language string) (found []string) {
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// helpfulEnv has every variable and every file that a snippet may name, with a value that passes.
func helpfulEnv() config.Env {
	return config.Env{
		Lookup: func(name string) (string, bool) {
			return map[string]string{"HOME": "/home/me"}[name] + keyFor(name), true
		},
		ReadFile: func(string) ([]byte, error) { return []byte("sk-of-a-file\n"), nil },
	}
}

func keyFor(name string) string {
	if strings.HasSuffix(name, "_KEY") {
		return "sk-" + name
	}
	return ""
}

// TestSnippetsLoad: each YAML block is a configuration that serve would take.
func TestSnippetsLoad(t *testing.T) {
	n := 0
	for name, page := range readPages(t) {
		for _, b := range blocks(page, "yaml") {
			n++
			c, problems := config.Parse(name, []byte(b), helpfulEnv())
			if problems != nil {
				t.Errorf("%s: %v\n%s", name, problems, b)
				continue
			}
			if c == nil {
				t.Errorf("%s: nothing was loaded", name)
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d snippets found", n)
	}
}

// TestSnippetsResolve runs the README's files through trapgate check.
func TestSnippetsResolve(t *testing.T) {
	for _, b := range blocks(readPages(t)["README.md"], "yaml") {
		file := filepath.Join(t.TempDir(), "trapgate.yaml")
		if err := os.WriteFile(file, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		env := helpfulEnv()
		env.ReadFile = os.ReadFile
		var out, errs bytes.Buffer
		if code := execute(context.Background(), []string{"check", file}, &streams{out: &out, err: &errs, env: env}); code != 0 {
			t.Errorf("exit code %d: %s\n%s", code, &errs, b)
		}
	}
}

var (
	inlineCode  = regexp.MustCompile("`([^`\n]+)`")
	assignments = regexp.MustCompile(`^([A-Z_]+=\S+ )+`)
	makeTarget  = regexp.MustCompile(`^make ([a-z-]+)$`)
)

// commandLines returns what a page tells its reader to type: whole lines of sh blocks, and code in the text.
func commandLines(page string) (lines []string) {
	for _, b := range blocks(page, "sh") {
		lines = append(lines, strings.Split(strings.TrimSpace(b), "\n")...)
	}
	for _, m := range inlineCode.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		lines = append(lines, m[1])
	}
	for i, l := range lines {
		l = strings.TrimPrefix(assignments.ReplaceAllString(strings.TrimSpace(l), ""), "./")
		if rest, ok := strings.CutPrefix(l, "go run ./proxy"); ok {
			l = "trapgate" + rest
		}
		lines[i] = l
	}
	return lines
}

// unknownCommand says what is wrong with a command line of a page, or "".
func unknownCommand(line, makefile string) string {
	if m := makeTarget.FindStringSubmatch(line); m != nil && !strings.Contains(makefile, "\n"+m[1]+": ") {
		return "no such target in the Makefile"
	}
	args, ok := strings.CutPrefix(line, "trapgate ")
	if !ok {
		return ""
	}
	var c commands
	parser, err := kong.New(&c, kong.Name("trapgate"), kong.Exit(func(int) {}))
	if err != nil {
		return err.Error()
	}
	if _, err := parser.Parse(strings.Fields(args)); err != nil {
		return err.Error()
	}
	return ""
}

// TestCommandLinesExist: what the pages tell to type is understood.
func TestCommandLinesExist(t *testing.T) {
	raw, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	makefile, n := "\n"+string(raw), 0
	for name, page := range readPages(t) {
		for _, line := range commandLines(page) {
			if strings.HasPrefix(line, "trapgate ") || makeTarget.MatchString(line) {
				n++
			}
			if why := unknownCommand(line, makefile); why != "" {
				t.Errorf("%s: %q: %s", name, line, why)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d command lines found", n)
	}
	for _, bad := range []string{"trapgate sreve", "trapgate serve --lisen x", "make tset"} {
		if unknownCommand(bad, makefile) == "" {
			t.Errorf("%q is accepted", bad)
		}
	}
}

var (
	metricName = regexp.MustCompile("`(trapgate_[a-z_]+|gen_ai_[a-z_]+|gen_ai\\.client\\.[a-z_.]+)`")
	tableCell  = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| `([a-z_]+)` \\|")
)

// TestMetricNames: the table beside the code is checked there; the other pages name nothing that is not in it.
func TestMetricNames(t *testing.T) {
	all := readPages(t)
	known := map[string]bool{}
	for _, m := range tableCell.FindAllStringSubmatch(all["internal/telemetry/README.md"], -1) {
		known[m[1]], known[m[2]] = true, true
	}
	if len(known) < 20 {
		t.Fatalf("%d names in the table", len(known))
	}
	named := 0
	for name, page := range all {
		for _, m := range metricName.FindAllStringSubmatch(page, -1) {
			named++
			if !known[m[1]] {
				t.Errorf("%s: there is no metric %s", name, m[1])
			}
		}
	}
	if named < 4 {
		t.Errorf("only %d metrics named", named)
	}
}

var configKey = regexp.MustCompile("`((?:limits|auth|routes|telemetry|tls|schedule|context|memory|upstreams(?:\\[\\])?)\\.[a-z_.]+)(?::[^`]*)?`")

// hasKey looks a path such as limits.retry up in the schema, through lists and alternatives.
func hasKey(schema any, path []string) bool {
	node, ok := schema.(map[string]any)
	switch {
	case len(path) == 0:
		return true
	case !ok:
		return false
	}
	if props, ok := node["properties"].(map[string]any); ok {
		if next, ok := props[strings.TrimSuffix(path[0], "[]")]; ok {
			return hasKey(next, path[1:])
		}
	}
	if hasKey(node["items"], path) {
		return true
	}
	for _, kind := range [...]string{"oneOf", "anyOf"} {
		list, _ := node[kind].([]any)
		if slices.ContainsFunc(list, func(n any) bool { return hasKey(n, path) }) {
			return true
		}
	}
	return false
}

// TestConfigurationKeys: the keys that pages name are in the schema, which is made from the structs.
func TestConfigurationKeys(t *testing.T) {
	raw, err := os.ReadFile("../docs/trapgate.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	if !hasKey(schema, []string{"upstreams[]", "timeouts", "idle"}) || hasKey(schema, []string{"limits", "idel"}) {
		t.Fatal("keys are not found, or found that are not there")
	}
	n := 0
	for name, page := range readPages(t) {
		for _, m := range configKey.FindAllStringSubmatch(page, -1) {
			n++
			if !hasKey(schema, strings.Split(m[1], ".")) {
				t.Errorf("%s: there is no key %s", name, m[1])
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d keys named", n)
	}
}

var codeWord = regexp.MustCompile("`([a-z]+_[a-z0-9_]+)`")

// TestErrorCodes: the README's table lists the codes that the code can answer with, all of them and no other.
func TestErrorCodes(t *testing.T) {
	inCode := errorCodes(t)
	inPage := map[string]bool{}
	for _, line := range strings.Split(readPages(t)["README.md"], "\n") {
		if len(line) > 3 && line[0] == '|' && line[2] >= '4' && line[2] <= '5' {
			for _, m := range codeWord.FindAllStringSubmatch(line, -1) {
				inPage[m[1]] = true
			}
		}
	}
	if len(inCode) < 20 {
		t.Errorf("only %d codes found in the code", len(inCode))
	}
	for code, place := range inCode {
		if !inPage[code] {
			t.Errorf("%s, of %s, is not in README.md", code, place)
		}
	}
	for code := range inPage {
		if inCode[code] == "" {
			t.Errorf("%s is in README.md and nowhere in the code", code)
		}
	}
}

// errorCodes finds the codes of our answers: the Code of a Reply, the code given to Refuse, wire's constants, and the one
// answer that is made before there is anything to answer by.
func errorCodes(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"too_many_connections": "proxy/server"}
	for _, pattern := range []string{"*.go", "server/*.go", "../internal/wire/*.go", "../filters/identity/*.go", "../filters/schedule/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				for _, code := range codesOf(n) {
					found[code] = name
				}
				return true
			})
		}
	}
	return found
}

func codesOf(n ast.Node) (codes []string) {
	take := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				codes = append(codes, s)
			}
		}
	}
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if id, ok := n.Key.(*ast.Ident); ok && id.Name == "Code" {
			take(n.Value)
		}
	case *ast.CallExpr:
		if fn, ok := n.Fun.(*ast.SelectorExpr); ok && fn.Sel.Name == "Refuse" && len(n.Args) == 4 {
			take(n.Args[2])
		}
	case *ast.ValueSpec:
		if len(n.Names) == 1 && (strings.HasPrefix(n.Names[0].Name, "Code") || strings.HasPrefix(n.Names[0].Name, "code")) && len(n.Values) == 1 {
			take(n.Values[0])
		}
	}
	return codes
}

var pageLink = regexp.MustCompile(`\]\(([^)#:]+)\)`)

// TestLinks: what a page links to is there.
func TestLinks(t *testing.T) {
	for name, page := range readPages(t) {
		for _, m := range pageLink.FindAllStringSubmatch(page, -1) {
			if _, err := os.Stat(filepath.Join("..", filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
