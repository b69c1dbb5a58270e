package config

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// SchemaID is where the published schema is found; editors may use a local copy as well.
const SchemaID = "https://raw.githubusercontent.com/trapgate/trapgate/main/docs/trapgate.schema.json"

// A schema is a JSON Schema node; keys come out in a fixed order.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	ID          string             `json:"$id,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"` // a name, or a list of them
	Enum        []string           `json:"enum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Format      string             `json:"format,omitempty"`
	Minimum     json.Number        `json:"minimum,omitempty"`
	Above       json.Number        `json:"exclusiveMinimum,omitempty"`
	Maximum     json.Number        `json:"maximum,omitempty"`
	MinLength   int                `json:"minLength,omitempty"`
	MinItems    int                `json:"minItems,omitempty"`
	Default     any                `json:"default,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"` // false, or a schema
	Items       *schema            `json:"items,omitempty"`
	OneOf       []*schema          `json:"oneOf,omitempty"`
}

// Schema returns the JSON Schema (draft 2020-12) of the configuration file, for editors. It is made from the same structs
// that read the file. What one key asks of another (credentials, names in routes) only trapgate check can tell.
func Schema() []byte {
	s := typeSchema(reflect.TypeFor[Config](), "")
	s.Schema, s.ID, s.Title = "https://json-schema.org/draft/2020-12/schema", SchemaID, "Trapgate configuration"
	s.Type = []string{"object", "null"} // an empty file works
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic("config: schema: " + err.Error()) // the types above always encode
	}
	return []byte(b.String())
}

const (
	durationPattern = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$|^0$`
	lifetimePattern = `^never$|^[1-9][0-9]*d$|` + durationPattern
	sizePattern     = `^[0-9]+(\.[0-9]+)? *(B|K|M|G|Ki|Mi|Gi|KiB|MiB|GiB|KB|MB|GB)?$`
)

func typeSchema(t reflect.Type, tag reflect.StructTag) *schema {
	switch t {
	case reflect.TypeFor[Duration]():
		return &schema{Type: "string", Pattern: durationPattern}
	case reflect.TypeFor[Size]():
		return &schema{OneOf: []*schema{{Type: "string", Pattern: sizePattern}, {Type: "integer", Minimum: "0"}}}
	case reflect.TypeFor[ProxyURL]():
		return &schema{Type: "string", Pattern: "^(direct|https?://[^/?#]+/?)$"}
	case reflect.TypeFor[Amount]():
		return &schema{Type: "number", Minimum: json.Number(tag.Get("min")), Above: json.Number(tag.Get("above")), Maximum: json.Number(tag.Get("max"))}
	case reflect.TypeFor[Lifetime]():
		return &schema{Type: "string", Pattern: lifetimePattern}
	case reflect.TypeFor[SecretRef](), reflect.TypeFor[RedisRef](), reflect.TypeFor[UserRef]():
		return refSchema(t)
	case reflect.TypeFor[GroupConfig](), reflect.TypeFor[Patterns]():
		name := &schema{Type: "string", MinLength: 1}
		return &schema{OneOf: []*schema{name, {Type: "array", Items: name, MinItems: 1}}}
	case reflect.TypeFor[Renames]():
		return &schema{Type: "object", Additional: &schema{Type: "string", MinLength: 1}}
	case reflect.TypeFor[Windows]():
		return &schema{Type: "object", Additional: typeSchema(reflect.TypeFor[int](), windowTag)}
	case reflect.TypeFor[Headers]():
		return &schema{Type: "object", Additional: &schema{OneOf: []*schema{{Type: "string"}, refSchema(reflect.TypeFor[SecretRef]())}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), tag)
	case reflect.Struct:
		return structSchema(t)
	case reflect.Slice:
		s := &schema{Type: []string{"array", "null"}, Items: typeSchema(t.Elem(), tag)}
		return s
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int:
		low, high := bounds(tag)
		return &schema{Type: "integer", Minimum: json.Number(strconv.FormatInt(low, 10)), Maximum: json.Number(strconv.FormatInt(high, 10))}
	case reflect.String:
		s := &schema{Type: "string", MinLength: 1}
		if words := tag.Get("enum"); words != "" {
			s.Enum, s.MinLength = strings.Split(words, ","), 0
		}
		return s
	}
	panic("config: no schema for " + t.String())
}

func structSchema(t reflect.Type) *schema {
	s := &schema{Type: []string{"object", "null"}, Properties: map[string]*schema{}, Additional: false}
	for _, f := range fieldsOf(t) {
		p := typeSchema(f.typ, f.tag)
		p.Description = f.tag.Get("doc")
		p.Default = schemaDefault(p, f.tag.Get("default"))
		s.Properties[f.name] = p
		if f.required {
			s.Required = append(s.Required, f.name)
		}
	}
	if s.Required != nil {
		s.Type = "object"
	}
	return s
}

// schemaDefault returns a default as a value of the schema's type, nil when it is described in words.
func schemaDefault(s *schema, text string) any {
	if text == "" || strings.Contains(text, " ") || text == "all" || strings.HasPrefix(text, "limits.") {
		return nil
	}
	switch s.Type {
	case "boolean":
		return text == "true"
	case "integer", "number":
		return json.Number(text)
	}
	if quoted, err := strconv.Unquote(text); err == nil {
		return quoted
	}
	return text
}

// refSchema is for a mapping of which exactly one key is there.
func refSchema(t reflect.Type) *schema {
	all, one := structSchema(t), &schema{}
	for _, f := range fieldsOf(t) {
		one.OneOf = append(one.OneOf, &schema{Type: "object", Properties: map[string]*schema{f.name: all.Properties[f.name]}, Required: []string{f.name}, Additional: false})
	}
	return one
}
