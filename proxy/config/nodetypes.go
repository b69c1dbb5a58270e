package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func (t *Duration) decodeNode(d *decoder, key string, n ast.Node) {
	if _, ok := n.(*ast.IntegerNode); ok {
		text := n.GetToken().Value
		d.wrong(key, `write "`+text+`s" for seconds`, "must be a duration with a unit (got %s)", text)
		return
	}
	text, ok := d.text(key, n)
	if !ok {
		return
	}
	v, err := ParseDuration(text)
	if err != nil {
		d.wrong(key, `write "30s", "5m" or "1h30m"`, "%v (got %q)", err, shorten(text))
		return
	}
	*t = v
}

func (l *Lifetime) decodeNode(d *decoder, key string, n ast.Node) {
	if _, ok := n.(*ast.IntegerNode); ok {
		text := n.GetToken().Value
		d.wrong(key, `write "`+text+`d" for days`, "must be a duration with a unit (got %s)", text)
		return
	}
	text, ok := d.text(key, n)
	if !ok {
		return
	}
	v, err := ParseLifetime(text)
	if err != nil {
		d.wrong(key, `write "90d", "36h" or never`, "%v (got %q)", err, shorten(text))
		return
	}
	*l = v
}

// decodeNode reads where the user is found.
func (u *UserRef) decodeNode(d *decoder, key string, n ast.Node) {
	entries, isMapping := mappingEntries(n)
	if !isMapping || len(entries) == 0 {
		d.wrong(key, "write {header: NAME}, {field: user} or {name: NAME}", "must say where the user is found")
		return
	}
	d.onlyOne(key, n, "{header: NAME}, {field: user} or {name: NAME}", "header", &u.Header, "field", &u.Field, "name", &u.Name)
}

func (s *Size) decodeNode(d *decoder, key string, n ast.Node) {
	var text string
	if _, ok := n.(*ast.IntegerNode); ok {
		text = n.GetToken().Value
	} else if text, ok = d.text(key, n); !ok {
		return
	}
	v, err := ParseSize(text)
	if err != nil {
		d.wrong(key, `write "64MiB", "100KB" or a number of bytes`, "%v (got %q)", err, shorten(text))
		return
	}
	*s = v
}

// decodeNode reads a reference to a secret. A secret written in its place is never shown.
func (r *SecretRef) decodeNode(d *decoder, key string, n ast.Node) {
	d.reference(key, n, "{env: NAME} or {file: PATH}", "the secret", "env", &r.Env, "file", &r.File)
}

// decodeNode reads a reference to an address. One written in its place is not shown: it may hold a password.
func (r *RedisRef) decodeNode(d *decoder, key string, n ast.Node) {
	d.reference(key, n, "{url: redis://HOST:PORT/DB}, {env: NAME} or {file: PATH}", "the address", "url", &r.URL, "env", &r.Env, "file", &r.File)
}

// reference reads a mapping of which exactly one key may be there: targets are names of keys, each with the *string to fill.
func (d *decoder) reference(key string, n ast.Node, form, what string, targets ...any) {
	entries, isMapping := mappingEntries(n)
	if !isMapping || len(entries) == 0 {
		d.wrong(key, "write "+form+"; secrets do not stand in this file", "must name where %s is found", what)
		return
	}
	d.onlyOne(key, n, form, targets...)
}

// onlyOne reads a mapping to text of which exactly one key may be there.
func (d *decoder) onlyOne(key string, n ast.Node, form string, targets ...any) {
	pairs, _ := d.pairs(key, n)
	var given []string
	for _, p := range pairs {
		path := join(key, p.name)
		d.marks.at[path] = p.at
		i := slices.Index(targets, any(p.name))
		if i < 0 {
			d.problem(p.at, path, "write "+form, "unknown key")
			d.marks.bad[key] = true
			continue
		}
		value, ok := d.plain(path, p.value)
		if !ok {
			d.marks.bad[key] = true
			continue
		}
		s, ok := value.(*ast.StringNode)
		if !ok || s.Value == "" {
			d.wrong(path, "", "must be text")
			d.marks.bad[key] = true
			continue
		}
		*targets[i+1].(*string) = s.Value
		given = append(given, p.name)
	}
	if len(given) == 2 {
		d.wrong(key, "", "has both %s and %s: only one can hold", given[0], given[1])
	} else if len(given) > 2 {
		d.wrong(key, "", "has %s: only one can hold", strings.Join(given, ", "))
	}
}

// decodeNode reads a name, or a list of names.
func (g *GroupConfig) decodeNode(d *decoder, key string, n ast.Node) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if name, ok := d.text(key, n); ok {
			*g = GroupConfig{name}
		}
		return
	}
	if len(seq.Values) == 0 {
		d.wrong(key, "", "needs at least one name")
	}
	for i, item := range seq.Values {
		path := key + "[" + strconv.Itoa(i) + "]"
		d.marks.at[path] = place(item)
		if item, ok := d.plain(path, item); ok {
			if name, ok := d.text(path, item); ok {
				*g = append(*g, name)
			}
		}
	}
	if len(*g) != len(seq.Values) {
		d.marks.bad[key] = true
	}
}

func (r *Renames) decodeNode(d *decoder, key string, n ast.Node) {
	pairs, ok := d.pairs(key, n)
	if !ok {
		return
	}
	for _, p := range pairs {
		path := join(key, p.name)
		d.marks.at[path] = p.at
		if v, ok := d.plain(path, p.value); ok {
			if to, ok := d.text(path, v); ok {
				*r = append(*r, RenamePair{p.name, to})
			}
		}
	}
}

// windowTag bounds the windows of models, in tokens.
const windowTag = reflect.StructTag(`min:"1024" max:"100000000"`)

func (w *Windows) decodeNode(d *decoder, key string, n ast.Node) {
	pairs, ok := d.pairs(key, n)
	if !ok {
		return
	}
	for _, p := range pairs {
		path := join(key, p.name)
		d.marks.at[path] = p.at
		if v, ok := d.plain(path, p.value); ok {
			pair := WindowPair{Model: p.name}
			if d.integer(path, v, reflect.ValueOf(&pair.Tokens).Elem(), windowTag); !d.marks.bad[path] {
				*w = append(*w, pair)
			}
		}
	}
}

func (h *Headers) decodeNode(d *decoder, key string, n ast.Node) {
	pairs, ok := d.pairs(key, n)
	if !ok {
		return
	}
	for _, p := range pairs {
		path := join(key, p.name)
		d.marks.at[path] = p.at
		v, ok := d.plain(path, p.value)
		if !ok {
			continue
		}
		line := HeaderConfig{Name: p.name}
		switch v := v.(type) {
		case *ast.StringNode:
			line.Text = NewSecret(v.Value)
		case *ast.MappingNode, *ast.MappingValueNode:
			line.Ref = &SecretRef{}
			line.Ref.decodeNode(d, path, v)
		default:
			d.wrong(path, "", "must be text, {env: NAME} or {file: PATH}")
		}
		*h = append(*h, line)
	}
}

func (p *ProxyURL) decodeNode(d *decoder, key string, n ast.Node) {
	s, ok := n.(*ast.StringNode)
	if !ok {
		d.wrong(key, "", "must be text")
		return
	}
	parsed, why := parseProxy(s.Value)
	if why != "" {
		d.wrong(key, "write http://HOST:PORT, https://HOST:PORT, or direct", "%s", why)
		return
	}
	*p = parsed
}
