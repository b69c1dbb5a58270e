package assemble

// A rule says how a value that is told in pieces grows.
type rule uint8

const (
	last  rule = iota // the last value counts, whole
	deep              // objects are merged and arrays appended; of anything else the last value counts
	delta             // deep, and strings are joined
	once              // a word that may be repeated, and is not joined: the last one that is not empty counts
	name              // once, but a piece that is not what is already there is joined
)

// of is the rule for a member of what r merges: some words of a delta, at any level, are said whole.
func (r rule) of(key []byte) rule {
	if r != delta {
		return r
	}
	switch string(key) {
	case "id", "type", "role", "object", "status", "format", "mime_type", "media_type":
		return once
	case "name":
		return name
	}
	return delta
}

// merge adds the value that is next to n. null adds nothing, but tells of a member.
func (a *Assembler) merge(n *node, r rule) {
	s := &a.s
	switch c := s.peek(); {
	case c == '{' && (r == deep || r == delta):
		a.mergeObject(n, r)
	case c == '[' && (r == deep || r == delta):
		a.mergeArray(n, r)
	case c == '"' && r >= delta:
		a.mergeText(n, s.str(), r)
	default:
		if raw := s.value(); len(raw) > 0 && (c != 'n' || n.kind == absent) {
			a.set(n, raw)
		}
	}
}

func (a *Assembler) mergeText(n *node, inside []byte, r rule) {
	switch {
	case a.s.bad:
	case n.kind != text:
		a.setText(n, inside)
	case r == delta:
		a.extend(&n.buf, inside)
	case r == name && string(inside) != string(n.buf):
		a.extend(&n.buf, inside)
		a.like.changes++ // the next one may be the same as what is there then
	case r == once && len(inside) > 0:
		a.setText(n, inside)
	}
}

func (a *Assembler) mergeObject(n *node, r rule) {
	s := &a.s
	a.become(n, object)
	n.next = 0
	for more := s.first(); more; more = s.another('}') {
		key := s.key()
		if s.bad {
			return
		}
		if m := a.member(&n.members, key); m != nil {
			a.merge(m, r.of(key))
		}
	}
}

func (a *Assembler) mergeArray(n *node, r rule) {
	s := &a.s
	a.become(n, list)
	for more := s.first(); more; more = s.another(']') {
		if r == delta && s.peek() == '{' {
			if i := s.indexOf(); i >= 0 {
				if e := a.element(&n.list, i); e != nil {
					a.merge(&e.node, delta)
				}
				continue
			}
		}
		a.push(&n.list, s.value())
	}
}

// become makes n an empty object or list unless it is one.
func (a *Assembler) become(n *node, k kind) {
	if n.kind != k {
		*n = node{kind: k}
		a.like.changes++
	}
}
