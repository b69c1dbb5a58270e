package wire

import "github.com/zeebo/xxh3"

// A memo is what a large value behind the history said: the tools and the system text of agents that send them last. When the
// next request has the same bytes there, wherever they now begin, they are not read again.
type memo struct {
	key   keyID
	size  int32
	mark  uint64 // its last eight bytes
	hash  uint64
	count int32      // elements inside
	tools []ToolDecl // spans from the start of the value
	texts []Span
}

// minMemo is the size in bytes from which a memo pays.
const minMemo = 2 << 10

// noted is a value behind the history that a view has read or recalled.
type noted struct {
	key          keyID
	span         Span
	tools, texts Range
	count        int32
	memo         *memo
}

// recall takes the value that is next from the memo of the last request, if it is the same. It must be the value's first byte.
func (v *View) recall(key keyID) bool {
	s := &v.scan
	if v.from == nil {
		return false
	}
	for _, m := range v.from.late {
		end := s.i + int(m.size)
		if m.key != key || end > len(s.b) || markAt(s.b, int32(end)) != m.mark || s.count+int(m.count) > s.lim.Elements ||
			xxh3.HashSeed(s.b[s.i:end], keySeed) != m.hash {
			continue
		}
		n := v.note(key)
		at := int32(s.i)
		for _, t := range m.tools {
			t.Span, t.Name, t.Type = t.Span.plus(at), t.Name.plus(at), t.Type.plus(at)
			t.Schema, t.Namespace = t.Schema.plus(at), t.Namespace.plus(at)
			v.Tools = append(v.Tools, t)
		}
		for _, t := range m.texts {
			v.Texts = append(v.Texts, t.plus(at))
		}
		s.count += int(m.count)
		s.i = end
		n.memo = m
		v.noted = append(v.noted, v.ended(n))
		return true
	}
	return false
}

// plus moves a span; an absent one stays absent.
func (s Span) plus(n int32) Span {
	if s.Empty() {
		return s
	}
	return Span{s.Start + n, s.End + n}
}

// note begins to note what a value says.
func (v *View) note(key keyID) noted {
	at := int32(v.scan.i)
	nt, nx := int32(len(v.Tools)), int32(len(v.Texts))
	return noted{key: key, span: Span{at, at}, tools: Range{nt, nt}, texts: Range{nx, nx}, count: int32(v.scan.count)}
}

func (v *View) ended(n noted) noted {
	n.span.End = int32(v.scan.i)
	n.tools.To, n.texts.To = int32(len(v.Tools)), int32(len(v.Texts))
	n.count = int32(v.scan.count) - n.count
	return n
}

// memos makes the memos of what v noted behind its history.
func (v *View) memos() (out []*memo) {
	for _, n := range v.noted {
		if !n.late(v) {
			continue
		}
		if n.memo != nil {
			out = append(out, n.memo)
			continue
		}
		m := &memo{
			key: n.key, size: n.span.End - n.span.Start, mark: markAt(v.Body, n.span.End), count: n.count,
			hash: xxh3.HashSeed(n.span.Of(v.Body), keySeed),
		}
		back := -n.span.Start
		for _, t := range v.Tools[n.tools.From:n.tools.To] {
			t.Span, t.Name, t.Type = t.Span.plus(back), t.Name.plus(back), t.Type.plus(back)
			t.Schema, t.Namespace = t.Schema.plus(back), t.Namespace.plus(back)
			m.tools = append(m.tools, t)
		}
		for _, t := range v.Texts[n.texts.From:n.texts.To] {
			m.texts = append(m.texts, t.plus(back))
		}
		out = append(out, m)
	}
	return out
}

// late reports whether a value stands behind the history and is worth a memo.
func (n *noted) late(v *View) bool {
	return n.span.Start >= v.History.End && n.span.End-n.span.Start >= minMemo
}
