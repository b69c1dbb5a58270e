package config

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"
)

// A pair is one key and its value in a mapping.
type pair struct {
	name  string
	at    mark
	value ast.Node
}

// pairs lists the keys of a mapping in file order, merge keys (<<) after the mapping's own; duplicates are problems. Null is
// an empty mapping: a section whose lines are all comments.
func (d *decoder) pairs(key string, n ast.Node) ([]pair, bool) {
	entries, ok := mappingEntries(n)
	if !ok {
		d.wrong(key, "", "must be a mapping of keys to values (got %s)", describe(n))
		return nil, false
	}
	var own, merged []pair
	seen := map[string]mark{}
	for _, e := range entries {
		if e.Key.IsMergeKey() {
			merged = append(merged, d.merge(key, e.Value, 0)...)
			continue
		}
		p, ok := d.pair(key, e)
		if !ok {
			continue
		}
		if first, dup := seen[p.name]; dup {
			d.problem(p.at, join(key, p.name), "", "duplicate key (first on line %d)", first.line)
			continue
		}
		seen[p.name] = p.at
		own = append(own, p)
	}
	for _, p := range merged {
		if _, dup := seen[p.name]; !dup {
			seen[p.name] = p.at
			own = append(own, p)
		}
	}
	return own, true
}

func (d *decoder) pair(key string, e *ast.MappingValueNode) (pair, bool) {
	var k ast.Node = e.Key
	if mk, ok := k.(*ast.MappingKeyNode); ok {
		k = mk.Value
	}
	at := place(e.Key)
	n, ok := d.plain(key, k)
	if !ok {
		return pair{}, false
	}
	if n == nil || !isScalar(n) {
		d.problem(at, key, "", "has a key that is not text")
		return pair{}, false
	}
	name := n.GetToken().Value
	if s, ok := n.(*ast.StringNode); ok {
		name = s.Value
	}
	return pair{name, at, e.Value}, true
}

// merge lists the keys that a << brings in.
func (d *decoder) merge(key string, n ast.Node, depth int) []pair {
	n, ok := d.plain(key, n)
	if !ok {
		return nil
	}
	if depth > maxDepth {
		d.wrong(key, "", "alias refers to itself")
		return nil
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		var all []pair
		for _, item := range seq.Values {
			all = append(all, d.merge(key, item, depth+1)...)
		}
		return all
	}
	entries, ok := mappingEntries(n)
	if !ok {
		d.wrong(key, "", "<< needs a mapping (got %s)", describe(n))
		return nil
	}
	var own, deeper []pair
	for _, e := range entries {
		if e.Key.IsMergeKey() {
			deeper = append(deeper, d.merge(key, e.Value, depth+1)...)
		} else if p, ok := d.pair(key, e); ok {
			own = append(own, p)
		}
	}
	return append(own, deeper...)
}

func mappingEntries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, isNull(n)
}

func isNull(n ast.Node) bool { return n == nil || n.Type() == ast.NullType }

func isScalar(n ast.Node) bool {
	_, ok := n.(ast.ScalarNode)
	return ok
}

// describe says what a node is, for a message; long text is cut, and text that looks like a URL with a password is hidden.
func describe(n ast.Node) string {
	if isNull(n) {
		return "nothing"
	}
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		return strconv.Quote(shorten(n.Value))
	case *ast.LiteralNode:
		return strconv.Quote(shorten(n.Value.Value))
	}
	return shorten(n.GetToken().Value)
}

// shorten cuts text for a message, and hides what may be a secret that was put at the wrong place.
func shorten(text string) string {
	if strings.Contains(text, "@") || strings.HasPrefix(text, "sk-") || strings.HasPrefix(text, "Bearer ") {
		return redacted
	}
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:57]) + "..."
	}
	return text
}

func plainText(s string) bool {
	return s != "" && len(s) < 60 && !strings.ContainsAny(s, "*&[]{}#,:'\"\n@!%|>?`")
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// A field is a key that a struct of the configuration knows.
type field struct {
	name     string
	index    int
	required bool
	tag      reflect.StructTag
	typ      reflect.Type
}

var fieldCache sync.Map // reflect.Type -> []field

// fieldsOf lists the keys of a configuration struct in the order of its fields.
func fieldsOf(t reflect.Type) []field {
	if known, ok := fieldCache.Load(t); ok {
		return known.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("yaml"); name != "" {
			fields = append(fields, field{name, i, f.Tag.Get("required") == "true", f.Tag, f.Type})
		}
	}
	fieldCache.Store(t, fields)
	return fields
}

// bounds returns the least and the greatest value that a tag allows.
func bounds(tag reflect.StructTag) (low, high int64) {
	high = math.MaxInt64
	if s := tag.Get("min"); s != "" {
		n, _ := ParseSize(s)
		low = int64(n)
	}
	if s := tag.Get("max"); s != "" {
		n, _ := ParseSize(s)
		high = int64(n)
	}
	return low, high
}
