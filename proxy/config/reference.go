package config

import (
	_ "embed" // for the page's frame
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

//go:embed reference.in.md
var referenceFrame string

// Example is a complete configuration file that shows most keys; the reference page begins with it.
//
//go:embed example.yaml
var Example string

// Reference returns the page docs/configuration.md: every key with type, default, meaning and an example, made from the structs
// that read the file.
func Reference() []byte {
	var keys strings.Builder
	section(&keys, "The file", "", reflect.TypeFor[Config]())
	var paths strings.Builder
	for _, p := range pathExamples {
		u := Upstream{BasePath: basePath(p.base), Dialects: [3]bool{true, true, true}}
		fmt.Fprintf(&paths, "| %s | `%s` | `%s` |\n", p.base, p.agent, u.Target(p.agent))
	}
	return []byte(strings.NewReplacer("{{example}}", strings.TrimSpace(Example), "{{keys}}", strings.TrimSpace(keys.String()),
		"{{paths}}", strings.TrimSpace(paths.String())).Replace(referenceFrame))
}

// pathExamples are shown on the page with what Target makes of them.
var pathExamples = []struct{ base, agent string }{
	{"https://api.openai.com/v1", "/v1/chat/completions"},
	{"https://api.openai.com/v1", "/chat/completions"},
	{"https://openrouter.ai/api/v1", "/v1/chat/completions"},
	{"https://example.com/v1beta/openai", "/v1/chat/completions"},
	{"http://127.0.0.1:8080", "/v1/chat/completions"},
	{"http://127.0.0.1:8080", "/health"},
	{"http://127.0.0.1:8080/v1", "/health"},
	{"https://api.anthropic.com", "/v1/messages?beta=true"},
	{"https://api.anthropic.com/v1", "/v1/messages"},
	{"https://example.com/anthropic", "/v1/messages"},
	{"https://x.openai.azure.com", "/openai/deployments/d/chat/completions?api-version=1"},
	{"https://x.openai.azure.com/openai", "/openai/deployments/d/chat/completions?api-version=1"},
	{"https://x.openai.azure.com/openai/v1", "/v1/responses"},
}

func basePath(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.EscapedPath(), "/")
}

// section writes the table of one struct, then those of the structs inside.
func section(b *strings.Builder, title, path string, t reflect.Type) {
	fmt.Fprintf(b, "### %s\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n", title)
	fields := fieldsOf(t)
	for _, f := range fields {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, typeName(f.typ, f.tag), defaultText(f), meaning(f))
	}
	b.WriteString("\n")
	for _, f := range fields {
		inner, path := f.typ, join(path, f.name)
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct && !isOwn(inner) {
			inner, path = inner.Elem(), path+"[]"
		}
		if inner.Kind() == reflect.Struct && !isOwn(inner) {
			section(b, "`"+path+"`", path, inner)
		}
	}
}

// isOwn reports whether a type reads its node itself, so that it is one value on the page.
func isOwn(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[nodeDecoder]())
}

func typeName(t reflect.Type, tag reflect.StructTag) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[ProxyURL]():
		return "URL or `direct`"
	case reflect.TypeFor[SecretRef]():
		return "`{env: NAME}` or `{file: PATH}`"
	case reflect.TypeFor[Lifetime]():
		return "duration or `never`"
	case reflect.TypeFor[UserRef]():
		return "`{header: NAME}`, `{field: user}` or `{name: NAME}`"
	case reflect.TypeFor[RedisRef]():
		return "`{url: URL}`, `{env: NAME}` or `{file: PATH}`"
	case reflect.TypeFor[Amount]():
		return "number"
	case reflect.TypeFor[Patterns]():
		return "glob or list of globs"
	case reflect.TypeFor[GroupConfig]():
		return "name or list of names"
	case reflect.TypeFor[Renames]():
		return "mapping of names to names"
	case reflect.TypeFor[Windows]():
		return "mapping of globs to numbers"
	case reflect.TypeFor[Headers]():
		return "mapping of names to text, `{env: NAME}` or `{file: PATH}`"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem(), tag)
	case reflect.Struct:
		return "section"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "list"
		}
		return "list of " + plural(typeName(t.Elem(), tag))
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "number"
	}
	if words := tag.Get("enum"); words != "" {
		return "`" + strings.ReplaceAll(words, ",", "`, `") + "`"
	}
	return "text"
}

func plural(name string) string {
	if strings.HasPrefix(name, "name or") {
		return "names or lists of names"
	}
	return strings.Replace(name, "text", "texts", 1)
}

func defaultText(f field) string {
	text := f.tag.Get("default")
	switch {
	case f.required:
		return "required"
	case text == "":
		return ""
	case strings.Contains(text, " ") || text == "all":
		return cell(text)
	}
	return "`" + cell(text) + "`"
}

func meaning(f field) string {
	text := cell(f.tag.Get("doc"))
	if f.typ.Kind() == reflect.Int || f.typ.Kind() == reflect.Pointer && f.typ.Elem().Kind() == reflect.Int {
		low, high := bounds(f.tag)
		text += fmt.Sprintf(" From %d to %d.", low, high)
	}
	if f.typ == reflect.TypeFor[Amount]() {
		text += " A number " + rangeOf(f.tag) + "."
	}
	if example := f.tag.Get("example"); example != "" {
		text += " Example: `" + cell(f.name+": "+example) + "`."
	}
	return text
}

func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
