package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// onDisk compares a generated document with docs/, or rewrites it.
func onDisk(t *testing.T, name string, made []byte) {
	t.Helper()
	path := filepath.Join(root(t), "docs", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, made) {
		t.Errorf("docs/%s is not what the structs say; run: go test ./proxy/config -update", name)
	}
}

func TestReference(t *testing.T) {
	page := Reference()
	onDisk(t, "configuration.md", page)
	if i := bytes.Index(page, []byte("{{")); i >= 0 {
		t.Errorf("a place was not filled in: %.40s", page[i:])
	}
}

func TestSchema(t *testing.T) { onDisk(t, "trapgate.schema.json", Schema()) }

// Every YAML block of the page must hold.
func TestReferenceBlocks(t *testing.T) {
	env := fakeEnv(map[string]string{"HOME": "/h", "TEAM_A_KEY": "1", "TEAM_B_KEY": "5", "OPENAI_API_KEY": "2", "ANTHROPIC_API_KEY": "3"}, map[string]string{"/run/secrets/team-b": "4"})
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(Reference(), -1)
	if len(blocks) == 0 {
		t.Fatal("no blocks")
	}
	for _, b := range blocks {
		if _, problems := Parse("page.yaml", b[1], env); problems != nil {
			t.Error(problems)
		}
	}
}

// Every key has a meaning, and its example and its default are values that the file takes.
func TestEveryKeyIsExplained(t *testing.T) {
	var walk func(path string, typ reflect.Type)
	walk = func(path string, typ reflect.Type) {
		for _, f := range fieldsOf(typ) {
			key := join(path, f.name)
			if f.tag.Get("doc") == "" {
				t.Errorf("%s has no doc", key)
			}
			inner := f.typ
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct && !isOwn(inner) {
				inner = inner.Elem()
			}
			example := f.tag.Get("example")
			if inner.Kind() == reflect.Struct && !isOwn(inner) {
				walk(key, inner)
				continue
			}
			if example == "" {
				t.Errorf("%s has no example", key)
				continue
			}
			decodes(t, key, f, example)
			if d := f.tag.Get("default"); d != "" && d != "all" && !strings.Contains(d, " ") && !strings.HasPrefix(d, "limits.") {
				decodes(t, key, f, d)
			}
		}
	}
	walk("", reflect.TypeFor[Config]())
}

func decodes(t *testing.T, key string, f field, text string) {
	t.Helper()
	root, problem := document("example", []byte(text))
	if problem != nil {
		t.Errorf("%s: %v", key, problem)
		return
	}
	d := decoder{file: "example", marks: marks{at: map[string]mark{}, bad: map[string]bool{}}}
	d.value(key, root, reflect.New(f.typ).Elem(), f.tag)
	if len(d.problems) > 0 {
		t.Errorf("%s: %s: %v", key, text, d.problems)
	}
}

// The defaults in the tags are those that hold.
func TestDefaultsInTags(t *testing.T) {
	var text strings.Builder
	for _, name := range []string{"listen", "admin"} {
		f, _ := reflect.TypeFor[Config]().FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, name) })
		fmt.Fprintf(&text, "%s: %s\n", name, f.Tag.Get("default"))
	}
	text.WriteString("limits:\n")
	for _, f := range fieldsOf(reflect.TypeFor[LimitsConfig]()) {
		if d := f.tag.Get("default"); d != "" {
			fmt.Fprintf(&text, "  %s: %s\n", f.name, d)
		}
	}
	text.WriteString("  retry:\n")
	for _, f := range fieldsOf(reflect.TypeFor[RetryConfig]()) {
		fmt.Fprintf(&text, "    %s: %s\n", f.name, f.tag.Get("default"))
	}
	said, plain := good(t, text.String()), good(t, "")
	if said.Limits != plain.Limits || said.Listen != plain.Listen || said.Admin != plain.Admin {
		t.Errorf("tags say %+v, but %+v holds", said.Limits, plain.Limits)
	}
	timeouts := "upstreams: [{name: a, base_url: 'http://h', timeouts: {"
	for _, f := range fieldsOf(reflect.TypeFor[TimeoutsConfig]()) {
		if d := f.tag.Get("default"); !strings.HasPrefix(d, "limits.") {
			timeouts += f.name + ": " + d + ", "
		}
	}
	a, b := good(t, timeouts+"}}]").Upstreams[0], plain.Upstreams[0]
	if a.ConnectTimeout != b.ConnectTimeout || a.ResponseTimeout != b.ResponseTimeout || a.IdleConn != b.IdleConn || a.StreamIdle != b.StreamIdle {
		t.Errorf("tags say %+v, but %+v holds", a, b)
	}
}

