package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// marks remembers where the keys of a file stand, and which of them are already known to be wrong.
type marks struct {
	at  map[string]mark
	bad map[string]bool
}

// of returns the place of a key, else of the nearest key around it.
func (m marks) of(key string) mark {
	for key != "" {
		if at, ok := m.at[key]; ok {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return m.at[""]
}

// A decoder fills a Config from the nodes of a file. It goes on after a problem, to find them all.
type decoder struct {
	file     string
	marks    marks
	anchors  map[string]ast.Node
	problems Problems
	nodes    int // visited, to bound what aliases multiply
}

// A nodeDecoder reads a node its own way.
type nodeDecoder interface {
	decodeNode(d *decoder, key string, n ast.Node)
}

const maxNodes = 200_000

func (d *decoder) problem(at mark, key, hint, format string, args ...any) {
	d.marks.bad[key] = true
	d.problems = append(d.problems, Problem{d.file, at.line, at.col, key, fmt.Sprintf(format, args...), hint})
}

// wrong reports a problem with the value at key.
func (d *decoder) wrong(key, hint, format string, args ...any) {
	d.problem(d.marks.of(key), key, hint, format, args...)
}

// decodeFile fills c from the root node, which may be nil.
func (d *decoder) decodeFile(root ast.Node, c *Config) {
	d.marks = marks{at: map[string]mark{"": {1, 1}}, bad: map[string]bool{}}
	if root != nil {
		d.anchors = map[string]ast.Node{}
		ast.Walk(anchorVisitor{d}, root)
		d.marks.at[""] = place(root)
		d.value("", root, reflect.ValueOf(c).Elem(), "")
	}
	c.marks = d.marks
}

type anchorVisitor struct{ d *decoder }

// Visit collects the anchors of a file.
func (v anchorVisitor) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		name := a.Name.GetToken().Value
		if v.d.anchors[name] != nil {
			v.d.problem(place(a), "", "", "anchor &%s is defined twice", name)
		}
		v.d.anchors[name] = a.Value
	}
	return v
}

// plain follows anchors and aliases to a node with a value, nil after a problem. A nil node stands for null.
func (d *decoder) plain(key string, n ast.Node) (ast.Node, bool) {
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.wrong(key, "", "aliases make the file too large")
		}
		return nil, false
	}
	for range maxDepth {
		switch a := n.(type) {
		case *ast.AnchorNode:
			n = a.Value
		case *ast.AliasNode:
			name := a.Value.GetToken().Value
			target, ok := d.anchors[name]
			if !ok {
				d.wrong(key, `define it with &`+name+`, or quote a glob that begins with *: "*`+name+`"`, "unknown alias *%s", name)
				return nil, false
			}
			n = target
		case *ast.TagNode:
			d.wrong(key, "", "tags (!...) are not supported")
			return nil, false
		default:
			return n, true
		}
	}
	d.wrong(key, "", "alias refers to itself")
	return nil, false
}

// value decodes a node into v. The tag of the field gives enum and bounds.
func (d *decoder) value(key string, n ast.Node, v reflect.Value, tag reflect.StructTag) {
	n, ok := d.plain(key, n)
	if !ok {
		return
	}
	if own, ok := v.Addr().Interface().(nodeDecoder); ok {
		own.decodeNode(d, key, n)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(key, n, p.Elem(), tag)
		if !d.marks.bad[key] {
			v.Set(p)
		}
	case reflect.Struct:
		d.structure(key, n, v)
	case reflect.Slice:
		d.list(key, n, v, tag)
	case reflect.String:
		if v.Type() == reflect.TypeFor[Amount]() {
			d.amount(key, n, v, tag)
		} else if text, ok := d.text(key, n); ok && d.enum(key, text, tag.Get("enum")) {
			v.SetString(text)
		}
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.wrong(key, "", "must be true or false (got %s)", describe(n))
	case reflect.Int:
		d.integer(key, n, v, tag)
	default:
		panic("config: no decoder for " + v.Type().String())
	}
}

func (d *decoder) structure(key string, n ast.Node, v reflect.Value) {
	pairs, ok := d.pairs(key, n)
	if !ok {
		return
	}
	fields := fieldsOf(v.Type())
	given := map[string]bool{}
	for _, p := range pairs {
		path := join(key, p.name)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == p.name })
		if i < 0 {
			d.unknown(p, path, fields)
			continue
		}
		given[p.name] = true
		d.marks.at[path] = p.at
		d.value(path, p.value, v.Field(fields[i].index), fields[i].tag)
	}
	for _, f := range fields {
		if f.required && !given[f.name] {
			at := d.marks.of(key)
			if len(pairs) > 0 {
				at = pairs[0].at
			}
			d.problem(at, join(key, f.name), "", "is missing")
		}
	}
}

func (d *decoder) unknown(p pair, path string, fields []field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	hint := ""
	if near := nearest(p.name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	d.problem(p.at, path, hint, "unknown key")
}

func (d *decoder) list(key string, n ast.Node, v reflect.Value, tag reflect.StructTag) {
	if isNull(n) {
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		hint := ""
		if s, ok := n.(*ast.StringNode); ok && v.Type().Elem().Kind() == reflect.String && plainText(s.Value) {
			hint = "write [" + s.Value + "]"
		}
		d.wrong(key, hint, "must be a list (got %s)", describe(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		path := key + "[" + strconv.Itoa(i) + "]"
		d.marks.at[path] = place(item)
		d.value(path, item, out.Index(i), tag)
	}
	v.Set(out)
}

func (d *decoder) integer(key string, n ast.Node, v reflect.Value, tag reflect.StructTag) {
	node, ok := n.(*ast.IntegerNode)
	if !ok {
		d.wrong(key, "", "must be a whole number (got %s)", describe(n))
		return
	}
	number, err := strconv.ParseInt(strings.ReplaceAll(node.Token.Value, "_", ""), 0, 64)
	low, high := bounds(tag)
	if err != nil || number < low || number > high {
		d.wrong(key, "", "must be from %d to %d (got %s)", low, high, node.Token.Value)
		return
	}
	v.SetInt(number)
}

// text returns the text of a node; numbers and the like must be quoted to be text.
func (d *decoder) text(key string, n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	}
	hint := ""
	if isScalar(n) && !isNull(n) {
		hint = `quote it: "` + n.GetToken().Value + `"`
	}
	d.wrong(key, hint, "must be text (got %s)", describe(n))
	return "", false
}

func (d *decoder) enum(key, text, words string) bool {
	if words == "" {
		return true
	}
	allowed := strings.Split(words, ",")
	if slices.Contains(allowed, text) {
		return true
	}
	hint := ""
	if near := nearest(text, allowed); near != "" {
		hint = "did you mean " + near + "?"
	}
	d.wrong(key, hint, "must be %s (got %q)", oneOf(allowed), shorten(text))
	return false
}
