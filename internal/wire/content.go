package wire

// maxNested is how deep content may stand in the content of a tool result; deeper blocks are only checked.
const maxNested = 2

// content reads the value of `content`, `output` or `system`: null, a string, or an array of blocks.
func (v *View) content(nested int) (Span, bool) {
	s := &v.scan
	c := s.peek()
	at := int32(s.i)
	switch c {
	case '"':
		if !s.str() {
			return Span{}, false
		}
		v.Texts = append(v.Texts, Span{at, int32(s.i)})
	case '[':
		if !s.open() {
			return Span{}, false
		}
		for more := s.peek() != ']'; more; {
			if !s.element() || !v.part(nested) {
				return Span{}, false
			}
			switch s.peek() {
			case ',':
				s.i++
			case ']':
				more = false
			default:
				return Span{}, s.unexpected("a comma or the end of the array")
			}
		}
		s.close()
	default:
		if !s.skip() {
			return Span{}, false
		}
		if c != 'n' {
			v.extras = append(v.extras, extra{Span{at, int32(s.i)}, int32(len(v.Texts))})
		}
	}
	return Span{at, int32(s.i)}, true
}

// part reads one element of a content array.
func (v *View) part(nested int) bool {
	s := &v.scan
	c := s.peek()
	at := int32(s.i)
	switch {
	case c == '{' && nested < maxNested:
		return v.block(nested)
	case c == '"':
		if !s.str() {
			return false
		}
		v.Texts = append(v.Texts, Span{at, int32(s.i)})
		return true
	}
	if !s.skip() {
		return false
	}
	v.extras = append(v.extras, extra{Span{at, int32(s.i)}, int32(len(v.Texts))})
	return true
}

// A block's members that the view reads.
type blockParts struct {
	typ, text, id, name, input, use, content Span
	contentText                              Range
	contentExtra                             int32
	fail                                     bool
}

// block reads a content block: {"type": "text", ...} and the like.
func (v *View) block(nested int) bool {
	s := &v.scan
	at := int32(s.i)
	var o object
	n := int32(len(v.Texts))
	p := blockParts{contentText: Range{n, n}, contentExtra: -1}
	more, ok := s.enter(&o)
	for more && ok {
		var id keyID
		if id, ok = s.key(&o); ok && v.blockMember(&p, id, nested) {
			more, ok = s.next(&o)
		} else {
			ok = false
		}
	}
	if !ok {
		return false
	}
	v.classifyBlock(&p, Span{at, int32(s.i)}, nested)
	return true
}

func (v *View) blockMember(p *blockParts, id keyID, nested int) bool {
	s := &v.scan
	if id == kContent && v.Dialect == Messages {
		p.contentText.From, p.contentExtra = int32(len(v.Texts)), int32(len(v.extras))
		sp, ok := v.content(nested + 1)
		p.content = sp
		p.contentText.To = int32(len(v.Texts))
		return ok
	}
	sp, c, ok := s.value()
	if !ok {
		return false
	}
	str := c == '"'
	switch {
	case id == kType && str:
		p.typ = sp
	case id == kText && str:
		p.text = sp
	case id == kID && str:
		p.id = sp
	case id == kName && str:
		p.name = sp
	case id == kToolUseID && str:
		p.use = sp
	case id == kInput && c != 'n':
		p.input = sp
	case id == kIsError:
		p.fail = c == 't'
	}
	return true
}

// classifyBlock decides what a whole block is.
func (v *View) classifyBlock(p *blockParts, whole Span, nested int) {
	result := false
	switch string(v.decoded(p.typ)) {
	case "text", "input_text", "output_text":
		if !p.text.Empty() {
			v.dropBlock(p)
			v.Texts = append(v.Texts, p.text)
			return
		}
	case "":
		if !p.text.Empty() {
			v.dropBlock(p)
			v.Texts = append(v.Texts, p.text)
			return
		}
	case "tool_use":
		if v.Dialect == Messages && nested == 0 {
			v.dropBlock(p)
			v.Calls = append(v.Calls, ToolCall{Span: whole, ID: p.id, Name: p.name, Args: p.input, Type: p.typ})
			return
		}
	case "tool_result":
		result = v.Dialect == Messages && nested == 0
	case "thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text":
		v.dropBlock(p)
		return
	}
	if result {
		v.Results = append(v.Results, ToolResult{Span: whole, ID: p.use, Body: p.content, Text: p.contentText, Fail: p.fail})
		return
	}
	v.dropBlock(p)
	v.extras = append(v.extras, extra{whole, int32(len(v.Texts))})
}

// dropBlock forgets what the content of a block other than a tool result gave: the block is kept whole, as an extra.
func (v *View) dropBlock(p *blockParts) {
	if p.contentExtra >= 0 {
		v.Texts, v.extras = v.Texts[:p.contentText.From], v.extras[:p.contentExtra]
	}
}