// The schema takes what the program takes, and refuses what is plainly wrong.
func TestSchemaAgrees(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("testdata/*.yaml")
	bad := []string{"values", "unknown", "not-a-mapping", "auth-empty", "routes", "headers", "auth", "schedule", "schedule-shared", "context", "memory"}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		isGood := strings.HasPrefix(name, "good")
		if !isGood && !slices.Contains(bad, name) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Fatal(file, err)
		}
		if why := fits(s, v, "file"); (why == "") != isGood {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// fits checks a value against the part of JSON Schema that Schema uses; it returns what does not fit.
func fits(s map[string]any, v any, at string) string {
	if s == nil {
		return ""
	}
	if one, ok := s["oneOf"].([]any); ok {
		n := 0
		for _, o := range one {
			if fits(o.(map[string]any), v, at) == "" {
				n++
			}
		}
		if n != 1 {
			return fmt.Sprintf("%s fits %d of its forms", at, n)
		}
	}
	if !hasType(s["type"], v) {
		return fmt.Sprintf("%s is no %v", at, s["type"])
	}
	if n, ok := number(v); ok {
		if low, ok := s["minimum"].(float64); ok && n < low {
			return at + " is too small"
		}
		if low, ok := s["exclusiveMinimum"].(float64); ok && n <= low {
			return at + " is too small"
		}
		if high, ok := s["maximum"].(float64); ok && n > high {
			return at + " is too large"
		}
	}
	switch v := v.(type) {
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			return at + " does not match"
		}
		if e, ok := s["enum"].([]any); ok && !slices.Contains(e, any(v)) {
			return at + " is not allowed"
		}
		if n, ok := s["minLength"].(float64); ok && len(v) < int(n) {
			return at + " is too short"
		}
	case []any:
		items, _ := s["items"].(map[string]any) // nil: a oneOf has looked at them
		for i, item := range v {
			if why := fits(items, item, fmt.Sprintf("%s[%d]", at, i)); why != "" {
				return why
			}
		}
	case map[string]any:
		return fitsObject(s, v, at)
	}
	return ""
}

func fitsObject(s, v map[string]any, at string) string {
	required, _ := s["required"].([]any)
	for _, r := range required {
		if _, ok := v[r.(string)]; !ok {
			return at + " lacks " + r.(string)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for k, item := range v {
		p, ok := properties[k].(map[string]any)
		if !ok {
			if p, ok = s["additionalProperties"].(map[string]any); !ok && s["oneOf"] == nil {
				return at + " has unknown " + k
			} else if !ok {
				continue
			}
		}
		if why := fits(p, item, at+"."+k); why != "" {
			return why
		}
	}
	return ""
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case uint64:
		return float64(n), true
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func hasType(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return hasType(w, v) })
	}
	switch v.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string" || want == nil
	case bool:
		return want == "boolean"
	case uint64, int64, int:
		return want == "integer" || want == "number" || want == nil
	case float64:
		return want == "number" || want == nil
	case []any:
		return want == "array" || want == nil
	case map[string]any:
		return want == "object" || want == nil
	}
	return false
}
