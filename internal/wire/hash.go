package wire

import (
	"bytes"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Hashes of meaning. Agents write a message again in other bytes: arguments without spaces, content null or "" or absent,
// fields of their own added, escapes spelled another way. What counts is the role, the texts, the names of speakers, calls
// with id, name and arguments, results with id, texts and failure, and images and other blocks. What does not: key order,
// white space, cache_control, reasoning and thinking, ids and statuses of items, and every member the view does not know.
// The values are the same in every process and release of this format, so they may be stored.

// Tags keep parts of different kinds from being taken for each other. Their values are part of the format.
const (
	tagMessage uint64 = 0x9e3779b97f4a7c15 + iota<<40
	tagText
	tagCall
	tagName
	tagArguments
	tagResult
	tagFail
	tagExtra
	tagOther
	tagObject
	tagArray
	tagInteger
	tagFloat
	tagBigInteger
	tagLiteral
	tagInvalid
)

// mix folds b into a; the order of calls matters.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo ^ bits.RotateLeft64(a, 23)
}

// MessageHash is the hash of what message i means, not of its bytes.
func (v *View) MessageHash(i int, seed uint64) uint64 { return mix(seed, v.messageHash(i)) }

// ChainFrom appends to dst the chain hash after each message from index from on; prev is the chain hash before it. Reasoning
// items leave the chain as it was, because agents may leave them out later.
func (v *View) ChainFrom(prev uint64, from int, dst []uint64) []uint64 {
	return v.Chain(prev, from, dst, ChainOptions{})
}

// ChainOptions select what a chain covers.
type ChainOptions struct {
	SkipSystem bool // system and developer messages and additional_tools items leave the chain as it was
}

// Chain is ChainFrom with options. dst gets one value for each message; a skipped one repeats the value before it.
func (v *View) Chain(prev uint64, from int, dst []uint64, opt ChainOptions) []uint64 {
	for i := from; i < len(v.Msgs); i++ {
		if !v.skipped(i, opt) {
			prev = mix(prev, v.messageHash(i))
		}
		dst = append(dst, prev)
	}
	return dst
}

// AnchorHash is the end of the chain that leaves out system text and tools: equal for two agents of one program that hand
// the conversation over.
func (v *View) AnchorHash(prev uint64) uint64 {
	for i := range v.Msgs {
		if !v.skipped(i, ChainOptions{SkipSystem: true}) {
			prev = mix(prev, v.messageHash(i))
		}
	}
	return prev
}

func (v *View) skipped(i int, opt ChainOptions) bool {
	m := &v.Msgs[i]
	return m.Kind == Reasoning || opt.SkipSystem && (m.Kind == ToolsItem || m.Kind == Msg && (m.Role == System || m.Role == Developer))
}

// SystemHash is the hash of the top-level system text (messages: system, responses: instructions), 0 when absent.
func (v *View) SystemHash() uint64 {
	if v.sysSum == 0 {
		for _, t := range v.Texts[v.SystemText.From:v.SystemText.To] {
			if t.End-t.Start > 2 {
				v.sysSum = mix(mix(v.sysSum, tagText), v.stringHash(t, true))
			}
		}
	}
	return v.sysSum
}

// ToolsHash is the hash of the tools declared at the top level, 0 when there are none.
func (v *View) ToolsHash() uint64 {
	if v.toolsSum == 0 && !v.ToolsSpan.Empty() {
		v.toolsSum = v.valueHash(v.ToolsSpan, ignoreDecoration)
	}
	return v.toolsSum
}

// TextHash is the hash that a text has in a message hash: of what a model wrote, say, to find it in a later request.
func TextHash(s string) uint64 {
	c := canons.Get().(*canon)
	defer canons.Put(c)
	c.out = appendEscaped(c.out[:0], s)
	return xxh3.Hash(c.out)
}

// TextHashOf is TextHash of a text of this view.
func (v *View) TextHashOf(text Span) uint64 { return v.stringHash(text, true) }

// messageHash is remembered, also from one request of a conversation to the next.
func (v *View) messageHash(i int) uint64 {
	for len(v.hashes) <= i {
		v.hashes = append(v.hashes, 0)
	}
	h := v.hashes[i]
	if h == 0 {
		if h = v.hashMessage(&v.Msgs[i]); h == 0 {
			h = 1
		}
		v.hashes[i] = h
	}
	return h
}

