package config

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decimal is what an Amount looks like.
var decimal = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// amount reads a number without rounding it. The tags bound it: above, or min and max.
func (d *decoder) amount(key string, n ast.Node, v reflect.Value, tag reflect.StructTag) {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		hint := ""
		if s, ok := n.(*ast.StringNode); ok && isNumber(s.Value) {
			hint = "write it in plain digits, without quotes and exponent"
		}
		d.wrong(key, hint, "must be a number (got %s)", describe(n))
		return
	}
	text := n.GetToken().Value
	a, ok := newAmount(text)
	switch {
	case !ok && !strings.HasPrefix(text, "-"):
		d.wrong(key, "", "must be a number in plain digits (got %s)", shorten(text))
		return
	case !ok || !inRange(a, tag):
		d.wrong(key, "", "must be a number %s (got %s)", rangeOf(tag), shorten(text))
		return
	}
	v.SetString(string(a))
}

// newAmount takes off what YAML allows around digits. Negative numbers, and such in other bases, are none.
func newAmount(text string) (Amount, bool) {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(text, "_", ""), "+"), ".")
	if strings.HasPrefix(text, ".") {
		text = "0" + text
	}
	return Amount(text), decimal.MatchString(text)
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// Float returns the nearest float64, 0 for an absent amount.
func (a Amount) Float() float64 {
	f, _ := strconv.ParseFloat(string(a), 64)
	return f
}

func inRange(a Amount, tag reflect.StructTag) bool {
	f := a.Float()
	if s := tag.Get("above"); s != "" {
		return f > Amount(s).Float()
	}
	return f >= Amount(tag.Get("min")).Float() && f <= Amount(tag.Get("max")).Float()
}

// rangeOf says in words what the tags of an Amount allow: "above 0", "from 0 to 10".
func rangeOf(tag reflect.StructTag) string {
	if above := tag.Get("above"); above != "" {
		return "above " + above
	}
	return "from " + tag.Get("min") + " to " + tag.Get("max")
}

// decodeNode reads one glob, or a list of them.
func (p *Patterns) decodeNode(d *decoder, key string, n ast.Node) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if text, ok := d.text(key, n); ok {
			*p = Patterns{text}
		}
		return
	}
	*p = Patterns{}
	for i, item := range seq.Values {
		path := key + "[" + strconv.Itoa(i) + "]"
		d.marks.at[path] = place(item)
		if item, ok := d.plain(path, item); ok {
			if text, ok := d.text(path, item); ok {
				*p = append(*p, text)
				continue
			}
		}
		d.marks.bad[key] = true
	}
}
