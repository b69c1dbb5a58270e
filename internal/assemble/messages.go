package assemble

import (
	"bytes"

	"github.com/trapgate/trapgate/internal/wire"
)

// An anthropic is what the top level of a messages event says.
type anthropic struct {
	typ   []byte
	index int64
	told  bool // it has an `error`
	at    int  // where in the data delta begins
	// The values of the members that events have, nil when absent.
	message, block, delta, usage []byte
}

// message takes one event of the messages dialect.
func (a *Assembler) message(event []byte) {
	s := &a.s
	if s.peek() != '{' {
		s.fail()
		return
	}
	whole := s.b[s.i:]
	e := anthropic{typ: event, index: -1}
	for more := s.first(); more; more = s.another('}') {
		switch key := s.key(); string(key) {
		case "type":
			if t := unquoted(s.value()); len(t) > 0 {
				e.typ = t
			}
		case "index":
			if n, ok := s.integer(); ok {
				e.index = n
			}
		case "message":
			e.message = s.value()
		case "content_block":
			e.block = s.value()
		case "delta":
			e.delta = s.value()
			e.at = s.i - len(e.delta)
		case "usage":
			e.usage = s.value()
		case "error":
			e.told = s.peek() != 'n'
			s.skip()
		default:
			s.skip()
		}
	}
	if s.bad || !s.end() {
		s.bad = true
		return
	}
	a.dispatch(&e, whole)
}

func (a *Assembler) dispatch(e *anthropic, whole []byte) {
	switch string(e.typ) {
	case "message_start":
		a.start(e.message)
	case "content_block_start":
		a.block(e.index, e.block)
	case "content_block_delta":
		a.base = e.at
		a.blockDelta(e.index, e.delta)
	case "message_delta":
		a.messageDelta(e, whole)
	case "message_stop":
		if a.done = a.begun; !a.begun {
			a.form("message_stop without message_start")
		}
	case "error":
		a.upstreamError(whole)
	default: // content_block_stop, ping, and what is not known yet
		if e.told {
			a.upstreamError(whole)
		}
	}
}

// in makes raw, an object, the text that is read.
func (a *Assembler) in(raw []byte) bool {
	if len(raw) == 0 || raw[0] != '{' {
		a.form("a member that should be an object is none")
		return false
	}
	a.s = scanner{b: raw}
	return true
}

// start takes the message that message_start holds.
func (a *Assembler) start(message []byte) {
	if a.begun {
		a.form("a second message_start")
		return
	}
	if !a.in(message) {
		return
	}
	a.begun = true
	s := &a.s
	for more := s.first(); more; more = s.another('}') {
		key := s.key()
		n := a.member(&a.top.members, key)
		switch {
		case n == nil:
		case string(key) == "content" && s.peek() == '[':
			n.kind = list
			index := int64(0)
			for more := s.first(); more; more = s.another(']') {
				raw := s.value()
				was := a.s
				a.block(index, raw)
				a.s = was
				index++
			}
		case string(key) == "usage":
			a.merge(n, deep)
		default:
			a.merge(n, last)
		}
	}
}

// block begins a content block. Its strings and arrays may grow; the rest stays as it is.
func (a *Assembler) block(index int64, block []byte) {
	switch {
	case !a.begun || index < 0 || a.list.find(index) != nil:
		a.form("a content block without message or index, or begun twice")
		return
	case !a.in(block):
		return
	}
	e := a.add(&a.list, index)
	if e == nil {
		return
	}
	s := &a.s
	for more := s.first(); more; more = s.another('}') {
		n := a.member(&e.node.members, s.key())
		switch c := s.peek(); {
		case n == nil:
		case c == '"':
			a.setText(n, s.str())
		case c == '[':
			a.mergeArray(n, deep)
		default:
			a.merge(n, last)
		}
	}
}

// blockDelta takes a piece of a content block. What a piece is shows by its members, so that kinds of pieces that come later
// work too: strings are joined and arrays appended.
func (a *Assembler) blockDelta(index int64, piece []byte) {
	e := a.list.find(index)
	if e == nil {
		a.form("a delta of a content block that has not begun")
		return
	}
	if !a.in(piece) {
		return
	}
	s := &a.s
	e.node.next = 0
	for more := s.first(); more; more = s.another('}') {
		key := s.key()
		switch string(key) {
		case "type":
			s.skip()
		case "partial_json":
			if inside := unquoted(s.value()); inside != nil {
				a.extend(&e.json, inside)
			}
		case "citation":
			a.citation(e, s.value())
		case "signature":
			if n := a.member(&e.node.members, key); n != nil {
				a.merge(n, last)
			}
		default:
			if n := a.member(&e.node.members, key); n != nil {
				a.merge(n, delta.of(key))
			}
		}
	}
}

func (a *Assembler) citation(e *element, raw []byte) {
	n := a.member(&e.node.members, []byte("citations"))
	if n == nil {
		return
	}
	a.become(n, list)
	a.push(&n.list, raw)
}

// messageDelta takes what is known at the end: members of delta and of the event itself go over those of the message, members of
// usage over those of its usage.
func (a *Assembler) messageDelta(e *anthropic, whole []byte) {
	if !a.begun {
		a.form("message_delta without message_start")
		return
	}
	if len(e.delta) > 0 && a.in(e.delta) {
		s := &a.s
		for more := s.first(); more; more = s.another('}') {
			if n := a.member(&a.top.members, s.key()); n != nil {
				a.merge(n, last)
			}
		}
	}
	a.s = scanner{b: whole}
	s := &a.s
	for more := s.first(); more; more = s.another('}') {
		switch key := s.key(); string(key) {
		case "type", "delta":
			s.skip()
		case "usage":
			if n := a.member(&a.top.members, key); n != nil && s.peek() == '{' {
				a.merge(n, deep)
			} else {
				s.skip()
			}
		default:
			if n := a.member(&a.top.members, key); n != nil {
				a.merge(n, last)
			}
		}
	}
}

// messageBody appends the message.
func (a *Assembler) messageBody(dst []byte) ([]byte, error) {
	if a.top.get("stop_reason").isNull() {
		return nil, ErrIncomplete
	}
	for i := range a.list.keyed {
		a.finishBlock(&a.list.keyed[i])
	}
	content := a.ensure(&a.top.members, "content", "")
	*content = node{kind: list, list: a.list}
	dst = a.top.members.append(dst)
	*content = node{kind: list} // the blocks have one place
	return dst, nil
}

// finishBlock gives a block the input whose JSON text has come. A text that was cut is no JSON, and makes an empty input,
// as engines have it in a unary answer.
func (a *Assembler) finishBlock(e *element) {
	m := &e.node.members
	if len(e.json) == 0 {
		if typ := m.get("type"); typ != nil && typ.kind == text && bytes.HasSuffix(typ.buf, []byte("tool_use")) {
			a.ensure(m, "input", "{}")
		}
		return
	}
	a.tmp = append(append(append(a.tmp[:0], '"'), e.json...), '"')
	input := bytes.TrimSpace(wire.Unquote(nil, a.tmp))
	if !valid(input) {
		input = []byte("{}")
	}
	*a.ensure(m, "input", "") = node{kind: verbatim, buf: bytes.Clone(input)}
	e.json = e.json[:0]
}