func (v *View) hashMessage(m *Message) uint64 {
	kind := uint64(m.Kind)<<8 | uint64(m.Role)
	if m.Kind != Msg {
		kind = uint64(m.Kind) << 8
	}
	h := mix(tagMessage, kind)
	if m.Role == OtherRole {
		h = mix(h, v.stringHash(m.RoleSpan, true))
	}
	switch {
	case m.Kind == ToolsItem, m.Kind == OtherItem:
		return mix(mix(h, tagOther), v.valueHash(m.Span, ignoreItem))
	case v.bare(m):
		return h
	}
	h = v.hashParts(h, m)
	for i := m.Call.From; i < m.Call.To; i++ {
		h = v.hashCall(h, &v.Calls[i], m)
	}
	for i := m.Result.From; i < m.Result.To; i++ {
		r := &v.Results[i]
		h = mix(mix(h, tagResult), v.stringHash(r.ID, m.odd))
		h = mix(h, v.spoken(m.Text.From, r.Text.To))
		if r.Fail {
			h = mix(h, tagFail)
		}
	}
	return h
}

// bare reports whether a message says nothing.
func (v *View) bare(m *Message) bool {
	return m.Text.From == m.Text.To && m.Call.From == m.Call.To && m.Result.From == m.Result.To && m.extra.From == m.extra.To
}

// spoken counts the texts in a range that say something: it tells which of them belong to a result.
func (v *View) spoken(from, to int32) uint64 {
	n := uint64(0)
	for _, t := range v.Texts[from:to] {
		if t.End-t.Start > 2 {
			n++
		}
	}
	return n
}

// hashParts folds in texts and other blocks in their order. Empty texts say nothing.
func (v *View) hashParts(h uint64, m *Message) uint64 {
	x := m.extra.From
	for i := m.Text.From; ; i++ {
		for x < m.extra.To && (v.extras[x].at <= i || i >= m.Text.To) {
			h = mix(mix(h, tagExtra), v.valueHash(v.extras[x].span, ignoreDecoration))
			x++
		}
		if i >= m.Text.To {
			return h
		}
		if t := v.Texts[i]; t.End-t.Start > 2 {
			h = mix(mix(h, tagText), v.stringHash(t, m.odd))
		}
	}
}

func (v *View) hashCall(h uint64, c *ToolCall, m *Message) uint64 {
	h = mix(mix(h, tagCall), v.stringHash(c.ID, m.odd))
	h = mix(mix(h, tagName), v.stringHash(c.Name, m.odd))
	if !c.Namespace.Empty() {
		h = mix(h, v.stringHash(c.Namespace, m.odd))
	}
	return mix(mix(h, tagArguments), v.argumentsHash(c.Args))
}

// stringHash hashes a raw JSON string in its canonical spelling. odd says that it may be in another one.
func (v *View) stringHash(sp Span, odd bool) uint64 {
	if sp.Empty() {
		return 0
	}
	raw := v.Body[sp.Start+1 : sp.End-1]
	if !odd {
		return xxh3.Hash(raw)
	}
	c := canons.Get().(*canon)
	defer canons.Put(c)
	return c.text(raw)
}

func (v *View) valueHash(sp Span, skip ignore) uint64 {
	c := canons.Get().(*canon)
	defer canons.Put(c)
	return c.hash(sp.Of(v.Body), skip)
}

// argumentsHash hashes arguments as the value they are, whether they stand as an object or as a string that holds JSON.
// Arguments that are no JSON (custom tools take plain text) hash as text.
func (v *View) argumentsHash(sp Span) uint64 {
	raw := sp.Of(v.Body)
	if len(raw) == 0 {
		return 0
	}
	c := canons.Get().(*canon)
	defer canons.Put(c)
	if raw[0] != '"' {
		return c.hash(raw, ignoreNothing)
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		c.args = appendUnescaped(c.args[:0], text)
		text = c.args
	}
	if len(text) == 0 { // some agents write no arguments as "", some as "{}"
		text = []byte("{}")
	}
	if text[0] == '{' || text[0] == '[' || text[0] <= ' ' {
		if h, ok := c.tryHash(text); ok {
			return h
		}
	}
	return mix(tagText, c.text(raw[1:len(raw)-1]))
}
